package flow

import (
	"crypto/rand"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"starproxy/builtins/disk"
)

// TestKilledRecordings leaves what a kill leaves: the next recording removes the
// empty ones of dead processes, and no others.
func TestKilledRecordings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	record := func() *Recorder {
		r, err := Record(dir, time.Now(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		return r
	}
	probe, err := disk.TryLock(filepath.Join(dir, "probe"))
	if err != nil {
		t.Skipf("the file system has no locks: %v", err)
	}
	probe.Remove()
	kill := func(r *Recorder) { r.lock.Release(); r.lock = nil; r.file.Close() } // as the system does
	alive, stopped, empty, full := record(), record(), record(), record()
	if err := stopped.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := full.file.WriteString("flows"); err != nil {
		t.Fatal(err)
	}
	part := filepath.Join(dir, "."+filepath.Base(full.Path())+".part-"+rand.Text())
	if err := os.WriteFile(part, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	kill(empty)
	kill(full)
	next := record()
	for path, want := range map[string]bool{
		alive.Path(): true, stopped.Path(): true, empty.Path(): next.Path() == empty.Path(), full.Path(): true, next.Path(): true, part: false,
		lockOf(alive.Path()): true, lockOf(stopped.Path()): false, lockOf(full.Path()): false,
	} {
		if _, err := os.Lstat(path); (err == nil) != want {
			t.Errorf("%s: got %v, want it there: %v", path, err, want)
		}
	}
	if err := next.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(next.Path()); err != nil {
		t.Errorf("a recording that was stopped is gone: %v", err)
	}
}

// TestKilledConversions leaves the flow file that a HAR document was turned into.
func TestKilledConversions(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	har := filepath.Join(t.TempDir(), "a.har")
	if err := os.WriteFile(har, []byte(`{"log":{"version":"1.2","entries":[]}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	open := func() *File {
		f, err := Open(har)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	count := func(want int) {
		t.Helper()
		if left, _ := os.ReadDir(temp); len(left) != want {
			t.Errorf("got %v, want %d", left, want)
		}
	}
	first := open()
	count(1)
	// A directory of a dead process, which has a lock that nobody holds.
	dead := filepath.Join(temp, "starproxy-flow-dead")
	if err := os.Mkdir(dead, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".lock", "recording"} {
		if err := os.WriteFile(filepath.Join(dead, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	second := open()
	count(2)
	if _, err := os.Stat(dead); err == nil {
		t.Error("the directory of a dead process is still there")
	}
	for _, f := range []*File{first, second} {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	count(0)
}
