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

// errNoRoom says that a body does not fit the spool, whatever else is removed.
var errNoRoom = errors.New("no room in the spool")

// spool is the directory of bodies that are too large or too binary for
// memory. It keeps them within a budget of bytes on disk: the oldest go first.
type spool struct {
	home home
	max  int64

	mu      sync.Mutex
	number  int // of the last file name
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
	// gone is set when the file leaves the spool, after why.
	gone atomic.Bool
	why  string

	// These are guarded by spool.mu.
	refs int   // entries and writers that hold it
	size int64 // bytes reserved on disk
	open bool  // still being written
	held bool  // a recording needs it: the budget does not end it
}

// spoolName is what the journal's own files look like.
var spoolName = regexp.MustCompile(`^\d{6,}_[0-9a-f]{12}\.bin$`)

func newSpool(dir string, max int64) *spool {
	return &spool{home: home{root: dir}, max: max, byPath: map[string]*spoolFile{}}
}

// create makes an empty file for the body of url, for the caller to write. A
// held one may exceed the budget.
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

// reserve lets a file grow by need bytes, at the cost of the oldest others, or
// by want if there is that much to spare. It returns by how much.
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

// shrink drops the oldest files until n more bytes fit the budget. It reports
// whether they do. The lock is held.
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

// unhold ends the hold of a recording on files (those of no path in the spool
// are ignored), and goes back to the budget.
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

// trim ends a file after n bytes, in case it is an old one, and closes it.
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

// onDisk is what a file of n bytes takes: whole blocks.
func onDisk(n int64) int64 { return (n + 4095) &^ 4095 }

// finish ends the writing of a file that has n bytes now.
func (s *spool) finish(file *spoolFile, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !file.gone.Load() {
		s.size += onDisk(n) - file.size
		file.size = onDisk(n)
	}
	file.open = false
}

// fail notes that a body could not be written.
func (s *spool) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errors++
	s.reason = err.Error()
}

// lookup gives the file of a path, nil when it is not in the spool.
func (s *spool) lookup(path string) *spoolFile {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byPath[path]
}

// release ends a hold on files (nil ones are ignored); who is last removes them.
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

// remove takes a file out of the spool. The disk is tidied in the background:
// removing a large file takes time, and the one who is here serves a device.
// The lock is held.
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

// sweep empties the trash and ends.
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

// settle waits until what was removed is gone from disk.
func (s *spool) settle() {
	s.mu.Lock()
	done := s.settled
	s.mu.Unlock()
	if done != nil {
		<-done
	}
}

// clean removes all files but those that are being written or recorded, and what
// processes that have ended left behind.
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

// cleanOwn is clean in the directory dir, which is ours.
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

// cleaned says why a body is gone that a client had removed.
const cleaned = "it was removed from the exporter (clean_capture_spool)"

// cleanHeld removes the files that nobody holds but those who are counted here,
// as [spool.clean] does. It returns how many that were.
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
