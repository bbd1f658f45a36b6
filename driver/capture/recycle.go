package capture

import (
	"os"
	"slices"
)

// A full spool drops a body for each new one. A few of the dropped files are kept and
// written over, because removing a large file and making another one costs more
// than writing it.
//
// Gain: 30 % of the CPU time of a request with a body of 10 MiB. It should go when that
// is less than 5 %: see docs/decisions/recycled-spool-files.md.

// maxSpent is how many dropped files are kept to be written over.
const maxSpent = 4

// spent is a dropped file that may be written over.
type spent struct {
	path string
	size int64
}

// retire removes a file from the spool as [spool.remove] does, but keeps it on disk for
// reuse if it is not too large. The lock is held.
func (s *spool) retire(f *spoolFile) {
	size := f.size
	waiting := int64(0)
	for _, w := range s.spent {
		waiting += w.size
	}
	keep := canRecycle && len(s.spent) < maxSpent && waiting+size <= s.max/8 && !f.gone.Load()
	s.remove(f)
	if !keep {
		return
	}
	if at := slices.Index(s.trash, f.path); at >= 0 {
		s.trash = slices.Delete(s.trash, at, at+1)
		s.spent = append(s.spent, spent{f.path, size})
	}
}

// reuse renames a retired file to path and opens it. It returns nil when there is none
// that nobody else has open. The old bytes are still in the file.
func (s *spool) reuse(path string) *os.File {
	s.mu.Lock()
	if len(s.spent) == 0 {
		s.mu.Unlock()
		return nil
	}
	old := s.spent[0]
	s.spent = slices.Delete(s.spent, 0, 1)
	s.mu.Unlock()
	// Nobody else opens the file under its new name. alone finds out who has it open
	// already.
	if err := os.Rename(old.path, path); err != nil {
		os.Remove(old.path)
		return nil
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if err != nil {
		os.Remove(path)
		return nil
	}
	if !alone(f) {
		f.Close()
		os.Remove(path)
		return nil
	}
	return f
}

// purge removes the retired files.
func (s *spool) purge() {
	s.mu.Lock()
	list := s.spent
	s.spent = nil
	s.mu.Unlock()
	for _, w := range list {
		os.Remove(w.path)
	}
}
