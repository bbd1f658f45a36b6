package cli

import "context"

type mockResetCmd struct{}

// Help explains what is undone.
func (mockResetCmd) Help() string {
	return `What was set, removed or disabled since the scenario was loaded is undone; sequences and counters begin anew. Without a scenario the mocks of the exporter's configuration are left.`
}

// Run returns to the scenario as it was loaded.
func (c *mockResetCmd) Run(ctx context.Context, sys *System, p proxy) error {
	return p.say(ctx, sys, "reset_mocks")
}
