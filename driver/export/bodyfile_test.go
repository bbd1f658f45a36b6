package export

import (
	"crypto/sha256"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// TestFullDiskLeavesNoHalfBody exports a body to a disk that has no room for it.
func TestFullDiskLeavesNoHalfBody(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=32k", "none", dir).CombinedOutput(); err != nil {
		t.Skipf("no file system can be mounted here: %s", out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %s", out)
		}
	})
	f := &bodyFiles{dir: dir}
	if err := f.open(); err != nil {
		t.Fatal(err)
	}
	defer f.close()
	data := make([]byte, 64<<10)
	_, err := f.place("responses/GET/big", ".bin", int64(len(data)), sha256.Sum256(data), func(name string) error { return f.write(name, data) })
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v, want ENOSPC", err)
	}
	left, _ := os.ReadDir(filepath.Join(dir, "responses", "GET"))
	if len(left) != 0 || len(f.list) != 0 {
		t.Errorf("left behind: %v, told of: %q", left, f.list)
	}
}
