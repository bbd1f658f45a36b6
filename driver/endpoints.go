package driver

import (
	"context"
	"log/slog"
	"path/filepath"

	"starproxy/builtins/call"
	"starproxy/builtins/clock"
	"starproxy/builtins/state"
	"starproxy/driver/access"
	"starproxy/driver/endpoints"
	"starproxy/driver/mock"
	"starproxy/driver/scenario"
	"starproxy/script"
)

// scenarioPath returns where the configured scenario lies; empty for none.
func (c *Config) scenarioPath() string {
	if c.MockScenario == "" || filepath.IsAbs(c.MockScenario) {
		return c.MockScenario
	}
	return filepath.Join(c.Directories.Mocks, c.MockScenario)
}

// endpoints makes the service of the endpoints from o, in which the keys of the
// configuration are filled in.
func (c *Config) endpoints(o endpoints.Options) *endpoints.Service {
	d := &c.Directories
	o.Scenario, o.Mocks, o.File = c.scenarioPath(), &c.Mocks, c.File
	o.Scenarios, o.Files, o.Addons, o.Reject = d.Mocks, d.Files, d.Addons, c.Unmatched == Reject
	o.Writable = c.WritableScenario
	return endpoints.New(o)
}

// script makes the host of scripts. deliver sends their webhooks.
func (c *Config) script(p *access.Policy, s *state.Store, log *slog.Logger, deliver func(context.Context, *call.Webhook),
	clock *clock.Clock) *script.Host {
	return script.New(script.Options{
		State: s, Seed: c.Seed, Log: log, Clock: clock, Merge: mock.Merge, Match: scenario.Matching,
		MaxSteps: uint64(c.Scripts.MaxSteps), MaxTime: c.Scripts.maxTime(), MaxBody: c.Scripts.MaxBody,
		MaxMemory: uint64(c.Scripts.MaxMemory), Secret: p.Secret, Deliver: deliver,
	})
}
