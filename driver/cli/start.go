package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"starproxy/driver/rpc"
)

// startFlags are the flags of start and restart.
type startFlags struct {
	WebUI      bool   `name:"web-ui" short:"w" help:"Serve the web UI too."`
	ReplayFile string `completion:"flows" name:"replay-file" placeholder:"FILE" help:"Recording to answer from, for mode replay: a name as in 'flow list' or a path in the exporter's directories."`
	Port       *int   `short:"p" placeholder:"N" help:"Port to listen on instead of the configured one, 0 for a free one."`
}

// port returns the port as the exporter takes it: 0 is the configured one, -1 any free one.
func (f *startFlags) port() int {
	switch {
	case f.Port == nil:
		return 0
	case *f.Port == 0:
		return -1
	}
	return *f.Port
}

type startCmd struct {
	Mode string `short:"m" default:"mock" enum:"mock,passthrough,record,replay" placeholder:"MODE" help:"One of mock, passthrough, record, replay (default ${default})."`
	startFlags
}

// Help explains the modes.
func (startCmd) Help() string {
	return `The modes differ in what answers a request; captures work in all of them:

    mock         mock endpoints; everything else goes to the real server
    passthrough  the real server
    record       the real server, and the traffic is written to a flow file
    replay       a flow file

Examples:

    j proxy start
    j proxy start -m record
    j proxy start -m mock -p 9090`
}

// Run starts the proxy.
func (c *startCmd) Run(ctx context.Context, sys *System, p proxy) error {
	return p.withRecordings(ctx, p.say(ctx, sys, "start", c.Mode, c.WebUI, c.ReplayFile, c.port()))
}

// maxRecordings is how many recordings a failure names.
const maxRecordings = 10

// withRecordings adds to the failure of a start that lacks its recording which
// ones there are.
func (p proxy) withRecordings(ctx context.Context, err error) error {
	var r *rpc.Refusal
	if !errors.As(err, &r) || r.About != "replay_file" {
		return err
	}
	var files []flowFile
	if p.document(ctx, &files, "list_flow_files") != nil {
		return err
	}
	var names []string
	for _, file := range files[:min(len(files), maxRecordings)] {
		names = append(names, file.Name)
	}
	switch more := len(files) - len(names); {
	case len(files) == 0:
		return fmt.Errorf("%w (--replay-file FILE; there are no recordings yet: start -m record makes one, flow upload brings one)", err)
	case more > 0:
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return fmt.Errorf("%w (--replay-file FILE; there are: %s)", err, strings.Join(names, ", "))
}
