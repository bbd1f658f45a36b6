package endpoints

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"starproxy/driver/mock"
	"starproxy/driver/scenario"
)

// Findings get the problems that a check finds.
type Findings interface {
	// Begin tells the key of the configuration that the next problems are about.
	Begin(key string)
	// Fail gets a problem with which a proxy does not start in mock mode.
	Fail(err error)
	// Warn gets any other problem.
	Warn(err error)
}

// Check compiles the scenario, the mocks and the addons, and puts none of them in
// force. Warnings about documents go to the log.
func (s *Service) Check(f Findings) {
	env := s.env()
	env.Mistake = f.Fail
	f.Begin("mock_scenario")
	if s.Scenario != "" {
		owned := env
		owned.Owned = true
		_, err := scenario.Load(s.Scenario, owned)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			f.Warn(fmt.Errorf("mock_scenario %s: no such scenario", s.Scenario))
		case err != nil:
			f.Fail(err)
		}
	}
	f.Begin("mocks")
	if _, err := scenario.Endpoints(s.File, s.Mocks, env, mock.Source{Name: configSource}); err != nil {
		f.Fail(err)
	}
	f.Begin("directories.addons")
	names, err := addonNames(s.Addons)
	if err != nil {
		f.Warn(err)
	}
	for _, name := range names {
		if err := s.CheckAddon(name); err != nil {
			f.Warn(fmt.Errorf("addon %s: %w", filepath.Join(s.Addons, name+".star"), err))
		}
	}
}
