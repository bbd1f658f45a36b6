package cli

import "context"

type stopCmd struct{}

// Help explains what stays.
func (stopCmd) Help() string {
	return `Mock endpoints and captured requests stay, so that they can be read and used after the next start. A proxy that does not run is a failure (exit code 1).`
}

// Run stops the proxy.
func (c *stopCmd) Run(ctx context.Context, sys *System, p proxy) error {
	return p.say(ctx, sys, "stop")
}
