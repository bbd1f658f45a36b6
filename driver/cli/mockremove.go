package cli

import "context"

type mockRemoveCmd struct {
	Method string `arg:"" help:"Method of the endpoint; * for any."`
	Path   string `arg:"" help:"Its path or URL, as \"mock list\" shows it."`
}

// Help explains a scenario's endpoint below.
func (mockRemoveCmd) Help() string {
	return `An endpoint of the scenario that the removed one was laid over answers again.

Example:

    j proxy mock remove GET /api/v1/status`
}

// Run removes one endpoint.
func (c *mockRemoveCmd) Run(ctx context.Context, sys *System, p proxy) error {
	return p.say(ctx, sys, "remove_mock", c.Method, c.Path)
}
