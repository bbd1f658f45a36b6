package cli

import (
	"context"
	"strings"
)

// mockKeyArg is the key of an endpoint, in one word or in two.
type mockKeyArg struct {
	Key []string `completion:"endpoint" arg:"" help:"Key of the endpoint, as \"mock list\" shows it: 'GET /a', or GET /a."`
}

// text returns the key.
func (k mockKeyArg) text() string { return strings.Join(k.Key, " ") }

type mockEnableCmd struct{ mockKeyArg }

// Help shows the use.
func (mockEnableCmd) Help() string {
	return `Example:

    j proxy mock enable GET /api/v1/status`
}

// Run lets an endpoint answer again.
func (c *mockEnableCmd) Run(ctx context.Context, sys *System, p proxy) error {
	return p.say(ctx, sys, "enable_mock", c.text(), true)
}

type mockDisableCmd struct{ mockKeyArg }

// Help tells what answers then.
func (mockDisableCmd) Help() string {
	return `The endpoint stays in the list and does not answer, until "mock enable" or "mock reset". Requests go to the next endpoint that matches, or to the real server.

Example:

    j proxy mock disable GET /api/v1/status`
}

// Run keeps an endpoint from answering.
func (c *mockDisableCmd) Run(ctx context.Context, sys *System, p proxy) error {
	return p.say(ctx, sys, "enable_mock", c.text(), false)
}
