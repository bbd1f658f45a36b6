//go:build !unix

package cli

import "io"

// newOutlet returns w: these systems have no SIGPIPE.
func newOutlet(w io.Writer, _ func()) io.Writer { return w }
