package driver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"starproxy/builtins/disk"
	"starproxy/builtins/state"
	"starproxy/driver/ca"
	"starproxy/driver/document"
	"starproxy/driver/endpoints"
)

// Problem is a mistake in the configuration of a proxy, or in a file that it names.
type Problem struct {
	// Key of the config block that it is about, dotted.
	Key string
	// Err describes the mistake. For one in another file it names the place.
	Err error
	// Mild means that the proxy starts all the same.
	Mild bool
}

// Check returns the problems of a configuration that can be found without starting
// a proxy: of values, directories, the CA, the scenario, mocks and addons. It writes
// nothing and listens nowhere.
func Check(cfg Config) []Problem {
	if err := cfg.resolve(); err != nil {
		key, _, _ := strings.Cut(err.Error(), ": ")
		return []Problem{{Key: key, Err: err}}
	}
	c := &checking{cfg: &cfg}
	c.directories()
	c.authority()
	c.endpoints()
	return c.problems
}

type checking struct {
	cfg      *Config
	problems []Problem
}

func (c *checking) fail(key string, err error) {
	c.problems = append(c.problems, Problem{Key: key, Err: err})
}

func (c *checking) warn(key string, err error) {
	c.problems = append(c.problems, Problem{Key: key, Err: err, Mild: true})
}

// directories checks the directories that a proxy makes or writes into. Those of
// scenarios and of files of mocks may be read-only.
func (c *checking) directories() {
	d := &c.cfg.Directories
	for _, dir := range []struct {
		key, path string
		readable  bool // is enough
	}{
		{"directories.data", d.Data, false}, {"directories.flows", d.Flows, false}, {"directories.mocks", d.Mocks,
			true}, {"directories.files", d.Files, true},
	} {
		if dir.readable {
			if _, err := os.ReadDir(dir.path); err == nil {
				continue
			}
		}
		if err := disk.CanMake(dir.path); err != nil {
			c.warn(dir.key, fmt.Errorf("%s: no files can be put there: %w", dir.key, err))
		}
	}
}

// authority checks the CA, or that one can be made.
func (c *checking) authority() {
	const key = "directories.conf"
	dir := c.cfg.Directories.Conf
	found, problem, err := ca.Check(dir)
	switch {
	case err != nil:
		c.fail(key, err)
	case !found:
		if err := disk.CanMake(dir); err != nil {
			c.fail(key, fmt.Errorf("certificate authority: none can be made: %w", err))
		}
	case problem != "":
		c.warn(key, fmt.Errorf("%s: %s: %s", dir, problem, ca.Remedy))
	}
}

// endpoints compiles the scenario, the mocks and the addons.
func (c *checking) endpoints() {
	shared := NewShared()
	shared.Protect(ca.KeyPaths(c.cfg.Directories.Conf)...)
	found := &endpointFindings{checking: c}
	log := slog.New(checkLog{slog.DiscardHandler, found.Warn})
	policy, store := c.cfg.access(shared), state.New()
	s := c.cfg.endpoints(endpoints.Options{Access: policy, State: store, Script: c.cfg.script(policy, store, log, nil, nil), Log: log})
	defer s.Close()
	s.Check(found)
}

// endpointFindings are the problems of endpoints.
type endpointFindings struct {
	*checking
	key string
}

// Begin notes what the next problems are about.
func (f *endpointFindings) Begin(key string) { f.key = key }

// Fail notes a problem with which the proxy does not start.
func (f *endpointFindings) Fail(err error) { f.fail(f.key, err) }

// Warn notes another problem.
func (f *endpointFindings) Warn(err error) { f.warn(f.key, err) }

// checkLog makes problems of the warnings that a document is given when it is
// compiled.
type checkLog struct {
	slog.Handler
	warn func(error)
}

// Enabled takes warnings.
func (checkLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

// Handle makes a problem of the text, and of what it is about.
func (l checkLog) Handle(_ context.Context, r slog.Record) error {
	var placed error
	parts := []string{r.Message}
	r.Attrs(func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(*document.Error); ok {
			placed = err
		}
		parts = append(parts, a.Value.String())
		return true
	})
	l.warn(cmp.Or(placed, errors.New(strings.Join(parts, ": "))))
	return nil
}

// WithAttrs keeps no attributes.
func (l checkLog) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup keeps no groups.
func (l checkLog) WithGroup(string) slog.Handler { return l }

// Interface guards.
var (
	_ slog.Handler       = checkLog{}
	_ endpoints.Findings = (*endpointFindings)(nil)
)
