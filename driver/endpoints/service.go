// Package endpoints has the endpoints in force at a proxy: those of the loaded
// scenario, those of the configuration, and those that tests set one by one. It
// loads scenarios, follows their files and those of addons, and has their hooks
// see all traffic.
//
// A Service is for any number of goroutines. It is never locked while a request
// is answered.
package endpoints

import (
	"log/slog"
	"sync"
	"sync/atomic"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/disk"
	"starproxy/builtins/follow"
	"starproxy/builtins/state"
	"starproxy/driver/access"
	"starproxy/driver/capture"
	"starproxy/driver/mock"
	"starproxy/driver/scenario"
	"starproxy/script"
)

// configSource names the endpoints of the exporter file's mocks block.
const configSource = "exporter configuration"

// Options configure a Service. Paths are absolute.
type Options struct {
	// Scenario is the configured scenario, a file or a directory; empty for none.
	Scenario string
	// Writable is true if clients may save mocks to the file of Scenario.
	Writable bool
	// Mocks are the endpoints of the configuration, and File is the document
	// that has them, for error messages.
	Mocks *yaml.Node
	File  string
	// Scenarios, Files and Addons are the directories of scenarios, of the files
	// that endpoints serve, and of addon scripts.
	Scenarios, Files, Addons string
	// Reject says that requests which no endpoint answers are refused. It is for trials.
	Reject bool
	// Access is the policy about the files that may be reached.
	Access *access.Policy
	// State has the named scenarios.
	State *state.Store
	// Script runs templates, rules, sequences and scripts. The Service closes it.
	Script *script.Host
	// Journal is searched for the failures of addons.
	Journal *capture.Journal
	Log     *slog.Logger
	// Oppose is called with what the scenario in force sets against devices, each
	// time that a scenario is loaded, reloaded or unloaded; nil for none. It must not
	// call the Service.
	Oppose func(scenario.Adversity)
	// Told is called with a sentence when the scenario in force changes; nil for nobody. It
	// must not call the Service.
	Told func(text string)
	// Anew is called when sequences and counters begin again: at a start in mock mode,
	// when a scenario is loaded, and by Reset; nil for none. It must not call the
	// Service.
	Anew func()
}

// Service has the endpoints of one proxy. They outlive starts and stops.
type Service struct {
	Options
	table *mock.Table

	addons  *scenario.Addons
	changed follow.Notice
	hooks   atomic.Pointer[scenario.Hooks] // of the loaded scenario
	origin  atomic.Pointer[Origin]         // of the endpoints; nil when no scenario is loaded

	saving sync.Mutex // held while a scenario file is written

	mu      sync.Mutex  // held while endpoints change
	watch   *disk.Watch // of the addons' files
	watched []string
	loaded  *loaded // nil when no scenario is
	layers  layers
	changes []*change // that can be undone, the latest last
	closed  bool
}

// New makes a Service without endpoints.
func New(o Options) *Service {
	return &Service{Options: o, table: mock.NewTable(), addons: scenario.NewAddons(o.Script, o.Log)}
}

// Table has the endpoints as requests find them.
func (s *Service) Table() *mock.Table { return s.table }

// CheckAddon reports why an addon can't be used: [scenario.ErrNoAddon], or what
// is wrong with its script.
func (s *Service) CheckAddon(name string) error { return s.addons.Check(s.Addons, name) }

// AddonFaults are, by the names of addons, why their files as they are now are
// not in force.
func (s *Service) AddonFaults() map[string]string { return s.addons.Faults() }

// env returns the environment in which endpoints are compiled.
func (s *Service) env() scenario.Env {
	return scenario.Env{FilesDir: s.Files, AddonsDir: s.Addons, Access: s.Access, Addons: s.addons, Script: s.Script, Log: s.Log}
}

// Set puts an endpoint in force, given by its key and its definition. It takes the
// place of those that a scenario has for the same method and path, also of those
// for one server: a test that names no server means every server.
func (s *Service) Set(key string, def map[string]any) error {
	s.mu.Lock()
	defer s.unlock()
	eps, err := scenario.Compile(key, def, s.env(), mock.Source{By: byClient})
	if err != nil {
		return err
	}
	s.force(eps)
	return nil
}

