package bundle

import (
	_ "embed" // the texts of files
	"fmt"
	"strings"
)

//go:embed replay.sh
var replayScript string

//go:embed readme.txt
var readmeText string

// Texts adds the files that are the same in all bundles: README.txt, which tells what the
// manifest knows by now, and replay.sh.
func (b *Writer) Texts() error {
	m, text := &b.manifest, &strings.Builder{}
	text.WriteString(readmeText)
	fmt.Fprintf(text, "\nWritten on %s by starproxy %s, mode %s: %d exchange(s).\n", m.Created.Format("2006-01-02 15:04:05 UTC"), m.Version,
		m.Mode, m.Exchanges)
	if m.Masked != nil {
		text.WriteString("Secrets are masked. replay.sh does not look at those of URLs, and at no bodies of requests when\n" +
			"one of them is masked. A bundle that was saved with --unmask has the real ones.\n")
	} else {
		text.WriteString("Secrets are NOT masked: keep this file as you keep passwords.\n")
	}
	if err := b.Text(Readme, text.String()); err != nil {
		return err
	}
	return b.Text(Replay, replayScript)
}
