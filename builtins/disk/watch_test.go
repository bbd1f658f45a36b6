package disk_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"starproxy/builtins/disk"
)

// yard is a directory with a file that is watched.
type yard struct {
	*testing.T
	dir, file string
	log       *lockedBuffer
	seen      chan string
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// watch watches a file of the yard; each change sends its content.
func (y *yard) watch(file string) {
	y.file = filepath.Join(y.dir, file)
	if filepath.IsAbs(file) {
		y.file = file
	}
	y.seen = make(chan string, 100)
	w := disk.NewWatch([]string{y.file}, slog.New(slog.NewTextHandler(y.log, nil)), func() {
		data, _ := os.ReadFile(y.file)
		y.seen <- string(data)
	})
	y.Cleanup(w.Close)
}

// await waits until a change is told after which the file has a content.
func (y *yard) await(want string) {
	y.Helper()
	deadline := time.After(10 * time.Second)
	for {
		select {
		case got := <-y.seen:
			if got == want {
				return
			}
		case <-deadline:
			y.Fatalf("nobody told that the file has %q\n%s", want, y.log)
		}
	}
}

func (y *yard) write(name, content string) {
	y.Helper()
	path := filepath.Join(y.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		y.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		y.Fatal(err)
	}
}

func (y *yard) rename(from, to string) {
	y.Helper()
	if err := os.Rename(filepath.Join(y.dir, from), filepath.Join(y.dir, to)); err != nil {
		y.Fatal(err)
	}
}

// link puts a link in the place of what there is, as `ln -sfn` does it.
func (y *yard) link(to, name string) {
	y.Helper()
	os.Remove(filepath.Join(y.dir, name+".new"))
	if err := os.Symlink(to, filepath.Join(y.dir, name+".new")); err != nil {
		y.Fatal(err)
	}
	y.rename(name+".new", name)
}

func (y *yard) remove(name string) {
	y.Helper()
	if err := os.RemoveAll(filepath.Join(y.dir, name)); err != nil {
		y.Fatal(err)
	}
}

// TestWatch changes what leads to a file, in every way that ends with another
// content behind the same path, and then edits what it leads to now.
func TestWatch(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file    string // what is watched
		prepare func(*yard)
		change  func(*yard)
		last    string // what the path leads to in the end
	}{
		"the file is written": {"s", func(y *yard) { y.write("s", "one") }, func(y *yard) { y.write("s", "two") }, "s"},
		"the file is replaced": {"s", func(y *yard) { y.write("s", "one") }, func(y *yard) {
			y.write("t", "two")
			y.rename("t", "s")
		}, "s"},
		"the file is written by another name": {"a/s", func(y *yard) {
			y.write("a/s", "one")
			if err := os.MkdirAll(filepath.Join(y.dir, "b"), 0o755); err != nil {
				y.Fatal(err)
			}
			if err := os.Link(filepath.Join(y.dir, "a/s"), filepath.Join(y.dir, "b/t")); err != nil {
				y.Fatal(err)
			}
		}, func(y *yard) { y.write("b/t", "two") }, "b/t"},
		"the file comes later": {"a/b/c/s", func(*yard) {}, func(y *yard) { y.write("a/b/c/s", "two") }, "a/b/c/s"},
		"its directory is replaced": {"d/s", func(y *yard) {
			y.write("d/s", "one")
			y.write("e/s", "two")
		}, func(y *yard) {
			y.rename("d", "f")
			y.rename("e", "d")
		}, "d/s"},
		"a directory four levels above is replaced": {"a/b/c/d/s", func(y *yard) {
			y.write("a/b/c/d/s", "one")
			y.write("x/b/c/d/s", "two")
		}, func(y *yard) {
			y.rename("a", "old")
			y.rename("x", "a")
		}, "a/b/c/d/s"},
		"a directory above comes back": {"a/b/s", func(y *yard) { y.write("a/b/s", "one") }, func(y *yard) {
			y.remove("a")
			y.write("a/b/s", "two")
		}, "a/b/s"},
		"a link above is switched": {"current/deep/down/s", func(y *yard) {
			y.write("releases/1/deep/down/s", "one")
			y.write("releases/2/deep/down/s", "two")
			y.link("releases/1", "current")
		}, func(y *yard) { y.link("releases/2", "current") }, "releases/2/deep/down/s"},
		"a link to a link is switched": {"app/s", func(y *yard) {
			y.write("releases/1/s", "one")
			y.write("releases/2/s", "two")
			y.link(filepath.Join(y.dir, "releases/1"), "slots/../blue")
			y.link("blue", "app")
		}, func(y *yard) { y.link(filepath.Join(y.dir, "releases/2"), "blue") }, "releases/2/s"},
		"the last link of three is switched": {"s", func(y *yard) {
			y.write("v/1", "one")
			y.write("v/2", "two")
			y.link("1", "v/now")
			y.link("v/now", "t")
			y.link("t", "s")
		}, func(y *yard) { y.link("2", "v/now") }, "v/2"},
		"a link with .. behind a link": {"s", func(y *yard) {
			y.write("r/1/conf/x", "")
			y.write("r/1/s", "one")
			y.write("r/2/conf/x", "")
			y.write("r/2/s", "two")
			y.link("r/1/conf", "conf")
			y.link("conf/../s", "s")
		}, func(y *yard) { y.link("r/2/conf", "conf") }, "r/2/s"},
		"a config map is renewed": {"s", func(y *yard) {
			y.write("..1/s", "one")
			y.write("..2/s", "two")
			y.link("..1", "..data")
			y.link("..data/s", "s")
		}, func(y *yard) {
			y.link("..2", "..data")
			y.remove("..1")
		}, "..2/s"},
		"the directory that a link leads to is replaced": {"current/s", func(y *yard) {
			y.write("releases/1/s", "one")
			y.write("next/s", "two")
			y.link("releases/1", "current")
		}, func(y *yard) {
			y.remove("releases/1")
			y.rename("next", "releases/1")
		}, "releases/1/s"},
		"a link leads to nothing at first": {"current/s", func(y *yard) { y.link("releases/9", "current") },
			func(y *yard) { y.write("releases/9/s", "two") }, "releases/9/s"},
		"a link becomes a directory": {"current/s", func(y *yard) {
			y.write("r/s", "one")
			y.link("r", "current")
		}, func(y *yard) {
			y.remove("current")
			y.write("current/s", "two")
		}, "current/s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			y := &yard{T: t, dir: t.TempDir(), log: &lockedBuffer{}}
			if err := os.MkdirAll(filepath.Join(y.dir, "slots"), 0o755); err != nil {
				t.Fatal(err)
			}
			c.prepare(y)
			y.watch(c.file)
			before, _ := os.ReadFile(y.file)
			y.await(string(before))
			c.change(y)
			y.await("two")
			y.write(c.last, "three")
			y.await("three")
			if y.log.String() != "" {
				t.Errorf("the log has\n%s", y.log)
			}
		})
	}
}

