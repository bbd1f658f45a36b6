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
func (d *Driver) checkState(_ context.Context, key, valueJSON string) (any, error) {
	if key == "" {
		return rpc.Mistake{Error: "the key is missing"}, nil
	}
	v, err := rpc.ParseJSON(valueJSON)
	if err == nil {
		_, err = state.Value(v)
	}
	var placed *rpc.JSONError
	switch {
	case errors.As(err, &placed):
		return rpc.Mistake{Error: placed.Message, Line: placed.Line, Column: placed.Column}, nil
	case err != nil:
		return rpc.Mistake{Error: err.Error()}, nil
	}
	return map[string]any{"ok": true}, nil
}

func (d *Driver) deleteState(_ context.Context, key string) (string, error) {
	if !d.state.Delete(key) {
		return "", stock(rpc.NotFound, "key", "State key not found: %s", key)
	}
	return "State deleted: " + key, nil
}

func (d *Driver) getState(_ context.Context, key string) (string, error) {
	v, _ := d.state.Get(key)
	return rpc.JSON(v)
}

func (d *Driver) clearState(context.Context) (string, error) {
	return fmt.Sprintf("Cleared %d state key(s)", d.state.Clear()), nil
}

func (d *Driver) getAllState(context.Context) (string, error) { return rpc.JSON(d.state.All()) }
