package disk

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCanMake(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, loose := filepath.Join(dir, "file"), filepath.Join(dir, "loose")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, "nothing"), loose); err != nil {
		t.Fatal(err)
	}
	locked := filepath.Join(dir, "locked")
	if err := os.Mkdir(locked, 0o500); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ path, want string }{
		{dir, ""},
		{filepath.Join(dir, "a/b/c"), ""},
		{file, "got a file, want a directory"},
		{filepath.Join(file, "below"), "not a directory"},
		{filepath.Join(loose, "below"), "got a link to nothing"},
		{filepath.Join(locked, "below"), "permission denied"},
	} {
		if test.want == "permission denied" && os.Geteuid() == 0 {
			continue // root may
		}
		err := CanMake(test.path)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.path, err, test.want)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 3 {
		t.Errorf("something was made: %v, %v", entries, err)
	}
}
