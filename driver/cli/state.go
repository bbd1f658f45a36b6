package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/jsonvalue"
	"starproxy/builtins/state"
)

// stateCommands is the grammar of "state".
type stateCommands struct {
	List  stateListCmd  `cmd:"" help:"List the states of the named scenarios and the shared state."`
	Get   stateGetCmd   `cmd:"" help:"Print the value of a key of the shared state, as JSON."`
	Set   stateSetCmd   `cmd:"" help:"Set a key of the shared state."`
	Clear stateClearCmd `cmd:"" help:"Remove a key of the shared state, or all of them."`
	Move  stateMoveCmd  `cmd:"" help:"Bring a named scenario into a state."`
	Reset stateResetCmd `cmd:"" help:"Bring named scenarios back to where they began."`
}

type stateListCmd struct{ output }

// Help explains a line.
func (stateListCmd) Help() string {
	return `First the scenarios that endpoints name with "state:", with the states that each may be in, then the keys of the state that tests, templates and scripts share, with JSON values.

    login  signed_in  (of Started, signed_in, locked)
    hits = 3`
}

// Run lists both.
func (c *stateListCmd) Run(ctx context.Context, sys *System, p proxy) error {
	named := map[string]struct {
		State  string   `json:"state"`
		States []string `json:"states"`
	}{}
	if err := p.document(ctx, &named, "list_scenario_states"); err != nil {
		return err
	}
	keys := map[string]json.RawMessage{}
	if err := p.document(ctx, &keys, "get_all_state"); err != nil {
		return err
	}
	if c.json() {
		return sys.tell(map[string]any{"scenarios": named, "state": keys})
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		delete(keys, state.MachineKey(name))
		sys.out("%s", printable(fmt.Sprintf("  %s  %s  (of %s)", name, named[name].State, strings.Join(named[name].States, ", "))))
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		sys.out("  %s = %s", printable(key), printable(string(keys[key])))
	}
	if len(named)+len(keys) == 0 {
		sys.out("No state.")
	}
	return nil
}

type stateGetCmd struct {
	Key string `arg:"" completion:"state" help:"Name of the key."`
}

// Help explains the exit code.
func (stateGetCmd) Help() string {
	return `Exits with 1 when the key is not set.

Example:

    j proxy state get hits`
}

// Run prints one value.
func (c *stateGetCmd) Run(ctx context.Context, sys *System, p proxy) error {
	var keys map[string]json.RawMessage
	if err := p.document(ctx, &keys, "get_all_state"); err != nil {
		return err
	}
	value, ok := keys[c.Key]
	if !ok {
		return fmt.Errorf("state: %s is not set", excerpt.Quote(c.Key))
	}
	sys.out("%s", value)
	return nil
}

type stateSetCmd struct {
	Key   string `arg:"" completion:"state" help:"Name of the key."`
	Value string `arg:"" help:"The value, as JSON; a text needs no quotes."`
}

// Help shows values.
func (stateSetCmd) Help() string {
	return `Scripts, templates and tests see the value at once. A value that is no JSON is a text: "true" and "7" in quotes of JSON are texts, too.

Examples:

    j proxy state set hits 0
    j proxy state set user '{"name": "ada"}'
    j proxy state set city Oslo`
}

// Run sets one value.
func (c *stateSetCmd) Run(ctx context.Context, sys *System, p proxy) error {
	value := c.Value
	if first := strings.TrimSpace(value); !json.Valid([]byte(value)) {
		if first != "" && strings.ContainsRune(`{["`, rune(first[0])) {
			return fmt.Errorf("state set: got %s, want JSON", excerpt.Quote(value))
		}
		value = string(jsonvalue.AppendText(nil, value))
	}
	return p.say(ctx, sys, "set_state", c.Key, value)
}

type stateClearCmd struct {
	Key string `arg:"" optional:"" completion:"state" help:"Name of the key (default: all keys)."`
}

// Help tells of scenarios.
func (stateClearCmd) Help() string {
	return `Without a key named scenarios are in their first state again, too.

Example:

    j proxy state clear hits`
}

// Run removes one key or all.
func (c *stateClearCmd) Run(ctx context.Context, sys *System, p proxy) error {
	if c.Key == "" {
		return p.say(ctx, sys, "clear_state")
	}
	return p.say(ctx, sys, "delete_state", c.Key)
}

type stateMoveCmd struct {
	Scenario string `completion:"named" arg:"" help:"Name of the scenario."`
	State    string `completion:"named" arg:"" help:"One of its states."`
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
	Scenario string `completion:"named" arg:"" optional:"" help:"Name of the scenario (default all)."`
}

// Help explains what stays.
func (stateResetCmd) Help() string {
	return `The endpoints stay as they are; nothing is loaded. Other keys of the state stay, too.`
}

// Run resets one scenario or all.
func (c *stateResetCmd) Run(ctx context.Context, sys *System, p proxy) error {
	return p.say(ctx, sys, "reset_scenario_states", c.Scenario)
}
