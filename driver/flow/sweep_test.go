package flow

import (
	"os"
	"path/filepath"
	"testing"
)

// A sweep goes by lock files alone: another hidden file with the name of a
// recording says nothing about it.
func TestSweepGoesByLocks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{".capture_kept", "capture_kept.bin", ".capture_dead.bin.lock", "capture_dead.bin"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sweep(dir)
	if _, err := os.Stat(filepath.Join(dir, "capture_kept.bin")); err != nil {
		t.Errorf("a recording without a lock: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "capture_dead.bin")); !os.IsNotExist(err) {
		t.Errorf("an empty recording with the lock of a dead process: got %v, want it removed", err)
	}
}
