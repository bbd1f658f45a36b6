package cli

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"starproxy/builtins/state"
)

// stateCommands is the grammar of "state".
type stateCommands struct {
	List  stateListCmd  `cmd:"" help:"List the states of the named scenarios and the shared state."`
	Move  stateMoveCmd  `cmd:"" help:"Bring a named scenario into a state."`
	Reset stateResetCmd `cmd:"" help:"Bring named scenarios back to where they began."`
}

type stateListCmd struct{}

// Help explains a line.
func (stateListCmd) Help() string {
	return `First the scenarios that endpoints name with "state:", with the states that each may be in, then the keys of the state that tests, templates and scripts share, with JSON values.

    login  signed_in  (of Started, signed_in, locked)
    hits = 3`
}

// Run lists both.
func (c *stateListCmd) Run(ctx context.Context, sys *System, p proxy) error {
	var named map[string]struct {
		State  string   `json:"state"`
		States []string `json:"states"`
	}
	if err := p.document(ctx, &named, "list_scenario_states"); err != nil {
		return err
	}
	var keys map[string]json.RawMessage
	if err := p.document(ctx, &keys, "get_all_state"); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		delete(keys, state.MachineKey(name))
		sys.out("  %s  %s  (of %s)", name, named[name].State, strings.Join(named[name].States, ", "))
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		sys.out("  %s = %s", key, keys[key])
	}
	if len(named)+len(keys) == 0 {
		sys.out("No state.")
	}
	return nil
}

type stateMoveCmd struct {
	Scenario string `arg:"" help:"Name of the scenario."`
	State    string `arg:"" help:"One of its states."`
}

// Help shows one.
func (stateMoveCmd) Help() string {
	return `Example:

    j proxy state move login locked`
}

// Run moves a scenario.
func (c *stateMoveCmd) Run(ctx context.Context, sys *System, p proxy) error {
	return p.say(ctx, sys, "set_scenario_state", c.Scenario, c.State)
}

type stateResetCmd struct {
	Scenario string `arg:"" optional:"" help:"Name of the scenario (default all)."`
}

// Help explains what stays.
func (stateResetCmd) Help() string {
	return `The endpoints stay as they are; nothing is loaded. Other keys of the state stay, too.`
}

// Run resets one scenario or all.
func (c *stateResetCmd) Run(ctx context.Context, sys *System, p proxy) error {
	return p.say(ctx, sys, "reset_scenario_states", c.Scenario)
}
