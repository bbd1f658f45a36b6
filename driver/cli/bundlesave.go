package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"starproxy/driver/bundle"
)

// bundleCommands is the grammar of "bundle".
type bundleCommands struct {
	Save bundleSaveCmd `cmd:"" default:"withargs" help:"Write all that is known of the session into one ZIP file (the default)."`
}

type bundleSaveCmd struct {
	File   string `arg:"" optional:"" help:"File to write (default: session-DATE-TIME.zip in the working directory)."`
	Since  string `placeholder:"MARK" help:"Only what came after the exchange of that number, or after the event of that name (faults event NAME)."`
	Filter string `name:"filter-expr" placeholder:"EXPR" help:"Only exchanges that the filter expression picks, for instance '~u /api & ~e'."`
	Unmask bool   `help:"Leave passwords, tokens and cookies as they are."`
}

// Help explains the content.
func (bundleSaveCmd) Help() string {
	return `The file has the exchanges as HAR document, flow file and packets, the scenario and scripts in force, the changes of mocks, state, faults and clock, the log, the requests without a mock with those that came nearest, failures of TLS, and replay.sh, which starts a proxy that answers as this one has. manifest.json lists it all, and what was left out for its size. Secrets are masked, unless --unmask is given.

Examples:

    j proxy bundle save
    j proxy bundle save failed.zip --since 120
    j proxy bundle save failed.zip --filter-expr '~d api.example.com'
    unzip -d failed failed.zip && sh failed/replay.sh`
}

// Run downloads the bundle and tells what it has.
func (c *bundleSaveCmd) Run(ctx context.Context, sys *System, p proxy) error {
	name := c.File
	if name == "" {
		name = time.Now().Format("session-20060102-150405.zip")
	}
	bar := sys.progress(name, -1)
	err := saveFile(name, private, func(w io.Writer) error {
		return p.download(ctx, io.MultiWriter(w, bar), "save_bundle", c.Since, c.Filter, c.Unmask)
	})
	_ = bar.Close()
	if err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return err // it was written to a pipe
	}
	s, err := bundle.Open(name)
	if err != nil {
		return err
	}
	defer s.Close()
	m := s.Manifest()
	if m == nil {
		return fmt.Errorf("%s: the exporter sent a bundle without a manifest", name)
	}
	sys.out("Bundle written to: %s (%d exchange(s), %s)", resolved(name), m.Exchanges, maskedText(m))
	for _, left := range m.LeftOut {
		sys.note("warning: left out: %s: %s", left.Part, left.Reason)
	}
	return nil
}

// maskedText tells what was done about secrets.
func maskedText(m *bundle.Manifest) string {
	if m.Masked == nil {
		return "secrets are not masked"
	}
	return fmt.Sprintf("%d secret(s) masked", m.Masked.Secrets)
}
