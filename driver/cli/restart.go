package cli

import "context"

type restartCmd struct {
	Mode string `short:"m" default:"" enum:"mock,passthrough,record,replay," placeholder:"MODE" help:"One of mock, passthrough, record, replay; the mode it runs in if left out."`
	startFlags
}

// Help shows the use.
func (restartCmd) Help() string {
	return `A proxy that does not run is started, in mode mock unless told otherwise.

Examples:

    j proxy restart
    j proxy restart -m passthrough`
}

// Run restarts the proxy.
func (c *restartCmd) Run(ctx context.Context, sys *System, p proxy) error {
	return p.withRecordings(ctx, p.say(ctx, sys, "restart", c.Mode, c.WebUI, c.ReplayFile, c.port()))
}
