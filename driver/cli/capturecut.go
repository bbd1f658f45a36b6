package cli

import "context"

type captureCutCmd struct {
	Live uint64 `arg:"" help:"Number in flight, as \"capture watch --live\" prints it behind @."`
}

// Help tells what happens.
func (captureCutCmd) Help() string {
	return `Resets an exchange that has not ended: the device's connection, or its stream over HTTP/2, and the connection to the real server. Requests that wait, downloads, event streams, WebSockets and tunnels can be cut off. Captures tell it as [cut off by hand].

Examples:

    j proxy capture watch --live
    j proxy capture cut 12`
}

// Run cuts an exchange off.
func (c *captureCutCmd) Run(ctx context.Context, sys *System, p proxy) error {
	return p.say(ctx, sys, "cut_exchange", c.Live)
}
