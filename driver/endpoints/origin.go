package endpoints

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"

	"starproxy/driver/mock"
	"starproxy/driver/scenario"
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

// groupOf returns the file that has an endpoint, relative to the directory of scenarios if
// it lies there, or says where the endpoint comes from.
func (s *Service) groupOf(ep *mock.Endpoint) string {
	if ep.Source.File == "" || ep.Source.Name == configSource {
		return cmp.Or(ep.Source.Name, ep.Source.String())
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
			return other.Source.String()
		}
		return ""
	}
}

// Relation is an endpoint in force, and how a new one relates to it.
type Relation struct {
	Key    string      `json:"key"`
	Source string      `json:"source"`
	Effect mock.Effect `json:"effect"`
	Text   string      `json:"text"` // a sentence for people
}

// Relations returns the endpoints in force that one given by its key and its definition
// would take the place of, and those that would be asked before it. The one of the key
// replaces is left out.
func (s *Service) Relations(key, text, replaces string) ([]Relation, error) {
	env := s.env()
	env.Log = nil // the draft is not in force
	eps, err := scenario.CompileText(mockText, key, []byte(text), env)
	if err != nil {
		return nil, err
	}
	return s.relations(eps, replaces), nil
}

func relation(ep *mock.Endpoint, effect mock.Effect) Relation {
	r := Relation{Key: ep.Name, Source: ep.Source.String(), Effect: effect}
	switch effect {
	case mock.Replaced:
		r.Text = fmt.Sprintf("It takes the place of %s (%s).", r.Key, r.Source)
	case mock.Shadowed:
		r.Text = fmt.Sprintf("%s (%s) gets no requests any more.", r.Key, r.Source)
	case mock.Ahead:
		r.Text = fmt.Sprintf("%s (%s) is asked first, and answers all requests for it.", r.Key, r.Source)
	}
	return r
}

func (s *Service) relations(eps []*mock.Endpoint, replaces string) []Relation {
	list := []Relation{}
	for _, other := range s.table.Find(shadowed(eps)) { // see Set
		list = append(list, relation(other, mock.Replaced))
	}
	for _, ep := range eps {
		for _, r := range s.table.Relations(ep) {
			if r.Endpoint.Name != replaces {
				list = append(list, relation(r.Endpoint, r.Effect))
			}
		}
	}
	return list
}
