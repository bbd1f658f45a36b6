package capture

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
)

// errNoRoom says that a body does not fit in the spool, even if all others are removed.
var errNoRoom = errors.New("no room in the spool")

// spool keeps bodies in files that are too large for memory. It has a budget of bytes on
// disk: when that is used up, the oldest files are removed.
type spool struct {
	home home
	max  int64

	mu      sync.Mutex
	number  int // in the name of the newest file
	size    int64
	files   []*spoolFile          // oldest first
	byPath  map[string]*spoolFile // those same files
	trash   []string              // files to be removed from disk
	spent   []spent               // dropped files to be written over
	settled chan struct{}         // closed when trash has been emptied; nil while idle
	dropped uint64
	errors  uint64
	reason  string

	// holding counts the recordings that new bodies are for, see Journal.Hold.
	holding atomic.Int32
}

// spoolFile is one body on disk.
type spoolFile struct {
	path string
	// gone is set when the file leaves the spool. why, the reason, is set before.
	gone atomic.Bool
	why  string

	// These are guarded by spool.mu.
	refs int   // entries and writers that hold it
	size int64 // bytes reserved on disk
	open bool  // still being written
	held bool  // a recording needs it: the budget does not end it
}

// spoolName matches the names of spool files.
var spoolName = regexp.MustCompile(`^\d{6,}_[0-9a-f]{12}\.bin$`)

func newSpool(dir string, max int64) *spool {
	return &spool{home: home{root: dir}, max: max, byPath: map[string]*spoolFile{}}
}

// create makes an empty file for the body of url, and opens it for writing. A held file
// may exceed the budget.
func (s *spool) create(url string, held bool) (*spoolFile, *os.File, error) {
	sum := sha256.Sum256([]byte(url))
	name := hex.EncodeToString(sum[:6])
	made := false
	for {
		dir, err := s.home.path()
		if err != nil {
			return nil, nil, err
		}
		s.mu.Lock()
		s.number++
		path := filepath.Join(dir, fmt.Sprintf("%06d_%s.bin", s.number, name))
		s.mu.Unlock()
		f := s.reuse(path)
		if f == nil {
			f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		}
		switch {
		case err == nil:
			file := &spoolFile{path: path, refs: 1, open: true, held: held}
			s.mu.Lock()
			s.files = append(s.files, file)
			s.byPath[path] = file
			s.mu.Unlock()
			return file, f, nil
		case errors.Is(err, fs.ErrExist): // left by an earlier process
		case errors.Is(err, fs.ErrNotExist) && !made:
			made = true
			s.home.lost(dir) // somebody removed it
		default:
			return nil, nil, err
		}
	}
}

// reserve reserves need bytes for a file, or want bytes if so many are free, and returns
// how many. It removes the oldest files when need bytes are not free.
func (s *spool) reserve(file *spoolFile, need, want int64) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := need
	if s.size+want <= s.max {
		n = want
	}
	if !s.shrink(n) && !file.held {
		return 0, errNoRoom
	}
	file.size += n
	s.size += n
	return n, nil
}

// shrink drops the oldest files until n more bytes fit in the budget. It reports whether
// they fit. The lock is held.
func (s *spool) shrink(n int64) bool {
	for s.size+n > s.max {
		at := slices.IndexFunc(s.files, func(f *spoolFile) bool { return !f.open && !f.held })
		if at < 0 {
			return false
		}
		s.dropped++
		s.files[at].why = "the room on disk was needed for newer bodies (capture.max_spool_bytes)"
		s.retire(s.files[at])
	}
	return true
}

// unhold ends the hold of a recording on files, and drops the oldest files if the spool is
// over its budget. Other paths are ignored.
func (s *spool) unhold(paths ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, path := range paths {
		if f := s.byPath[path]; f != nil {
			f.held = false
		}
	}
	s.shrink(0)
}

