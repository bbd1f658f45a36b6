package driver

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"starproxy/builtins/state"
	"starproxy/driver/rpc"
)

// scenarioState is a named scenario of the endpoints in force.
type scenarioState struct {
	// State is the present state.
	State string `json:"state"`
	// States has the state Started, in which a scenario begins, and all states that
	// endpoints name.
	States []string `json:"states"`
}

// scenarios collects the named scenarios of the endpoints in force.
func (m *stateMethods) scenarios() map[string]scenarioState {
	all := map[string]scenarioState{}
	for _, ep := range m.table.List() {
		for name, states := range ep.States {
			s, known := all[name]
			if !known {
				s = scenarioState{State: m.state.Machine(name).Now(), States: []string{state.Started}}
			}
			for _, other := range states {
				if !slices.Contains(s.States, other) {
					s.States = append(s.States, other)
				}
			}
			all[name] = s
		}
	}
	return all
}

func (m *stateMethods) listScenarioStates(context.Context) (map[string]scenarioState, error) {
	return m.scenarios(), nil
}

func (m *stateMethods) setScenarioState(_ context.Context, name, to string) (string, error) {
	all := m.scenarios()
	s, ok := all[name]
	if !ok {
		return "", rpc.Refuse(rpc.InvalidArgument, "set_scenario_state: argument scenario: got %q, want one that an endpoint "+
			"names: %s", name, orNone(slices.Sorted(maps.Keys(all))))
	}
	if !slices.Contains(s.States, to) {
		return "", rpc.Refuse(rpc.InvalidArgument, "set_scenario_state: argument state: got %q, want one that %s has: %s", to, name,
			orNone(s.States))
	}
	if _, _, err := m.state.Machine(name).Move(nil, to); err != nil {
		return "", rpc.Refuse(rpc.InvalidArgument, "set_scenario_state: %v", err)
	}
	return fmt.Sprintf(sayScenarioMoved, name, s.State, to), nil
}

func (m *stateMethods) resetScenarioStates(_ context.Context, name string) (string, error) {
	if name == "" {
		return fmt.Sprintf(sayScenariosReset, m.state.ResetMachines()), nil
	}
	if all := m.scenarios(); all[name].States == nil {
		return "", rpc.Refuse(rpc.InvalidArgument, "reset_scenario_states: argument scenario: got %q, want one that an endpoint "+
			"names: %s", name, orNone(slices.Sorted(maps.Keys(all))))
	}
	n := 0
	if m.state.Machine(name).Reset() {
		n = 1
	}
	return fmt.Sprintf(sayScenariosReset, n), nil
}

// orNone returns the names for a message, or "there is none".
func orNone(names []string) string {
	if len(names) == 0 {
		return "there is none"
	}
	return strings.Join(names, ", ")
}
