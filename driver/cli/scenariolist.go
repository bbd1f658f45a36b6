package cli

import "context"

// proxyScenarioCommands is the grammar of "scenario" behind an export.
type proxyScenarioCommands struct {
	List scenarioListCmd `cmd:"" help:"List the scenarios in the exporter's directory."`
	Load scenarioLoadCmd `cmd:"" help:"Replace the mock endpoints by those of a scenario of that directory."`
}

type scenarioListCmd struct{ output }

// Help explains a line.
func (scenarioListCmd) Help() string {
	return `One line for each scenario in the exporter's directory of mocks ("directories" in its configuration): its name, and what it is.

    happy-path.yaml  (yaml)
    charging  (dir)

"scenario load NAME" loads one of them; "mock load FILE" loads one of this machine.`
}

// Run lists the scenarios.
func (c *scenarioListCmd) Run(ctx context.Context, sys *System, p proxy) error {
	var list []struct {
		Name string `json:"name"`
		Kind string `json:"kind"`
	}
	printed, err := c.list(ctx, sys, p, &list, "list_scenarios")
	if printed || err != nil {
		return err
	}
	if len(list) == 0 {
		sys.out("No scenarios found.")
	}
	for _, s := range list {
		sys.out("  %s  (%s)", printable(s.Name), printable(s.Kind))
	}
	return nil
}

type scenarioLoadCmd struct {
	Name string `arg:"" completion:"scenarios" help:"Name of the scenario, as \"scenario list\" prints it."`
}

// Help tells of files here.
func (scenarioLoadCmd) Help() string {
	return `The scenario is read on the exporter. "mock load" sends one of this machine.

Example:

    j proxy scenario load happy-path.yaml`
}

// Run loads one.
func (c *scenarioLoadCmd) Run(ctx context.Context, sys *System, p proxy) error {
	return p.say(ctx, sys, "load_mock_scenario", c.Name)
}
