package driver

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"starproxy/builtins"
	"starproxy/builtins/disk"
	"starproxy/builtins/jsonvalue"
	"starproxy/builtins/state"
	"starproxy/driver/access"
	"starproxy/driver/mock"
	"starproxy/driver/rpc"
	"starproxy/driver/scenario"
	"starproxy/script"
)

// configSource names the endpoints of the exporter file's mocks block.
const configSource = "exporter configuration"

// mocks are the endpoints of a driver: those set one by one, those of the
// loaded scenario, those of the configuration. They outlive starts and stops.
type mocks struct {
	cfg    *Config
	access *access.Policy
	log    *slog.Logger
	table  *mock.Table
	state  *state.Store
	script *script.Host // of templates, rules and sequences

	addons *scenario.Addons
	hooks  atomic.Pointer[scenario.Hooks] // of the loaded scenario
	told   atomic.Pointer[told]           // about the loaded scenario

	mu      sync.Mutex  // held while endpoints change
	watch   *disk.Watch // of the addons' files
	watched []string
	loaded  *loaded // nil when no scenario is
	layers  layers
	closed  bool
}

func newMocks(cfg *Config, p *access.Policy, s *state.Store, log *slog.Logger, deliver func(context.Context, *builtins.Webhook)) *mocks {
	host := script.New(script.Options{
		State: s, Seed: cfg.Seed, Log: log, Merge: mock.Merge, Match: scenario.Matching,
		MaxSteps: uint64(cfg.Scripts.MaxSteps), MaxTime: cfg.Scripts.maxTime(), MaxBody: cfg.Scripts.MaxBody,
		MaxMemory: uint64(cfg.Scripts.MaxMemory), Secret: p.Secret, Deliver: deliver,
	})
	return &mocks{cfg: cfg, access: p, log: log, table: mock.NewTable(), state: s, script: host, addons: scenario.NewAddons(host, log)}
}

// env is what endpoints are compiled with.
func (m *mocks) env() scenario.Env {
	return scenario.Env{
		FilesDir:  m.cfg.Directories.Files,
		AddonsDir: m.cfg.Directories.Addons,
		Access:    m.access,
		Addons:    m.addons,
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
	m.force(eps)
	return nil
}

// force puts endpoints in force; m.mu is held.
func (m *mocks) force(eps []*mock.Endpoint) {
	for _, ep := range eps {
		for _, other := range m.table.Find(shadowed([]*mock.Endpoint{ep})) {
			m.table.Remove(other.Name)
		}
		m.table.Set(ep)
		m.layers.put(ep)
	}
	m.retain()
}

// shadowed tells of an endpoint, of one server, whether one of over, for every
// server, stands for it.
func shadowed(over []*mock.Endpoint) func(*mock.Endpoint) bool {
	type target struct{ method, path string }
	every := make(map[target]bool, len(over))
	for _, o := range over {
		if o.Match.Host == "" {
			every[target{o.Match.Method, o.Match.Path}] = true
		}
	}
	return func(ep *mock.Endpoint) bool {
		return ep.Match.Host != "" && every[target{ep.Match.Method, ep.Match.Path}]
	}
}

// remove takes out the endpoint of that key; a key without a server also means
// the endpoints that a scenario has for its method and path at any server. Where
// a test had laid an endpoint over one of the scenario or the configuration,
// the latter is in force again.
func (m *mocks) remove(key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.takeOut(key) {
		return true
	}
	match, err := mock.ParseKey(key)
	if err != nil {
		return false
	}
	found := m.table.Find(shadowed([]*mock.Endpoint{{Match: match}}))
	for _, other := range found {
		m.takeOut(other.Name)
	}
	return len(found) > 0
}

// takeOut removes the endpoint of that name; m.mu is held.
func (m *mocks) takeOut(name string) bool {
	ep := m.layers.unset(name)
	switch {
	case ep != nil && m.layers.covers(ep):
		m.table.Arrange(m.layers.list())
		m.retain()
		return true
	case !m.table.Remove(name):
		return false
	case ep == nil:
		m.layers.drop(name)
	}
	return true
}

// retain lets go of the addons that no endpoint uses; m.mu is held.
func (m *mocks) retain() {
	m.addons.Retain(m.table.List())
	m.followAddons()
}

// clear removes all endpoints; the scenario file they came from is no longer
// followed.
func (m *mocks) clear() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unload()
	m.layers = layers{}
	n := m.table.Clear()
	m.state.ResetMachines()
	m.script.Cancel()
	m.retain()
	return n
}