// trim cuts a file after n bytes, because a reused file may be longer, and closes it.
func trim(f *os.File, n int64) error {
	fi, err := f.Stat()
	if err == nil && fi.Size() > n {
		err = f.Truncate(n)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// onDisk returns how much disk space a file of n bytes takes: whole blocks.
func onDisk(n int64) int64 { return (n + 4095) &^ 4095 }

// finish ends the writing of a file of n bytes.
func (s *spool) finish(file *spoolFile, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !file.gone.Load() {
		s.size += onDisk(n) - file.size
		file.size = onDisk(n)
	}
	file.open = false
}

// fail counts a body that could not be written.
func (s *spool) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errors++
	s.reason = err.Error()
}

// lookup returns the file of a path, nil when it is not in the spool.
func (s *spool) lookup(path string) *spoolFile {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byPath[path]
}

// release gives up a reference to each file, and removes the files without references. It
// ignores nil.
func (s *spool) release(files ...*spoolFile) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range files {
		if f == nil {
			continue
		}
		if f.refs--; f.refs <= 0 {
			s.remove(f)
		}
	}
}

// remove removes a file from the spool. A goroutine removes it from disk, because that
// takes time and the caller may serve a device. The lock is held.
func (s *spool) remove(f *spoolFile) {
	if f.gone.Swap(true) {
		return
	}
	s.size -= f.size
	delete(s.byPath, f.path)
	if at := slices.Index(s.files, f); at >= 0 {
		s.files = slices.Delete(s.files, at, at+1)
	}
	s.trash = append(s.trash, f.path)
	if s.settled == nil {
		s.settled = make(chan struct{})
		go s.sweep()
	}
}

// sweep removes the files in the trash from disk.
func (s *spool) sweep() {
	for {
		s.mu.Lock()
		trash := s.trash
		s.trash = nil
		if len(trash) == 0 {
			close(s.settled)
			s.settled = nil
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		for _, path := range trash {
			os.Remove(path)
		}
	}
}

// settle waits until the removed files are gone from disk.
func (s *spool) settle() {
	s.mu.Lock()
	done := s.settled
	s.mu.Unlock()
	if done != nil {
		<-done
	}
}

// clean removes all files, and those that ended processes left, but not those that are
// being written or recorded.
func (s *spool) clean() (n int, existed bool, err error) {
	s.purge()
	s.settle()
	if s.home.root == "" {
		return 0, false, nil
	}
	if _, err := os.Stat(s.home.root); errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	n, err = s.home.sweep()
	if dir := s.home.known(); dir != "" {
		own, oerr := s.cleanOwn(dir)
		n, err = n+own, errors.Join(err, oerr)
	}
	s.settle()
	return n, true, err
}

// cleanOwn is [spool.clean] for dir, the directory of this process.
func (s *spool) cleanOwn(dir string) (n int, err error) {
	list, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	err = nil
	for _, d := range list {
		if !d.Type().IsRegular() || !spoolName.MatchString(d.Name()) {
			continue
		}
		path := filepath.Join(dir, d.Name())
		s.mu.Lock()
		f := s.byPath[path]
		busy := f != nil && (f.open || f.held)
		if f != nil && !busy {
			f.why = cleaned
			s.remove(f)
		}
		s.mu.Unlock()
		if busy {
			continue
		}
		if f == nil {
			if rerr := os.Remove(path); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
				err = errors.Join(err, rerr)
				continue
			}
		}
		n++
	}
	return n, err
}

// cleaned is the reason why a body is gone that a client removed.
const cleaned = "it was removed from the exporter (clean_capture_spool)"

// cleanHeld removes the files that have no more references than holds counts, as
// [spool.clean] does. It returns how many it removed.
func (s *spool) cleanHeld(holds map[*spoolFile]int) (removed int) {
	s.mu.Lock()
	for f, n := range holds {
		if f.refs > n || f.open || f.held || f.gone.Load() {
			continue
		}
		f.why = cleaned
		s.remove(f)
		removed++
	}
	s.mu.Unlock()
	s.settle()
	return removed
}

func (s *spool) stats(to *Stats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	to.SpoolFiles, to.SpoolBytes, to.MaxSpool = len(s.files), s.size, s.max
	to.SpoolDropped, to.SpoolErrors, to.SpoolError = s.dropped, s.errors, s.reason
}
