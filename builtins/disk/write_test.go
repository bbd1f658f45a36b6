package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// names lists what is in a directory.
func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestReplace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, text := range []string{"one", "another"} {
		err := Replace(path, 0o640, func(w io.Writer) error { _, err := io.WriteString(w, text); return err })
		got, _ := os.ReadFile(path)
		info, _ := os.Stat(path)
		if err != nil || string(got) != text || info.Mode() != 0o640 {
			t.Errorf("got %q, %v, %v", got, info.Mode(), err)
		}
	}
	broken := errors.New("broken")
	err := Replace(path, 0o640, func(w io.Writer) error { io.WriteString(w, "half"); return broken })
	if got, _ := os.ReadFile(path); !errors.Is(err, broken) || string(got) != "another" {
		t.Errorf("after a failure: got %q, %v", got, err)
	}
	if list := names(t, dir); len(list) != 1 {
		t.Errorf("left behind: %q", list)
	}
}

func TestReplaceIn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	long := strings.Repeat("n", 255) // the longest name that there is
	for _, text := range []string{"one", "another"} {
		err := ReplaceIn(root, long, 0o600, Bytes([]byte(text)))
		if got, _ := os.ReadFile(filepath.Join(dir, long)); err != nil || string(got) != text {
			t.Errorf("got %q, %v", got, err)
		}
	}
	broken := errors.New("broken")
	err = ReplaceIn(root, long, 0o600, func(w io.Writer) error { io.WriteString(w, "half"); return broken })
	if got, _ := os.ReadFile(filepath.Join(dir, long)); !errors.Is(err, broken) || string(got) != "another" {
		t.Errorf("after a failure: got %q, %v", got, err)
	}
	if err := ReplaceIn(root, "../outside", 0o600, Bytes(nil)); err == nil {
		t.Error("a name that leads out of the root was written")
	}
	if list := names(t, dir); len(list) != 1 {
		t.Errorf("left behind: %q", list)
	}
}

func TestCreateNewKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, text := range []string{"first", "second"} {
		if err := CreateNew(path, 0o600, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := os.ReadFile(path); string(got) != "first" {
		t.Errorf("got %q, want first", got)
	}
	if list := names(t, dir); len(list) != 1 {
		t.Errorf("left behind: %q", list)
	}
}

// TestCreateNewWithoutLinks does so where hard links fail as they do on FAT and
// on network file systems: one of many that try at once wins, and nothing is
// left behind.
func TestCreateNewWithoutLinks(t *testing.T) {
	t.Parallel()
	for _, errno := range []syscall.Errno{syscall.EPERM, syscall.ENOTSUP, syscall.ENOSYS, syscall.EMLINK, syscall.EINVAL} {
		dir := t.TempDir()
		path := filepath.Join(dir, "file")
		link := func(old, new string) error { return &os.LinkError{Op: "link", Old: old, New: new, Err: errno} }
		var wg sync.WaitGroup
		var seen [16][]byte
		for i := range seen {
			wg.Go(func() {
				if err := createNew(linking{link: link}, path, 0o600, fmt.Append(nil, i)); err != nil {
					t.Errorf("%v: %v", errno, err)
				}
				seen[i], _ = os.ReadFile(path)
			})
		}
		wg.Wait()
		for i, s := range seen {
			if len(s) == 0 || !bytes.Equal(s, seen[0]) {
				t.Errorf("%v: %d saw %q, 0 saw %q", errno, i, s, seen[0])
			}
		}
		if list := names(t, dir); len(list) != 1 {
			t.Errorf("%v: left behind: %q", errno, list)
		}
	}
}

// TestOtherLinkErrors are told.
func TestOtherLinkErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	err := createNew(linking{link: func(string, string) error { return syscall.EIO }}, filepath.Join(dir, "file"), 0o600, nil)
	if !errors.Is(err, syscall.EIO) || len(names(t, dir)) != 0 {
		t.Errorf("got %v, left behind %q", err, names(t, dir))
	}
}

// FullDisk mounts a small file system and fills it, for tests that may.
func fullDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64k", "none", dir).CombinedOutput(); err != nil {
		t.Skipf("no file system can be mounted here: %s", out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %s", out)
		}
	})
	f, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	return dir
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := fullDisk(t)
	path := filepath.Join(dir, "file")
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := ReplaceIn(root, "file", 0o600, Bytes([]byte("data"))); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("ReplaceIn: got %v", err)
	}
	for name, err := range map[string]error{
		"CreateNew": CreateNew(path, 0o600, []byte("data")),
		"Replace":   Replace(path, 0o600, func(w io.Writer) error { _, err := io.WriteString(w, "data"); return err }),
	} {
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), path+": no space left on device") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if list := names(t, dir); len(list) != 1 {
		t.Errorf("left behind: %q", list)
	}
}

func TestReadOnlyDirectory(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "none", "file")
	err := CreateNew(path, 0o600, nil)
	var pe *fs.PathError
	if !errors.As(err, &pe) || pe.Path != path || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want one about %s", err, path)
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	l, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := TryLock(path); !errors.Is(err, ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
	l.Release()
	l, err = TryLock(path)
	if err != nil {
		t.Fatalf("after Release: %v", err)
	}
	// Who waits for a lock whose file is removed gets a lock on a new one.
	got := make(chan *FileLock)
	go func() {
		l, err := Lock(path)
		if err != nil {
			t.Error(err)
		}
		got <- l
	}()
	l.Remove()
	second := <-got
	if _, err := TryLock(path); !errors.Is(err, ErrLocked) {
		t.Errorf("with a waiter: got %v, want ErrLocked", err)
	}
	second.Remove()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Remove: %v", err)
	}
}

// TestPrivateAtOnce makes private directories in one place from many goroutines,
// each of which sweeps while the others make theirs.
func TestPrivateAtOnce(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				p, err := MakePrivate(base, "x-")
				if err != nil {
					t.Error(err)
					return
				}
				if err := os.WriteFile(filepath.Join(p.Path, "file"), nil, 0o600); err != nil {
					t.Error(err)
				}
				if err := p.Remove(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if left, err := os.ReadDir(base); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestPrivate removes what dead processes left, and nothing of anybody else.
func TestPrivate(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	alive, err := MakePrivate(base, "x-")
	if err != nil {
		t.Fatal(err)
	}
	dead, err := MakePrivate(base, "x-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dead.Path, "body"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dead.lock.Release() // as the system does when a process is killed
	foreign := filepath.Join(base, "x-foreign")
	if err := os.Mkdir(foreign, 0o700); err != nil {
		t.Fatal(err)
	}
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, lockName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(base, "x-link")); err != nil {
		t.Fatal(err)
	}
	next, err := MakePrivate(base, "x-")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{alive.Path: true, dead.Path: false, foreign: true, next.Path: true, filepath.Join(outside, lockName): true} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: got %v, want it there: %v", path, err, want)
		}
	}
	if err := next.Remove(); err != nil || len(names(t, base)) != 3 {
		t.Errorf("after Remove: %v, left %q", err, names(t, base))
	}
}

// linking is the whole file system with another way to make hard links.
type linking struct {
	anywhere
	link func(old, new string) error
}

func (l linking) Link(old, new string) error { return l.link(old, new) }
