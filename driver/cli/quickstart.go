package cli

import (
	_ "embed" // the quick-start scenario
	"os"
	"path/filepath"

	"starproxy/builtins/disk"
	"starproxy/driver"
)

// quickstart is the scenario of "starproxy run" without arguments.
//
//go:embed quickstart.yaml
var quickstart []byte

// useQuickstart makes a driver without a scenario answer from the quick start,
// in a copy where it can be looked at and edited. A copy that is there already
// stays: it may be the user's own by now.
func useQuickstart(d *driver.Config) error {
	if d.MockScenario != "" {
		return nil
	}
	path := filepath.Join(d.Directories.Data, "quickstart", "scenario.yaml")
	if _, err := os.Stat(path); err != nil {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := disk.CreateNew(path, 0o600, quickstart); err != nil {
			return err
		}
	}
	d.MockScenario, d.WritableScenario = path, true
	return nil
}