// reset returns to the endpoints as the scenario was loaded, or, without one,
// to those of the configuration: what was set, removed or disabled since is
// undone, and sequences, counters and named scenarios begin anew. It returns the
// number of endpoints.
func (m *mocks) reset() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.layers = m.layers.loaded()
	m.table.ReplaceAll(m.layers.list())
	m.retain()
	m.anew()
	m.script.Cancel()
	return m.table.Len()
}

func (m *mocks) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.unload()
	if m.watch != nil {
		m.watch.Close()
	}
	m.script.Close()
}

// renew readies the endpoints for a start in mock mode: the configured scenario
// and mocks are loaded, or, where none is configured, what was set or loaded
// before stays; sequences, counters and named scenarios begin anew. When it fails nothing has
// changed; undo takes it back.
func (m *mocks) renew() (undo func(), err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old, before := m.layers, m.loaded
	fresh, next, err := m.startup(old)
	if err != nil {
		return nil, err
	}
	m.install(fresh, next)
	m.followAddons()
	m.anew()
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.install(old, before)
	}, nil
}

// anew lets sequences, counters and named scenarios begin again.
func (m *mocks) anew() {
	m.script.Reset()
	m.state.ResetMachines()
}

// install puts endpoints in force, and the scenario that some come from.
func (m *mocks) install(eps layers, l *loaded) {
	m.layers = eps
	m.table.ReplaceAll(eps.list())
	if l == m.loaded {
		return
	}
	m.loaded.stop()
	m.loaded = l
	m.hook(l)
	m.tell()
	m.follow(l)
}

// hook puts the hooks of a scenario in force, nil for none.
func (m *mocks) hook(l *loaded) {
	if l == nil {
		m.hooks.Store(nil)
		return
	}
	m.hooks.Store(l.hooks)
}

// startup compiles the endpoints of a start; old are those in force.
func (m *mocks) startup(old layers) (layers, *loaded, error) {
	fresh, next := old, m.loaded
	if m.cfg.MockScenario != "" {
		eps, l, err := m.configured()
		if err != nil {
			return layers{}, nil, err
		}
		fresh, next = layers{scenario: eps}, l
	}
	inline, err := scenario.Endpoints(m.cfg.File, &m.cfg.Mocks, m.env(), mock.Source{Name: configSource})
	if err != nil {
		return layers{}, nil, err
	}
	fresh.config = inline
	// What the configuration says counts from the start on, whatever was set
	// or removed before.
	names := make(map[string]bool, len(inline))
	fresh.gone = maps.Clone(fresh.gone)
	for _, ep := range inline {
		names[ep.Name] = true
		delete(fresh.gone, ep.Name)
	}
	hidden := shadowed(inline)
	fresh.set = slices.DeleteFunc(slices.Clone(fresh.set), func(ep *mock.Endpoint) bool { return names[ep.Name] || hidden(ep) })
	return fresh, next, nil
}

// mockKey is the key of an endpoint given as method and path.
func mockKey(method, path string) string { return strings.ToUpper(method) + " " + path }

func (d *Driver) removeMock(_ context.Context, method, path string) (string, error) {
	key := mockKey(method, path)
	if !d.mocks.remove(key) {
		return "", stock(rpc.NotFound, "path", "Mock not found: %s", key)
	}
	return "Removed mock: " + key, nil
}

func (d *Driver) clearMocks(context.Context) (string, error) {
	return fmt.Sprintf("Cleared %d mock(s)", d.mocks.clear()), nil
}

func (d *Driver) resetMocks(context.Context) (string, error) {
	return fmt.Sprintf("Reset to %d mock(s)", d.mocks.reset()), nil
}

func (d *Driver) listMocks(context.Context) (string, error) {
	list := jsonvalue.Object{}
	for _, ep := range d.mocks.table.List() {
		def := ep.Definition
		if many, ok := def.([]any); ok {
			def = jsonvalue.Object{{Key: "rules", Value: many}} // clients expect an object
		}
		list = append(list, jsonvalue.Member{Key: ep.Name, Value: def})
	}
	return rpc.JSON(list)
}
