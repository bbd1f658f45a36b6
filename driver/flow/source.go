package flow

import (
	"fmt"
	"hash/maphash"
	"io"
	"os"
)

const (
	// window is how much of a file is read at once when all of it is read, in bytes. Up to
	// this size, a record is read whole.
	window = 256 << 10
	// glance is how much is read at once when most of it is skipped, in bytes.
	glance = 8 << 10
	// onDisk is the smallest body that stays in the file, in bytes.
	onDisk = 4 << 10
	// maxHeld is how much memory a decoded record may take, in bytes, without the bodies
	// that stay in the file.
	maxHeld = 256 << 20
)

// errTooMuch says that a record would take more than maxHeld.
var errTooMuch = fmt.Errorf("more than %d MiB besides bodies", maxHeld>>20)

// source is the file that records are read from, through a window that slides over
// it.
type source struct {
	file *os.File
	size int64 // of the file when it was checked last
	path string

	buf   []byte // the window
	start int64  // where the window begins in the file
	ahead int    // how much to read at once

	held  int64
	seed  maphash.Seed
	names [1024]string
}

func newSource(f *os.File, path string) *source {
	return &source{file: f, path: path, ahead: window, seed: maphash.MakeSeed()}
}

// peek returns n bytes at off, fewer only at the end of the file. They are valid
// until the next call.
func (s *source) peek(off int64, n int) ([]byte, error) {
	if i := off - s.start; i >= 0 && i+int64(n) <= int64(len(s.buf)) {
		return s.buf[i : i+int64(n)], nil
	}
	size := max(n, s.ahead)
	if cap(s.buf) < size {
		s.buf = make([]byte, size)
	}
	m, err := s.file.ReadAt(s.buf[:size], off)
	s.buf, s.start = s.buf[:m], off
	if err != nil && err != io.EOF {
		return nil, err
	}
	return s.buf[:min(n, m)], nil
}

// exact is [source.peek] that fails when there are fewer than n bytes.
func (s *source) exact(off int64, n int) ([]byte, error) {
	if i := off - s.start; i >= 0 && i+int64(n) <= int64(len(s.buf)) {
		return s.buf[i : i+int64(n)], nil
	}
	return s.fetch(off, n)
}

func (s *source) fetch(off int64, n int) ([]byte, error) {
	b, err := s.peek(off, n)
	if err == nil && len(b) < n {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}

// hold counts n bytes of memory of the current record.
func (s *source) hold(n int64) error {
	if s.held += n; s.held > maxHeld {
		return errTooMuch
	}
	return nil
}

// bytes returns a copy of a section.
func (s *source) bytes(off, n int64) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	i := off - s.start
	if err := s.hold(n); err != nil {
		return nil, err
	}
	if i >= 0 && i+n <= int64(len(s.buf)) {
		return append(make([]byte, 0, n), s.buf[i:i+n]...), nil
	}
	data := make([]byte, n)
	if _, err := s.file.ReadAt(data, off); err != nil {
		return nil, fmt.Errorf("read %d bytes: %w", n, err)
	}
	return data, nil
}

// string returns a section as a string. Short strings that were read before are shared,
// because recordings repeat most of their words. So an index of a recording keeps each
// word once.
func (s *source) string(off, n int64) (string, error) {
	if n == 0 {
		return "", nil
	}
	if n > 64 {
		if i := off - s.start; n <= window && i >= 0 && i+n <= int64(len(s.buf)) {
			return string(s.buf[i : i+n]), s.hold(n)
		}
		data, err := s.bytes(off, n)
		return string(data), err
	}
	b, err := s.exact(off, int(n))
	if err != nil {
		return "", err
	}
	if err := s.hold(n); err != nil {
		return "", err
	}
	slot := &s.names[maphash.Bytes(s.seed, b)%uint64(len(s.names))]
	if *slot != string(b) {
		*slot = string(b)
	}
	return *slot, nil
}

// reaches reports whether the file has all bytes before end.
func (s *source) reaches(end int64) (bool, error) {
	if end > s.size { // it may have grown
		info, err := s.file.Stat()
		if err != nil {
			return false, err
		}
		s.size = info.Size()
	}
	return end <= s.size, nil
}
