//go:build unix

package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// odd makes a directory with one of each kind of file that is not regular.
func odd(t *testing.T) (dir string, want map[string]string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	if err := os.Mkdir(filepath.Join(dir, "dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"link": "pipe", "zero": "/dev/zero"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir, map[string]string{"pipe": "a named pipe", "link": "a named pipe", "socket": "a socket", "dir": "a directory", "zero": "a device"}
}

func TestOnlyRegularFilesAreOpened(t *testing.T) {
	t.Parallel()
	dir, want := odd(t)
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for name, found := range want {
		path := filepath.Join(dir, name)
		_, _, opened := Open(path)
		_, readErr := Read(path, 10)
		for how, err := range map[string]error{"Open": opened, "Read": readErr} {
			var k KindError
			if !errors.As(err, &k) || !strings.HasSuffix(err.Error(), path+": got "+found+", want a regular file") {
				t.Errorf("%s(%s): got %v, want %q", how, name, err, found)
			}
		}
		if name == "zero" {
			found = "escapes" // the link leads out of the root
		}
		if _, _, err := OpenIn(root, name); err == nil || !strings.Contains(err.Error(), found) {
			t.Errorf("OpenIn(%s): got %v, want %q", name, err, found)
		}
		if IsRegular(path) {
			t.Errorf("IsRegular(%s): got true", name)
		}
	}
}

func TestMissingFile(t *testing.T) {
	t.Parallel()
	if _, _, err := Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
}

// TestSwappedFile opens what is a pipe by the time that it is opened.
func TestSwappedFile(t *testing.T) {
	t.Parallel()
	dir, _ := odd(t)
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, _, err := open(swapped{anywhere{}, filepath.Join(dir, "pipe")}, file)
	var k KindError
	if !errors.As(err, &k) {
		t.Errorf("got %v, want a KindError", err)
	}
}

// swapped opens another file than it tells of.
type swapped struct {
	anywhere
	other string
}

func (s swapped) OpenFile(_ string, flag int, perm fs.FileMode) (*os.File, error) {
	return os.OpenFile(s.other, flag, perm)
}

func TestReadIsBounded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("12345"), 0o644); err != nil {
		t.Fatal(err)
	}
	if data, err := Read(path, 5); err != nil || string(data) != "12345" {
		t.Errorf("got %q, %v", data, err)
	}
	var size SizeError
	if _, err := Read(path, 4); !errors.As(err, &size) || !strings.Contains(err.Error(), "at most 4 bytes") {
		t.Errorf("got %v, want a SizeError", err)
	}
	// A file of /proc tells the size 0.
	if _, err := Read("/proc/self/status", 10); !errors.As(err, &size) {
		t.Errorf("/proc/self/status: got %v, want a SizeError", err)
	}
}

func TestOpenIn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	f, info, err := OpenIn(root, "file")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if data, err := ReadAll(f, info, 1); err != nil || string(data) != "x" {
		t.Errorf("got %q, %v", data, err)
	}
	if _, _, err := OpenIn(root, "../file"); err == nil {
		t.Error("a name that leads out of the root was opened")
	}
}

// TestPipesOfTheShell reads what a shell hands over, and no other pipe.
func TestPipesOfTheShell(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := w.WriteString("from a pipe"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	path := fmt.Sprintf("/dev/fd/%d", r.Fd())
	if data, err := ReadInput(path, 11); err != nil || string(data) != "from a pipe" {
		t.Errorf("%s: got %q, %v", path, data, err)
	}
	dir, want := odd(t)
	for name := range want {
		var k KindError
		if _, _, err := OpenInput(filepath.Join(dir, name)); !errors.As(err, &k) {
			t.Errorf("%s: got %v, want a KindError", name, err)
		}
	}
}
