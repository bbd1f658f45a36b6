package endpoints

import (
	"maps"
	"slices"

	"starproxy/driver/mock"
	"starproxy/driver/scenario"
)

// Renew readies the endpoints for a start in mock mode. It loads the configured
// scenario and the configured mocks; where no scenario is configured, the
// endpoints that were set or loaded before stay. Sequences, counters and named
// scenarios begin again. When it fails nothing has changed; undo takes it back.
func (s *Service) Renew() (undo func(), err error) {
	s.mu.Lock()
	defer s.unlock()
	old, before := s.layers, s.loaded
	fresh, next, err := s.startup(old)
	if err != nil {
		return nil, err
	}
	s.changes = nil // they were made to other endpoints
	s.install(fresh, next)
	s.followAddons()
	s.anew()
	return func() {
		s.mu.Lock()
		defer s.unlock()
		s.install(old, before)
	}, nil
}

// anew has sequences, counters and named scenarios begin again.
func (s *Service) anew() {
	s.Script.Reset()
	s.State.ResetMachines()
	if s.Anew != nil {
		s.Anew()
	}
}

// install puts endpoints in force, and the scenario from which some come.
func (s *Service) install(eps layers, l *loaded) {
	s.layers = eps
	s.table.ReplaceAll(eps.list())
	if l != s.loaded {
		s.adopt(l)
	}
}

// adopt takes a scenario as the loaded one; nil for none.
func (s *Service) adopt(l *loaded) {
	s.loaded.stop()
	s.loaded = l
	s.hook(l)
	s.note()
	s.follow(l)
}

// hook puts the hooks of a scenario in force, and what it sets against devices; nil
// for no scenario.
func (s *Service) hook(l *loaded) {
	if l == nil {
		l = &loaded{}
	}
	s.hooks.Store(l.hooks)
	if s.Oppose != nil {
		s.Oppose(l.adversity)
	}
}

// startup compiles the endpoints of a start; old are those in force.
func (s *Service) startup(old layers) (layers, *loaded, error) {
	fresh, next := old, s.loaded
	if s.Scenario != "" {
		eps, l, err := s.configured()
		if err != nil {
			return layers{}, nil, err
		}
		fresh, next = layers{scenario: eps}, l
	}
	inline, err := scenario.Endpoints(s.File, s.Mocks, s.env(), mock.Source{Name: configSource})
	if err != nil {
		return layers{}, nil, err
	}
	fresh.config = inline
	// From the start on, the mocks of the configuration are in force, whatever was
	// set or removed before.
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
