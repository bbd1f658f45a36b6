package cli

import (
	"context"
	"io"
)

type flowSaveCmd struct {
	Name   string `completion:"flows" arg:"" help:"Name of the recording, as 'flow list' prints it."`
	Output string `arg:"" optional:"" help:"File to write (default: NAME in this directory)."`
}

// Help shows the use.
func (flowSaveCmd) Help() string {
	return `The file is one that mitmproxy can open too. It appears when the download is complete.

Examples:

    j proxy flow save capture_20260131_120000.bin
    j proxy flow save capture_20260131_120000.bin /tmp/boot.flow`
}

// Run downloads the recording.
func (c *flowSaveCmd) Run(ctx context.Context, sys *System, p proxy) error {
	output := c.Output
	if output == "" {
		output = c.Name
	}
	bar := sys.progress(c.Name, p.flowSize(ctx, sys, c.Name))
	defer bar.Close()
	err := saveFile(output, private, func(w io.Writer) error {
		return p.download(ctx, io.MultiWriter(w, bar), "get_flow_file", c.Name)
	})
	if err != nil {
		return err
	}
	_ = bar.Close()
	sys.out("Flow file saved to: %s", resolved(output))
	return nil
}

// flowSize returns the size of a recording for its progress bar, -1 when nobody
// looks or when it can't be told.
func (p proxy) flowSize(ctx context.Context, sys *System, name string) int64 {
	if !terminal(sys.Stderr) {
		return -1
	}
	var files []flowFile
	if err := p.document(ctx, &files, "list_flow_files"); err == nil {
		for _, f := range files {
			if f.Name == name {
				return int64(f.Size)
			}
		}
	}
	return -1
}