// Put puts endpoints in force, given by a key and their definition as YAML or
// JSON, in place of the endpoint of another key unless replaces is empty. byPage is true
// if a person has done this in the page.
func (s *Service) Put(key, text, replaces string, byPage bool) error {
	s.mu.Lock()
	defer s.unlock()
	eps, err := scenario.CompileText(mockText, key, []byte(text), s.env())
	if err != nil {
		return err
	}
	by := byClient
	if byPage {
		by = byPerson
	}
	for _, ep := range eps {
		ep.Source.By = by
	}
	s.undoable("the mock "+key+" was set", func() bool {
		if replaces != "" && replaces != key {
			s.table.Remove(replaces)
			s.layers.drop(replaces)
		}
		s.force(eps)
		return true
	})
	return nil
}

// unlock ends a change of the endpoints.
func (s *Service) unlock() {
	s.mu.Unlock()
	s.changed.Notify()
}

// Changes returns how often the endpoints, the loaded scenario or the addons may have
// changed.
func (s *Service) Changes() uint64 { return s.changed.Count() }

// Changed returns a channel that is closed when the endpoints, the loaded scenario
// or the faults of files change next.
func (s *Service) Changed() <-chan struct{} { return s.changed.Changed() }

// Enable lets the endpoint of that key answer, or not. It reports whether there
// is one.
func (s *Service) Enable(key string, on bool) bool {
	s.mu.Lock()
	defer s.unlock()
	return s.table.Enable(key, on)
}

// force puts endpoints in force; s.mu is held.
func (s *Service) force(eps []*mock.Endpoint) {
	for _, ep := range eps {
		for _, other := range s.table.Find(shadowed([]*mock.Endpoint{ep})) {
			s.table.Remove(other.Name)
		}
		s.table.Set(ep)
		s.layers.put(ep)
	}
	s.retain()
}

// shadowed returns a function that reports whether an endpoint is for one server
// only, and one of over for its method and path at every server.
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

// Remove takes out the endpoint of that key and reports whether there was one. A
// key without a server also means the endpoints that a scenario has for its method
// and path at any server. Where a test had set an endpoint in place of one of the
// scenario or the configuration, the latter is in force again.
func (s *Service) Remove(key string) bool {
	s.mu.Lock()
	defer s.unlock()
	return s.undoable("the mock "+key+" was removed", func() bool { return s.remove(key) })
}

// remove is Remove; s.mu is held.
func (s *Service) remove(key string) bool {
	if s.takeOut(key) {
		return true
	}
	match, err := mock.ParseKey(key)
	if err != nil {
		return false
	}
	found := s.table.Find(shadowed([]*mock.Endpoint{{Match: match}}))
	for _, other := range found {
		s.takeOut(other.Name)
	}
	return len(found) > 0
}

// takeOut removes the endpoint of that name; s.mu is held.
func (s *Service) takeOut(name string) bool {
	ep := s.layers.unset(name)
	switch {
	case ep != nil && s.layers.covers(ep):
		s.table.Arrange(s.layers.list())
		s.retain()
		return true
	case !s.table.Remove(name):
		return false
	case ep == nil:
		s.layers.drop(name)
	}
	return true
}

// retain releases the addons that no endpoint uses, in force or after an undo; s.mu is
// held.
func (s *Service) retain() {
	eps := s.table.List()
	for _, c := range s.changes { // they may come back
		for _, r := range c.lost {
			eps = append(eps, r.Endpoint)
		}
	}
	s.addons.Retain(eps)
	s.followAddons()
}

// Clear removes all endpoints and returns how many there were. The file of the
// scenario is no longer followed.
func (s *Service) Clear() (n int) {
	s.mu.Lock()
	defer s.unlock()
	s.undoable("all mocks were removed", func() bool {
		unloads := s.loaded != nil
		s.unload()
		s.layers = layers{}
		n = s.table.Clear()
		return n > 0 || unloads
	})
	s.State.ResetMachines()
	s.Script.Cancel()
	s.retain()
	return n
}

// Reset returns to the endpoints of the scenario as it was loaded, or, without one,
// to those of the configuration. All that was set, removed or disabled since is
// undone. Sequences, counters and named scenarios begin again. It returns the
// number of endpoints.
func (s *Service) Reset() int {
	s.mu.Lock()
	defer s.unlock()
	s.undoable("the mocks were reset", func() bool {
		changed := len(s.layers.set) > 0 || len(s.layers.gone) > 0
		s.layers = s.layers.loaded()
		s.table.ReplaceAll(s.layers.list())
		return changed
	})
	s.retain()
	s.anew()
	s.Script.Cancel()
	return s.table.Len()
}

// Close ends all watching and all scripts.
func (s *Service) Close() {
	s.mu.Lock()
	defer s.unlock()
	s.closed = true
	s.unload()
	if s.watch != nil {
		s.watch.Close()
	}
	s.Script.Close()
}