// TestWatchSameDirectory has a directory under two names one after the other:
// what follows the first name must not be taken for the second.
func TestWatchSameDirectory(t *testing.T) {
	t.Parallel()
	y := &yard{T: t, dir: t.TempDir(), log: &lockedBuffer{}}
	y.write("r/1/s", "one")
	y.link("r/1", "current")
	y.watch("current/s")
	y.await("one")
	y.rename("r/1", "r/2")
	y.link("r/2", "current")
	y.write("r/2/s", "two")
	y.await("two")
	y.write("r/2/s", "three")
	y.await("three")
}

// TestWatchRelative watches a path below the working directory.
func TestWatchRelative(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	y := &yard{T: t, dir: dir, log: &lockedBuffer{}}
	y.write("d/s", "one")
	y.dir = ""
	y.watch("d/../d/s")
	y.await("one")
	y.write("d/s", "two")
	y.await("two")
}

// TestWatchPolls switches what a path leads to where the system tells nobody:
// a link of the proc file system.
func TestWatchPolls(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("needs the links of Linux's proc file system")
	}
	y := &yard{T: t, dir: t.TempDir(), log: &lockedBuffer{}}
	y.write("a/s", "one")
	y.write("b/s", "two")
	link := procLink(t, filepath.Join(y.dir, "a"))
	y.watch(filepath.Join(link.path, "s"))
	y.await("one")
	link.lead(t, filepath.Join(y.dir, "b"))
	y.await("two")
	y.write("b/s", "three")
	y.await("three")
	if log := y.log.String(); strings.Count(log, "level=WARN") != 1 || !strings.Contains(log, "polled once a second") || !strings.Contains(log, "(proc)") {
		t.Errorf("the log has\n%s", log)
	}
}
