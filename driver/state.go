package driver

import (
	"context"
	"fmt"
)

func (d *Driver) setState(_ context.Context, key, valueJSON string) (string, error) {
	v, err := parseJSON(valueJSON)
	if err != nil {
		return "Invalid JSON: " + err.Error(), nil
	}
	d.state.Set(key, v)
	return "State set: " + key, nil
}

func (d *Driver) getState(_ context.Context, key string) (string, error) {
	v, _ := d.state.Get(key)
	return toJSON(v)
}

func (d *Driver) clearState(context.Context) (string, error) {
	return fmt.Sprintf("Cleared %d state key(s)", d.state.Clear()), nil
}

func (d *Driver) getAllState(context.Context) (string, error) { return toJSON(d.state.All()) }
