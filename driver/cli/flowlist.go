package cli

import "context"

type flowListCmd struct{ output }

// Help points to what makes recordings.
func (flowListCmd) Help() string {
	return `A recording is made with "start -m record" and answered from with "start -m replay --replay-file NAME".`
}

// flowFile is one recording on the exporter.
type flowFile struct {
	Name     string  `json:"name"`
	Size     float64 `json:"size_bytes"`
	Modified string  `json:"modified"`
}

// Run lists the recordings.
func (c *flowListCmd) Run(ctx context.Context, sys *System, p proxy) error {
	var files []flowFile
	printed, err := c.list(ctx, sys, p, &files, "list_flow_files")
	if printed || err != nil {
		return err
	}
	if len(files) == 0 {
		sys.out("No flow files found.")
	}
	for _, f := range files {
		sys.out("  %s  (%s, %s)", printable(f.Name), byteSize(f.Size), f.Modified)
	}
	return nil
}
