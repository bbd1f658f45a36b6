package capture

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"starproxy/builtins/disk"
)

// maxHomes is how many processes can have their spools in one directory.
const maxHomes = 1000

// errSpoolClosed says that a body came after the journal was closed.
var errSpoolClosed = errors.New("the spool is closed")

// home is the directory of a spool. The process holds a lock on it. The first of the
// processes that share a root directory has the root itself, the others have its
// subdirectories "2", "3" and so on. When a lock can be taken, the process that held it
// has ended: the bodies that it left are removed. Where directories can't be locked
// (network file systems), each process has a subdirectory with a unique name.
type home struct {
	root string // the root directory, "" for none

	mu     sync.Mutex
	dir    string         // empty until it is needed
	lock   *disk.FileLock // nil where there are no locks
	closed bool
}

// path returns the directory. It makes the directory at the first use, and again after
// [home.lost].
func (h *home) path() (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.root == "":
		return "", errors.New("no spool directory is set")
	case h.closed:
		return "", errSpoolClosed
	case h.dir != "":
		return h.dir, nil
	}
	_, err := h.claim()
	return h.dir, err
}

// known returns the directory, "" when there is none yet.
func (h *home) known() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.dir
}

// lost tells h that the directory dir has been removed.
func (h *home) lost(dir string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dir == dir {
		h.leave()
	}
}

// leave releases the directory. The lock mu is held.
func (h *home) leave() {
	if h.dir != "" && h.dir != h.root {
		os.Remove(h.dir)
	}
	if h.lock != nil {
		h.lock.Release()
	}
	h.dir, h.lock = "", nil
}

// close releases the directory for good.
func (h *home) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leave()
	h.closed = true
}

// claim takes a free directory and removes the bodies that are left there. The lock mu is
// held.
func (h *home) claim() (removed int, err error) {
	for n := range maxHomes {
		dir := h.nth(n)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return 0, err
		}
		lock, err := disk.TryLockDir(dir)
		switch {
		case err == nil:
			h.dir, h.lock = dir, lock
			return removeBodies(dir)
		case errors.Is(err, errors.ErrUnsupported):
			h.dir, err = os.MkdirTemp(h.root, fmt.Sprintf("process-%d-", os.Getpid()))
			return 0, err
		case !errors.Is(err, disk.ErrLocked):
			return 0, err
		}
	}
	return 0, fmt.Errorf("%s: more than %d processes keep bodies there", h.root, maxHomes)
}

// nth returns the directory of the n-th process, counted from 0.
func (h *home) nth(n int) string {
	if n == 0 {
		return h.root
	}
	return filepath.Join(h.root, strconv.Itoa(n+1))
}

// sweep removes the bodies of processes that have ended, and returns how many.
func (h *home) sweep() (removed int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	entries, err := os.ReadDir(h.root)
	if h.root == "" || err != nil || h.closed {
		return 0, nil // there is nothing yet
	}
	for _, e := range entries {
		if h.dir == "" && e.Type().IsRegular() && spoolName.MatchString(e.Name()) {
			if removed, err = h.claim(); err != nil {
				return removed, err
			}
		}
	}
	for _, e := range entries {
		n, err := strconv.Atoi(e.Name())
		if err != nil || !e.IsDir() || n < 2 || n > maxHomes || filepath.Join(h.root, e.Name()) == h.dir {
			continue
		}
		n, err = sweepHome(filepath.Join(h.root, e.Name()))
		if removed += n; err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// sweepHome removes the bodies and the directory of another process, if it has ended.
func sweepHome(dir string) (removed int, err error) {
	lock, err := disk.TryLockDir(dir)
	if err != nil {
		return 0, nil // it is in use or gone, or locks do not work here
	}
	defer lock.Release()
	removed, err = removeBodies(dir)
	os.Remove(dir) // fails if other files are there
	return removed, err
}

// removeBodies removes the bodies in dir and returns how many.
func removeBodies(dir string) (removed int, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !spoolName.MatchString(e.Name()) {
			continue
		}
		rerr := os.Remove(filepath.Join(dir, e.Name()))
		if rerr == nil {
			removed++
		} else if !errors.Is(rerr, fs.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
	}
	return removed, err
}
