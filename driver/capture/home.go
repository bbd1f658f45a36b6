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

// maxHomes bounds the processes that keep spools in one place.
const maxHomes = 1000

// errSpoolClosed is a body that comes after the journal's end.
var errSpoolClosed = errors.New("the spool is closed")

// home is the directory that a spool has for itself, by a lock on it. The first
// of the processes that share a place has the place itself, the others have the
// directories "2", "3" and so on in it. A lock that can be taken says that who
// held it has ended, so what is left there is removed. Where directories can't
// be locked (network file systems), each has a directory of its own that nobody
// else touches.
type home struct {
	root string // the place; empty for none

	mu     sync.Mutex
	dir    string         // empty until it is needed
	lock   *disk.FileLock // nil where there are no locks
	closed bool
}

// path returns the directory, which is made on first use, or again when it has
// been removed.
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

// known returns the directory, empty when there is none yet.
func (h *home) known() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.dir
}

// lost notes that the directory dir is gone.
func (h *home) lost(dir string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dir == dir {
		h.leave()
	}
}

// leave gives the directory back; mu is held.
func (h *home) leave() {
	if h.dir != "" && h.dir != h.root {
		os.Remove(h.dir)
	}
	if h.lock != nil {
		h.lock.Release()
	}
	h.dir, h.lock = "", nil
}

// close gives the directory back for good.
func (h *home) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leave()
	h.closed = true
}

// claim finds a directory and removes what is left there; mu is held.
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

// nth is a directory that a spool may have.
func (h *home) nth(n int) string {
	if n == 0 {
		return h.root
	}
	return filepath.Join(h.root, strconv.Itoa(n+1))
}

// sweep removes what processes that have ended left behind, and returns how many
// bodies that were.
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

// sweepHome empties and removes the directory of another process, if that has
// ended.
func sweepHome(dir string) (removed int, err error) {
	lock, err := disk.TryLockDir(dir)
	if err != nil {
		return 0, nil // in use, gone, or there is no telling
	}
	defer lock.Release()
	removed, err = removeBodies(dir)
	os.Remove(dir) // stays if somebody put something else there
	return removed, err
}

// removeBodies removes the bodies in dir that a spool wrote.
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
