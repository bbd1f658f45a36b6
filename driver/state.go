package driver

import (
	"context"
	"errors"
	"fmt"

	"starproxy/builtins/state"
	"starproxy/driver/rpc"
)

func (d *Driver) setState(_ context.Context, key, valueJSON string) (string, error) {
	v, err := rpc.ParseJSON(valueJSON)
	if err != nil {
		return "", stock(rpc.InvalidArgument, "value_json", "Invalid JSON: %v", err)
	}
	if err := d.state.Set(key, v); err != nil {
		return "", rpc.Refuse(rpc.InvalidArgument, "set_state: %v", err)
	}
	return "State set: " + key, nil
}

// checkState tells what setState would make of a key and a value.
func (d *Driver) checkState(_ context.Context, key, valueJSON string) (string, error) {
	answer := map[string]any{"ok": true}
	if key == "" {
		answer = fault(errors.New("the key is missing"))
	} else if v, err := rpc.ParseJSON(valueJSON); err != nil {
		answer = fault(err)
	} else if _, err := state.Value(v); err != nil {
		answer = fault(err)
	}
	return rpc.JSON(answer)
}

func (d *Driver) getState(_ context.Context, key string) (string, error) {
	v, _ := d.state.Get(key)
	return rpc.JSON(v)
}

func (d *Driver) clearState(context.Context) (string, error) {
	return fmt.Sprintf("Cleared %d state key(s)", d.state.Clear()), nil
}

func (d *Driver) getAllState(context.Context) (string, error) { return rpc.JSON(d.state.All()) }
