package cli

import "context"

type captureClearCmd struct{}

// Help shows the use.
func (captureClearCmd) Help() string {
	return `Useful between two runs of a test, so that "capture list" and "capture save" see the second only.`
}

// Run forgets the captured requests.
func (c *captureClearCmd) Run(ctx context.Context, sys *System, p proxy) error {
	return p.say(ctx, sys, "clear_captured_requests")
}
