//go:build unix

package scenario

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A pipe in the place of a script is refused, not waited for.
func TestAddonIsPipe(t *testing.T) {
	t.Parallel()
	dir := unpack(t, "-- a.star --\nload(\"pipe.star\", \"x\")\n")
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.star"), 0o644); err != nil {
		t.Skip(err)
	}
	addons := NewAddons(testEnv(t).Script, nil)
	for _, name := range []string{"a", "pipe"} {
		if err := addons.Check(dir, name); err == nil || !strings.Contains(err.Error(), "got a named pipe, want a regular file") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
