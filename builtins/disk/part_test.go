package disk

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestCommitNew checks that a part below a root takes the first name that is
// free and replaces nothing.
func TestCommitNew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := CreatePartIn(root, "x", 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Discard()
	if _, err := p.Write([]byte("new")); err != nil {
		t.Fatal(err)
	}
	if err := p.CommitNew("a"); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("a name that is taken: %v", err)
	}
	if err := p.CommitNew("b"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"a": "old", "b": "new"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); string(got) != want {
			t.Errorf("%s is %q, %v, want %q", name, got, err, want)
		}
	}
	if list, _ := os.ReadDir(dir); len(list) != 2 {
		t.Errorf("%d files are left, want 2", len(list))
	}
}

// TestKeep checks that a kept file is in place and can be written further.
func TestKeep(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	p, err := CreatePart(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Write([]byte("one ")); err != nil {
		t.Fatal(err)
	}
	f, err := p.Keep()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.WriteString(f, "two"); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(path); string(got) != "one two" {
		t.Errorf("got %q, %v, want %q", got, err, "one two")
	}
	if list := names(t, dir); len(list) != 1 {
		t.Errorf("left behind: %q", list)
	}
}

// TestFailedCommit checks that nothing is left of a part that can't be put in place.
func TestFailedCommit(t *testing.T) {
	t.Parallel()
	for name, commit := range map[string]func(*Part) error{
		"Commit": (*Part).Commit,
		"Keep":   func(p *Part) error { _, err := p.Keep(); return err },
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "file")
		p, err := CreatePart(path, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		var pe *fs.PathError
		if err := commit(p); !errors.As(err, &pe) || pe.Path != path {
			t.Errorf("%s over a directory: %v, want an error about %s", name, err, path)
		}
		if _, err := p.Write([]byte("x")); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s: the file is still open: %v", name, err)
		}
		if list := names(t, dir); !slices.Equal(list, []string{"file"}) {
			t.Errorf("%s left behind: %q", name, list)
		}
	}
}

// TestSweepParts checks that the parts of living processes stay, and files that
// only resemble a part.
func TestSweepParts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	probe, err := TryLock(filepath.Join(dir, "probe"))
	if err != nil {
		t.Skipf("the file system has no locks: %v", err)
	}
	probe.Remove()
	sub := filepath.Join(dir, "sub")
	if err := os.Mkdir(sub, 0o700); err != nil {
		t.Fatal(err)
	}
	alive, err := CreatePart(filepath.Join(sub, "alive"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Base(alive.File().Name()), ".a.part-x", "a.part-" + rand.Text()}
	for _, name := range append(want[1:], ".dead.part-"+rand.Text()) {
		if err := os.WriteFile(filepath.Join(sub, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	SweepParts(root, "sub")
	slices.Sort(want)
	if got := names(t, sub); !slices.Equal(got, want) {
		t.Errorf("left: %q, want %q", got, want)
	}
	if err := alive.Commit(); err != nil {
		t.Error(err)
	}
}
