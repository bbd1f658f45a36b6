package cli

import (
	"context"
	"strings"
)

type mockRemoveCmd struct{ mockKeyArg }

// Help explains a scenario's endpoint below.
func (mockRemoveCmd) Help() string {
	return `An endpoint of the scenario that the removed one was laid over answers again.

Example:

    j proxy mock remove GET /api/v1/status`
}

// Run removes one endpoint.
func (c *mockRemoveCmd) Run(ctx context.Context, sys *System, p proxy) error {
	method, path, ok := strings.Cut(c.text(), " ")
	if !ok {
		return usagef("got %q, want the key of an endpoint, such as 'GET /a' (see %s mock remove --help)", c.text(), sys.Name)
	}
	return p.say(ctx, sys, "remove_mock", method, strings.TrimSpace(path))
}
