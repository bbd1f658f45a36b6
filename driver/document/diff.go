package document

import (
	"bytes"

	"github.com/rogpeppe/go-internal/diff"
)

// Unified returns a unified diff of a file, empty if nothing changes.
func Unified(name string, before, after []byte) string {
	text := diff.Diff(name, before, name, after)
	if _, rest, ok := bytes.Cut(text, []byte("\n")); ok { // the first line is that of a command
		text = rest
	}
	return string(text)
}
