package capture

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// spooled puts a large body into a journal and returns its file.
func spooled(t *testing.T, j *Journal) string {
	t.Helper()
	e := sample()
	e.ResponseBody = record(j, "", -1, make([]byte, 600<<10))
	j.Add(e)
	path := j.Entries(nil)[0].ResponseBody.Path
	if path == "" {
		t.Fatal("the body was not spooled")
	}
	return path
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// killed ends a journal as the end of its process does: the locks go, the files
// stay.
func killed(j *Journal) {
	h := &j.spool.home
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lock.Release()
	h.lock, h.dir, h.closed = nil, "", true
}

// TestProcessesShareASpool has three at a time in one place. None deletes what
// another one has, whatever it is told to do; what one leaves that is killed is
// removed by the next, and by clean_capture_spool.
func TestProcessesShareASpool(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "capture-spool")
	var js [3]*Journal
	var files [3]string
	for i := range js {
		js[i] = New(Options{SpoolDir: root})
		if n, err := js[i].Sweep(); n != 0 || err != nil {
			t.Errorf("%d: removed %d, %v", i, n, err)
		}
		files[i] = spooled(t, js[i])
	}
	if filepath.Dir(files[0]) != root {
		t.Errorf("the first has its bodies in %s, want %s", filepath.Dir(files[0]), root)
	}
	if n, _, err := js[1].CleanSpool(); n != 1 || err != nil {
		t.Errorf("cleaned %d, %v, want its own", n, err)
	}
	js[1].Close()
	if !exists(files[0]) || exists(files[1]) || !exists(files[2]) {
		t.Error("files of another process were removed, or its own not")
	}

	killed(js[0])
	killed(js[2])
	if err := os.WriteFile(filepath.Join(root, "mine.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	next := New(Options{SpoolDir: root})
	defer next.Close()
	if n, err := next.Sweep(); n != 2 || err != nil {
		t.Errorf("removed %d of dead processes, %v, want 2", n, err)
	}
	left, _ := os.ReadDir(root)
	if len(left) != 1 || left[0].Name() != "mine.txt" {
		t.Errorf("left: %v", left)
	}
	if path := spooled(t, next); filepath.Dir(path) != root {
		t.Errorf("the next has its bodies in %s, want %s", filepath.Dir(path), root)
	}
}

// TestSweepMakesNothing looks where nothing is.
func TestSweepMakesNothing(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "none")
	j := New(Options{SpoolDir: root})
	if n, err := j.Sweep(); n != 0 || err != nil || exists(root) {
		t.Errorf("removed %d, %v, made it: %v", n, err, exists(root))
	}
}

// TestSpoolIsRemovedMeanwhile goes on in a new directory.
func TestSpoolIsRemovedMeanwhile(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "capture-spool")
	j := New(Options{SpoolDir: root})
	defer j.Close()
	spooled(t, j)
	if err := os.RemoveAll(root); err != nil {
		t.Fatal(err)
	}
	if path := spooled(t, j); !strings.HasPrefix(path, root) {
		t.Error(path)
	}
	other := New(Options{SpoolDir: root})
	defer other.Close()
	if path := spooled(t, other); filepath.Dir(path) == root {
		t.Error("two have one directory")
	}
}

// TestBodyAfterClose is lost, and leaves no file.
func TestBodyAfterClose(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "capture-spool")
	j := New(Options{SpoolDir: root})
	j.Close()
	r := j.NewRecorder(nil, "http://x.example/late")
	r.Write(make([]byte, 600<<10))
	if b := r.Blob(); b.Path != "" || exists(root) {
		t.Errorf("%+v, made %s: %v", b, root, exists(root))
	}
}
