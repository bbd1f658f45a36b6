package scenario

import (
	"context"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/exchange"
	"starproxy/builtins/state"
	"starproxy/driver/document"
	"starproxy/driver/mock"
)

// namedState is the value of state: in a definition. It says in which state a named
// scenario must be, and which state it gets with the answer.
type namedState struct {
	scenario string
	is       []string // one of these states is required; empty for any
	then     string   // the state after the answer; empty if it stays the same
	machine  state.Machine
}

// named reads state:. It returns nil when there is none.
func (d *definition) named() (*namedState, error) {
	n, path := d.get("state"), d.at("state")
	if n == nil {
		return nil, nil
	}
	if n.Kind != yaml.MappingNode {
		return nil, document.Wrong(n, path, "a map such as {scenario: login, is: signed_in, then: locked}")
	}
	s := &namedState{}
	for k, v := range document.Pairs(n) {
		if k.Value == remark || v.Tag == "!!null" {
			continue
		}
		var err error
		switch k.Value {
		case "scenario":
			s.scenario, err = stateName(v, path+".scenario")
		case "then":
			s.then, err = stateName(v, path+".then")
		case "is":
			list := []*yaml.Node{v}
			if v.Kind == yaml.SequenceNode && len(v.Content) > 0 {
				list = v.Content
			}
			for _, v := range list {
				name, e := stateName(v, path+".is")
				if e != nil {
					return nil, e
				}
				s.is = append(s.is, name)
			}
		default:
			err = document.UnknownKey(k, path, []string{"scenario", "is", "then"})
		}
		if err != nil {
			return nil, err
		}
	}
	switch {
	case s.scenario == "":
		return nil, document.Errorf(n, "%s: got no scenario, want the name of the one that has the state", path)
	case len(s.is) == 0 && s.then == "":
		return nil, document.Errorf(n, "%s: got neither is nor then, want one or both", path)
	}
	host, err := d.script("state", n)
	if err != nil {
		return nil, err
	}
	s.machine = host.State().Machine(s.scenario)
	d.c.knows(s)
	return s, nil
}

// stateName reads the name of a scenario or of a state. A number counts as text.
func stateName(n *yaml.Node, path string) (string, error) {
	s, ok := document.ScalarText(n)
	if !ok || s == "" || len(s) > 200 {
		return "", document.Wrong(n, path, "text of 1 to 200 bytes")
	}
	return s, nil
}

// knows notes the states that the endpoint being compiled names.
func (c *compiler) knows(s *namedState) {
	if c.states == nil {
		c.states = map[string][]string{}
	}
	list := c.states[s.scenario]
	for _, name := range append(slices.Clone(s.is), s.then) {
		if name != "" && !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	c.states[s.scenario] = list
}

// matchState adds the condition of state: to m.
func (d *definition) matchState(m *mock.Match) error {
	s, err := d.named()
	if s != nil && len(s.is) > 0 {
		m.State = &mock.StateMatch{Scenario: s.scenario, Is: s.is, Now: s.machine.Now}
	}
	return err
}

// moving returns a handler that changes the state of the scenario with each answer of
// next.
func (d *definition) moving(next exchange.Handler) (exchange.Handler, error) {
	s, err := d.named()
	if err != nil {
		return nil, err
	}
	if len(s.is) > 0 && !d.matches {
		return nil, document.Errorf(document.Field(d.get("state"), "is"), "%s.is does not go with %s: an endpoint or a rule asks "+
			"for a state", d.at("state"), roleNames()[inStep])
	}
	if s.then == "" {
		return next, nil
	}
	return &stateHandler{s, next}, nil
}

// stateHandler changes the state of a scenario and then lets next answer. If two
// requests come at the same time and both find the required state, only one of them
// is answered. The other one gets [mock.ErrMoved].
type stateHandler struct {
	*namedState
	next exchange.Handler
}

func (h *stateHandler) Respond(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	left, moved, err := h.machine.Move(h.is, h.then)
	switch {
	case err != nil:
		return nil, fmt.Errorf("scenario %s: state %s: %w", h.scenario, h.then, err)
	case !moved:
		return nil, mock.ErrMoved
	}
	res, err := h.next.Respond(ctx, x)
	if res == nil { // next did not answer, or failed
		_, _, undo := h.machine.Move([]string{h.then}, left)
		if err == nil {
			err = undo
		}
	}
	return res, err
}

// Interface guards.
var _ exchange.Handler = (*stateHandler)(nil)
