//go:build !linux

package cli

import (
	"os"
	"testing"
)

// pty skips the test.
func pty(t *testing.T, _ uint16) (*os.File, *buffer) {
	t.Skip("only Linux's terminals are known here")
	return nil, nil
}
