package cli

import "context"

type mockClearCmd struct{}

// Help explains what stays.
func (mockClearCmd) Help() string {
	return `From the very next request on, everything goes to the real server (or is rejected, if the exporter's configuration says unmatched: reject).`
}

// Run removes all endpoints.
func (c *mockClearCmd) Run(ctx context.Context, sys *System, p proxy) error {
	return p.say(ctx, sys, "clear_mocks")
}
