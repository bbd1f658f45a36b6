package driver

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"starproxy/builtins/state"
	"starproxy/driver/mock"
	"starproxy/driver/scenario"
)

// configSource names the endpoints of the exporter file's mocks block.
const configSource = "exporter configuration"

// mocks are the endpoints of a driver: those set one by one, those of the
// loaded scenario, those of the configuration. They outlive starts and stops.
type mocks struct {
	cfg   *Config
	state *state.Store
	log   *slog.Logger
	table *mock.Table

	mu     sync.Mutex // held while endpoints change
	script scenario.Script
	sets   map[string]set // what endpoints set one by one were made of
	loaded *loaded        // nil when no scenario is
	closed bool
}

// set is an endpoint as a call gave it.
type set struct {
	key string
	def map[string]any
}

func newMocks(cfg *Config, s *state.Store, log *slog.Logger) *mocks {
	m := &mocks{cfg: cfg, state: s, log: log, table: mock.NewTable(), sets: map[string]set{}}
	m.script = m.newScript()
	return m
}

// newScript makes the host of templates, rules and sequences; counters and
// random numbers begin with it.
func (m *mocks) newScript() scenario.Script { return nil }

// env is what endpoints are compiled with.
func (m *mocks) env() scenario.Env {
	return scenario.Env{
		FilesDir:  m.cfg.Directories.Files,
		AddonsDir: m.cfg.Directories.Addons,
		Script:    m.script,
		Log:       m.log,
	}
}

// set puts an endpoint in force. It takes the place of what a scenario says
// for the same method and path, of one server too: a test that names no server
// means every one.
func (m *mocks) set(key string, def map[string]any) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	eps, err := scenario.Compile(key, def, m.env(), mock.Source{})
	if err != nil {
		return err
	}
	for _, ep := range eps {
		for _, other := range m.table.List() {
			if shadows(ep, other) {
				m.table.Remove(other.Name)
			}
		}
		m.table.Set(ep)
		m.sets[ep.Name] = set{key, def}
	}
	return nil
}

// shadows tells whether ep, for every server, stands for other, of one server.
func shadows(ep, other *mock.Endpoint) bool {
	a, b := &ep.Match, &other.Match
	return a.Host == "" && b.Host != "" && a.Method == b.Method && a.Path == b.Path
}

// remove takes out the endpoint of that key; a key without a server also means
// the endpoints that a scenario has for its method and path at any server.
func (m *mocks) remove(key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.sets, key)
	if m.table.Remove(key) {
		return true
	}
	match, err := mock.ParseKey(key)
	if err != nil {
		return false
	}
	found := false
	for _, other := range m.table.List() {
		if shadows(&mock.Endpoint{Match: match}, other) {
			found = m.table.Remove(other.Name) || found
		}
	}
	return found
}

// clear removes all endpoints; the scenario file they came from is no longer
// followed.
func (m *mocks) clear() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unload()
	return m.table.Clear()
}

func (m *mocks) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.unload()
}

// renew makes every endpoint begin anew, as a start in mock mode wants it: the
// configured scenario and mocks are loaded, or, where none is configured, what
// was set or loaded before stays. When it fails nothing has changed; else done
// must be called, and with false takes everything back.
func (m *mocks) renew() (done func(ok bool), err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	host, before, eps := m.script, m.loaded, m.table.List()
	m.script = m.newScript()
	fresh, next, err := m.startup(eps)
	if err != nil {
		m.script = host
		return nil, err
	}
	m.install(fresh, next)
	return func(ok bool) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if ok {
			return
		}
		m.script = host
		m.install(eps, before)
	}, nil
}

// install puts endpoints in force, and the scenario that some come from.
func (m *mocks) install(eps []*mock.Endpoint, l *loaded) {
	m.table.ReplaceAll(eps)
	if l == m.loaded {
		return
	}
	m.loaded.stop()
	m.loaded = l
	m.follow(l)
}

// startup compiles the endpoints of a start.
func (m *mocks) startup(old []*mock.Endpoint) ([]*mock.Endpoint, *loaded, error) {
	eps, next := []*mock.Endpoint(nil), m.loaded
	if m.cfg.MockScenario != "" {
		var err error
		if eps, next, err = m.configured(); err != nil {
			return nil, nil, err
		}
	} else {
		eps = m.again(old)
	}
	inline, err := scenario.Endpoints(m.cfg.File, &m.cfg.Mocks, m.env(), mock.Source{Name: configSource})
	if err != nil {
		return nil, nil, err
	}
	return slices.Concat(eps, inline), next, nil // of one name the later is in force
}

// again compiles endpoints anew, so that sequences and counters begin at their
// start. One that cannot be compiled again, because its file is broken now,
// stays as it is.
func (m *mocks) again(old []*mock.Endpoint) []*mock.Endpoint {
	scene := map[string]*mock.Endpoint{}
	if m.loaded != nil {
		if s, err := m.loaded.read(m.env()); err == nil {
			for _, ep := range s.Endpoints {
				scene[ep.Name] = ep
			}
		}
	}
	out := make([]*mock.Endpoint, 0, len(old))
	for _, ep := range old {
		switch {
		case m.loaded != nil && ep.Source.Name == m.loaded.source:
			if fresh := scene[ep.Name]; fresh != nil {
				ep = fresh
			}
		case ep.Source == mock.Source{}:
			if one := m.sets[ep.Name]; one.key != "" {
				if fresh, err := scenario.Compile(one.key, one.def, m.env(), ep.Source); err == nil {
					for _, f := range fresh {
						if f.Name == ep.Name {
							ep = f
						}
					}
				}
			}
		}
		out = append(out, ep)
	}
	return out
}

// mockKey is the key of an endpoint given as method and path.
func mockKey(method, path string) string { return strings.ToUpper(method) + " " + path }

func (d *Driver) removeMock(_ context.Context, method, path string) (string, error) {
	key := mockKey(method, path)
	if !d.mocks.remove(key) {
		return "Mock not found: " + key, nil
	}
	return "Removed mock: " + key, nil
}

func (d *Driver) clearMocks(context.Context) (string, error) {
	return fmt.Sprintf("Cleared %d mock(s)", d.mocks.clear()), nil
}

func (d *Driver) listMocks(context.Context) (string, error) {
	list := object{}
	for _, ep := range d.mocks.table.List() {
		def := ep.Definition
		if many, ok := def.([]any); ok {
			def = map[string]any{"rules": many} // clients expect an object
		}
		list = append(list, member{ep.Name, def})
	}
	return toJSON(list)
}
