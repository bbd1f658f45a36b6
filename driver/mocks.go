package driver

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"starproxy/driver/access"
	"starproxy/driver/endpoints"
	"starproxy/driver/rpc"
	"starproxy/driver/scenario"
)

func (d *Driver) removeMock(_ context.Context, method, path string) (string, error) {
	key := mockKey(method, path)
	if !d.endpoints.Remove(key) {
		return "", stock(rpc.NotFound, "path", "Mock not found: %s", key)
	}
	return "Removed mock: " + key, nil
}

func (d *Driver) clearMocks(context.Context) (string, error) {
	return fmt.Sprintf("Cleared %d mock(s)", d.endpoints.Clear()), nil
}

func (d *Driver) resetMocks(context.Context) (string, error) {
	return fmt.Sprintf("Reset to %d mock(s)", d.endpoints.Reset()), nil
}

func (d *Driver) enableMock(_ context.Context, key string, enabled bool) (string, error) {
	if !d.endpoints.Enable(key, enabled) {
		return "", stock(rpc.NotFound, "key", "Mock not found: %s", key)
	}
	if enabled {
		return "Mock enabled: " + key, nil
	}
	return "Mock disabled: " + key, nil
}

// putMock puts an endpoint in force that is given as YAML or JSON text.
func (d *Driver) putMock(_ context.Context, key, text, replaces string) (string, error) {
	if err := d.endpoints.Put(key, text, replaces); err != nil {
		return "", rpc.Refuse(rpc.InvalidArgument, "put_mock: %v", err)
	}
	return "Mock set: " + key, nil
}

func (d *Driver) loadMockScenario(_ context.Context, name string) (string, error) {
	path, n, err := d.endpoints.Load(name)
	var missing *endpoints.PathError
	switch {
	case errors.As(err, &missing) && errors.Is(err, access.ErrOutside):
		return "", stock(rpc.InvalidArgument, "path", "Invalid scenario path: must be within %s", missing.Dir)
	case errors.As(err, &missing):
		return "", stock(rpc.NotFound, "path", "Scenario file not found: %s", missing.Path)
	case err != nil:
		return "", notLoaded("Failed to load scenario", err)
	}
	return fmt.Sprintf("Loaded %d endpoint(s) from %s", n, filepath.Base(path)), nil
}

func (d *Driver) loadMockScenarioContent(_ context.Context, name, content string) (string, error) {
	n, err := d.endpoints.LoadText(name, content)
	if err != nil {
		return "", notLoaded("Failed to parse scenario", err)
	}
	return fmt.Sprintf("Loaded %d endpoint(s) from %s", n, name), nil
}

// notLoaded is the refusal of a document that is not a scenario.
func notLoaded(attempt string, err error) *rpc.Refusal {
	var own *rpc.Refusal
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, scenario.ErrNotObject):
		return stock(rpc.InvalidArgument, "", "Invalid scenario: expected a JSON/YAML object")
	case errors.Is(err, scenario.ErrNoEndpoints):
		return stock(rpc.InvalidArgument, "", "Invalid scenario: expected an object of endpoints")
	}
	return stock(rpc.InvalidArgument, "", "%s: %v", attempt, err)
}
