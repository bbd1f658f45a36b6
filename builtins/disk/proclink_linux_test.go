package disk_test

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// fdLink is a link that the system switches without an event.
type fdLink struct {
	path string
	dir  *os.File
}

// procLink makes a link to a directory.
func procLink(t *testing.T, dir string) *fdLink {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return &fdLink{fmt.Sprintf("/proc/self/fd/%d", f.Fd()), f}
}

// lead switches the link to another directory.
func (l *fdLink) lead(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Dup3(int(f.Fd()), int(l.dir.Fd()), unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
}
