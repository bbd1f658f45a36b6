package cli

import "starproxy/driver/flow"

type flowConvertCmd struct {
	In  string `arg:"" help:"Recording to read: a flow file or a HAR document."`
	Out string `arg:"" help:"File to write: a HAR document if it ends in .har, else a flow file."`
}

// Help explains what it needs.
func (flowConvertCmd) Help() string {
	return `Works on files of this machine and needs no exporter. Flow files are in a format that mitmproxy 8.1 and newer read.

Examples:

    j proxy flow convert capture_20260131_120000.bin boot.har
    j proxy flow convert session.har golden.bin`
}

// Run converts the file.
func (c *flowConvertCmd) Run(sys *System) error {
	n, warnings, err := flow.Convert(c.In, c.Out)
	for _, w := range warnings {
		sys.note("warning: %s", w)
	}
	if err != nil {
		return err
	}
	sys.out("Converted %d flow(s) to: %s", n, resolved(c.Out))
	return nil
}
