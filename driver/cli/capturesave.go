package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"starproxy/builtins/disk"
)

type captureSaveCmd struct {
	Directory     string     `arg:"" optional:"" help:"Directory to write a scenario to; it is made if it does not exist."`
	Timed         bool       `name:"timed" help:"Let a repeated request be answered by the time that has passed since the first, instead of answer by answer."`
	HAR           string     `name:"har" placeholder:"FILE" help:"Write a HAR document."`
	Flow          string     `name:"flow" placeholder:"FILE" help:"Write a flow file, which mitmproxy opens and 'start -m replay' answers from."`
	PCAPNG        string     `name:"pcapng" placeholder:"FILE" help:"Write a packet capture of the decrypted exchanges, which Wireshark opens without keys."`
	Filter        string     `short:"f" placeholder:"GLOB" help:"Only requests whose path matches, for instance '/api/v1/*'."`
	FilterExpr    filterExpr `name:"filter-expr" placeholder:"EXPR" help:"Only requests that a filter expression picks, for instance '~e | ~c 5xx'; for documents, not for a scenario."`
	ExcludeMocked bool       `name:"exclude-mocked" help:"Leave out what a mock answered."`
}

// Help explains how to load the result.
func (captureSaveCmd) Help() string {
	return `Writes a scenario: DIRECTORY/scenario.yaml and the recorded bodies beside it, below responses/. Loaded again with "mock load DIRECTORY" it answers what was recorded. The bodies that were saved are removed from the exporter's disk afterwards, others stay; what a file lacks is told, with the reason.

Examples:

    j proxy capture save recorded/
    j proxy capture save recorded/ -f '/api/v1/*' --exclude-mocked
    j proxy mock load recorded/
    j proxy capture save --har session.har
    j proxy capture save --har failed.har --filter-expr '~e | ~c 5xx'
    j proxy capture save --flow golden.bin --exclude-mocked
    j proxy capture save --pcapng session.pcapng`
}

// Run exports the captured requests.
func (c *captureSaveCmd) Run(ctx context.Context, sys *System, p proxy) error {
	if c.Directory == "" && c.HAR == "" && c.Flow == "" && c.PCAPNG == "" {
		return usagef("expected a directory for a scenario, --har FILE, --flow FILE or --pcapng FILE")
	}
	if c.Directory != "" && c.FilterExpr != "" {
		return usagef("got --filter-expr with a directory for a scenario, want --filter GLOB")
	}
	for _, doc := range []struct{ format, name, what string }{
		{"har", c.HAR, "HAR document"}, {"flow", c.Flow, "Flow file"}, {"pcapng", c.PCAPNG, "Packet capture"},
	} {
		if doc.name == "" {
			continue
		}
		bar := sys.progress(doc.name, -1)
		err := saveFile(doc.name, private, func(w io.Writer) error {
			return p.download(ctx, io.MultiWriter(w, bar), "export_captures", c.documentArgs(doc.format)...)
		})
		_ = bar.Close()
		if err != nil {
			return c.FilterExpr.refused(err)
		}
		sys.out("%s written to: %s", doc.what, resolved(doc.name))
		if err := c.tellMissing(ctx, sys, p, doc.format); err != nil {
			return err
		}
	}
	if c.Directory == "" {
		return nil
	}
	return c.scenario(ctx, sys, p)
}

// tellMissing prints what is not in a document that was written, and why. An
// exporter that does not know is one that has left nothing out, as far as it knows.
func (c *captureSaveCmd) tellMissing(ctx context.Context, sys *System, p proxy, format string) error {
	var missing []string
	err := p.document(ctx, &missing, "missing_from_export", c.documentArgs(format)...)
	if unknownMethod(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, line := range missing {
		sys.note("warning: missing: %s", line)
	}
	return nil
}

// scenario exports them as a scenario and downloads the bodies.
func (c *captureSaveCmd) scenario(ctx context.Context, sys *System, p proxy) error {
	var exported struct {
		YAML    string   `json:"yaml"`
		Files   []string `json:"files"`
		LeftOut []string `json:"left_out"`
	}
	if err := p.document(ctx, &exported, "export_captured_scenario", c.exportArgs()...); err != nil {
		return err
	}
	if err := os.MkdirAll(c.Directory, 0o700); err != nil {
		return err
	}
	scenario := filepath.Join(c.Directory, "scenario.yaml")
	err := saveFile(scenario, private, disk.Bytes([]byte(exported.YAML)))
	if err != nil {
		return err
	}
	sys.out("Scenario written to: %s", resolved(scenario))
	for _, what := range exported.LeftOut {
		sys.note("warning: left out: %s", what)
	}
	// The names come from the exporter: a root keeps them inside the directory.
	root, err := os.OpenRoot(c.Directory)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, name := range exported.Files {
		if err := p.saveBody(ctx, sys, root, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		sys.out("  %s", name)
	}
	if c.Filter != "" || c.ExcludeMocked {
		// A stock exporter would remove what was not saved, too.
		if err := p.document(ctx, new([]string), "missing_from_export", "flow", c.Filter, c.ExcludeMocked); unknownMethod(err) {
			sys.note("the exporter keeps its spooled bodies: it can't remove those that were saved without the others")
			sys.out("Removed 0 spool file(s)")
			return nil
		}
	}
	s, err := p.text(ctx, "clean_capture_spool")
	if err != nil {
		return err
	}
	sys.out("%s", s)
	return nil
}

// documentArgs leaves out what a stock exporter does not know, unless it is asked for.
func (c *captureSaveCmd) documentArgs(format string) []any {
	args := []any{format, c.Filter, c.ExcludeMocked}
	if c.FilterExpr != "" {
		args = append(args, string(c.FilterExpr))
	}
	return args
}

// exportArgs leaves out what a stock exporter does not know, unless it is asked for.
func (c *captureSaveCmd) exportArgs() []any {
	args := []any{c.Filter, c.ExcludeMocked}
	if c.Timed {
		args = append(args, true)
	}
	return args
}

// saveBody downloads one recorded body into root.
func (p proxy) saveBody(ctx context.Context, sys *System, root *os.Root, name string) error {
	local := filepath.FromSlash(name)
	if err := root.MkdirAll(filepath.Dir(local), 0o700); err != nil {
		return err
	}
	bar := sys.progress(name, -1)
	err := disk.ReplaceIn(root, local, private, func(w io.Writer) error {
		return p.download(ctx, io.MultiWriter(w, bar), "get_captured_file", name)
	})
	_ = bar.Close()
	return err
}
