package endpoints

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"

	"starproxy/driver/mock"
)

// kindOf returns the kind of an endpoint in words. Of a sequence, it says which step
// answered last.
func kindOf(ep *mock.Endpoint) string {
	steps, now := 0, 0
	for _, b := range ep.Branches {
		if !b.Step || strings.Contains(b.Name, ".") { // a rule, or a part of another step
			continue
		}
		if steps++; b.Hits() > 0 {
			now = steps
		}
	}
	sequence := fmt.Sprintf("sequence of %d", steps)
	if rest, ok := strings.CutPrefix(ep.Kind, sequence); ok && now > 0 {
		return fmt.Sprintf("sequence %d of %d%s", now, steps, rest)
	}
	return ep.Kind
}

// sourceOf says where an endpoint comes from.
func sourceOf(ep *mock.Endpoint) string {
	if ep.Source.By == byPerson {
		return "set in the page"
	}
	return cmp.Or(ep.Source.String(), "set by a client")
}

// groupOf returns the file that has an endpoint, relative to the directory of scenarios if
// it lies there, or says where the endpoint comes from.
func (s *Service) groupOf(ep *mock.Endpoint) string {
	if ep.Source.File == "" || ep.Source.Name == configSource {
		return cmp.Or(ep.Source.Name, sourceOf(ep))
	}
	if rel, err := filepath.Rel(s.Scenarios, ep.Source.File); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return ep.Source.File
}

// covered returns a function that says where the endpoint comes from whose place another
// one has taken; the result is empty for none.
func (s *Service) covered() func(*mock.Endpoint) string {
	s.mu.Lock()
	layers := s.layers
	s.mu.Unlock()
	below := map[string]*mock.Endpoint{}
	for _, ep := range overlay(layers.scenario, layers.config) {
		below[ep.Name] = ep
	}
	return func(ep *mock.Endpoint) string {
		if other := below[ep.Name]; other != nil && other != ep {
			return sourceOf(other)
		}
		return ""
	}
}
