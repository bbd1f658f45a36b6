package driver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"starproxy/builtins/disk"
	"starproxy/driver/access"
	"starproxy/driver/mock"
	"starproxy/driver/rpc"
	"starproxy/driver/scenario"
)

// loaded is the scenario in force: a file that is followed, or a text.
type loaded struct {
	source string // the Source.Name of its endpoints
	path   string // the file; empty for a text
	owned  bool   // the configuration names the file, or whoever runs the process
	name   string // of the text
	text   []byte

	files []string    // what the scenario was read from, or may come to be
	print string      // fingerprint of files, as they were read
	watch *disk.Watch // nil when nothing is watched
	fault error       // why the files as they are now are not in force
	hooks *scenario.Hooks
}

// read makes the scenario from its file or text.
func (l *loaded) read(env scenario.Env) (*scenario.Scenario, error) {
	if l.path == "" {
		return scenario.Parse(l.name, l.text, env)
	}
	env.Owned = l.owned
	return scenario.Load(l.path, env)
}

// open reads the scenario and notes what it was read from. The fingerprint is
// taken before, so that an edit meanwhile shows as a change; where it turns out
// to be of other files, they are read once more. When it fails, files and
// fingerprint are those of the failure, so that a repair shows.
func (l *loaded) open(env scenario.Env) ([]*mock.Endpoint, error) {
	for again := true; ; again = false {
		l.print = scenario.Fingerprint(l.files)
		s, err := l.read(env)
		if s == nil {
			return nil, err
		}
		if err != nil && len(s.Files) == 0 {
			return nil, err
		}
		same := slices.Equal(l.files, s.Files)
		l.files = s.Files
		if !same && again {
			continue
		}
		if err != nil {
			return nil, err
		}
		l.source, l.hooks = s.Path, s.Hooks
		return s.Endpoints, nil
	}
}

// stop ends the watching.
func (l *loaded) stop() {
	if l != nil && l.watch != nil {
		l.watch.Close()
		l.watch = nil
	}
}

// load replaces all endpoints by a scenario; when it cannot be read nothing
// changes. It returns the number of endpoints.
func (m *mocks) load(l *loaded) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return 0, rpc.Refuse(rpc.FailedPrecondition, "the driver is closed")
	}
	eps, err := l.open(m.env())
	if err != nil {
		return 0, err
	}
	m.install(layers{scenario: eps}, l)
	m.state.ResetMachines()
	m.script.Cancel()
	m.retain()
	return len(eps), nil
}

// unload forgets the scenario; its endpoints stay.
func (m *mocks) unload() {
	m.loaded.stop()
	m.loaded = nil
	m.hook(nil)
	m.tell()
}

// origin tells what is loaded and why its file may not be in force. It does not
// wait for a script that is being loaded.
func (m *mocks) origin() (path, fault *string) {
	if o := m.told.Load(); o != nil {
		return o.path, o.fault
	}
	return nil, nil
}

// told is what origin tells.
type told struct{ path, fault *string }

// tell notes what is loaded, after a change; m.mu is held.
func (m *mocks) tell() {
	l := m.loaded
	if l == nil {
		m.told.Store(nil)
		return
	}
	o := &told{path: &l.name}
	if l.path != "" {
		o.path = &l.path
	}
	if l.fault != nil {
		text := l.fault.Error()
		o.fault = &text
	}
	m.told.Store(o)
}

// configured loads the scenario of the configuration. One that is not there
// yet is waited for: the stock driver starts without it too.
func (m *mocks) configured() ([]*mock.Endpoint, *loaded, error) {
	path := m.cfg.scenarioPath()
	l := &loaded{path: path, owned: true, source: path, files: expected(path)}
	eps, err := l.open(m.env())
	if errors.Is(err, fs.ErrNotExist) {
		l.fault = fmt.Errorf("mock_scenario %s: no such file", path)
		m.log.Warn("scenario not loaded", "error", l.fault)
		return nil, l, nil
	}
	return eps, l, err
}

// expected lists the files that a scenario at path is read from first: the one
// that is there, else all that may come to be. With the right one [loaded.open]
// reads it once.
func expected(path string) []string {
	files := append(scenarioFiles(path), path)
	for _, f := range files {
		if info, err := os.Stat(f); err == nil && !info.IsDir() {
			return []string{f}
		}
	}
	return files
}

// scenarioPath is where the configured scenario lies.
func (c *Config) scenarioPath() string {
	if filepath.IsAbs(c.MockScenario) {
		return c.MockScenario
	}
	return filepath.Join(c.Directories.Mocks, c.MockScenario)
}

// scenarioFile finds the file that a caller means; the error says why there is none.
// Of a path outside of the directories of the configuration it is the same
// whether or not there is something.
func (d *Driver) scenarioFile(name string) (path string, err error) {
	base := d.cfg.Directories.Mocks
	path = name
	within := d.access
	if !filepath.IsAbs(name) {
		path = filepath.Join(base, name)
		within = access.New([]string{base}, nil)
		if name != "" && !filepath.IsLocal(name) {
			return "", stock(rpc.InvalidArgument, "path", "Invalid scenario path: must be within %s", base)
		}
	}
	_, err = within.Dir(path)
	if err == nil {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			path = scenarioIn(path)
		}
		_, err = within.Resolve(path)
	}
	switch {
	case err == nil || errors.As(err, new(disk.KindError)): // what it is then, loading it says
		return path, nil
	case errors.Is(err, access.ErrOutside) && within != d.access:
		return "", stock(rpc.InvalidArgument, "path", "Invalid scenario path: must be within %s", base)
	case errors.Is(err, access.ErrOutside):
		d.log.Warn("scenario not loaded: its path lies outside of the directories of the configuration", "path", path)
	}
	return "", stock(rpc.NotFound, "path", "Scenario file not found: %s", path)
}

// scenarioFiles are what may be the scenario of a directory, the usual one first.
func scenarioFiles(dir string) []string {
	return []string{filepath.Join(dir, "scenario.yaml"), filepath.Join(dir, "scenario.yml"), filepath.Join(dir, "scenario.json"), filepath.Join(dir, "scenario.star")}
}

// scenarioIn is the scenario file of a directory.
func scenarioIn(dir string) string {
	files := scenarioFiles(dir)
	for _, f := range files {
		if _, err := os.Stat(f); err == nil {
			return f
		}
	}
	return files[0]
}

func (d *Driver) loadMockScenario(_ context.Context, name string) (string, error) {
	path, err := d.scenarioFile(name)
	if err != nil {
		return "", err
	}
	n, err := d.mocks.load(&loaded{path: path, files: []string{path}})
	if err != nil {
		return "", refusal("Failed to load scenario", err)
	}
	return fmt.Sprintf("Loaded %d endpoint(s) from %s", n, filepath.Base(path)), nil
}

func (d *Driver) loadMockScenarioContent(_ context.Context, name, content string) (string, error) {
	n, err := d.mocks.load(&loaded{name: name, text: []byte(content)})
	if err != nil {
		return "", refusal("Failed to parse scenario", err)
	}
	return fmt.Sprintf("Loaded %d endpoint(s) from %s", n, name), nil
}

// refusal is the answer about a document that is not a scenario.
func refusal(attempt string, err error) error {
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
