package interop

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The manual pages have nothing that a strict reader of them warns about.
func TestManPages(t *testing.T) {
	t.Parallel()
	program(t, "mandoc")
	dir := filepath.Join(tempDir(t), "man1")
	if o := run(t, root(t), environ(nil), compile(t), "__man", dir); o.code != 0 {
		t.Fatal(o)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil || len(pages) < 30 {
		t.Fatalf("got %d pages (%v), want 30 or more", len(pages), err)
	}
	out, _ := exec.Command("mandoc", append([]string{"-T", "lint", "-W", "warning"}, pages...)...).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if !strings.Contains(line, "date") { // a build without a commit has none
			t.Error(line)
		}
	}
	for _, page := range pages {
		if text, err := exec.Command("mandoc", "-T", "utf8", page).Output(); err != nil || len(text) < 500 {
			t.Errorf("%s: got %d bytes (%v)", page, len(text), err)
		}
	}
}
