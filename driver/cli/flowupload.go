package cli

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"starproxy/builtins/disk"
)

type flowUploadCmd struct {
	File string `arg:"" help:"Recording to upload: a flow file or a HAR document."`
	Name string `arg:"" optional:"" help:"Name on the exporter (default: that of FILE)."`
}

// Help shows the way on.
func (flowUploadCmd) Help() string {
	return `The recording may have any size. It replaces one of the same name when it has come whole.

Examples:

    j proxy flow upload golden.bin
    j proxy start -m replay --replay-file golden.bin
    j proxy flow upload ~/Downloads/session.har boot.har`
}

// Run uploads the recording.
func (c *flowUploadCmd) Run(ctx context.Context, sys *System, p proxy) error {
	name := c.Name
	if name == "" {
		name = filepath.Base(c.File)
	}
	f, info, err := disk.OpenInput(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	bar := sys.progress(name, info.Size())
	done, err := p.uploadParts(ctx, io.TeeReader(f, bar), "upload_flow_file_part", name)
	_ = bar.Close()
	switch {
	case err != nil:
		return err
	case !done:
		return fmt.Errorf("this exporter takes no uploads of recordings: copy %s to its flows directory by other means", c.File)
	}
	sys.out("Uploaded: %s (%s)", name, byteSize(float64(info.Size())))
	return nil
}
