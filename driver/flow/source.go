package flow

import (
	"fmt"
	"hash/maphash"
	"io"
	"os"
)

const (
	// window is how much of a file is read at once by who reads all of it, and so
	// the size up to which a record is taken in whole.
	window = 256 << 10
	// glance is how much is read at once where most of it will be passed over.
	glance = 8 << 10
	// onDisk is the size from which a body stays in its file.
	onDisk = 4 << 10
	// maxHeld bounds what a record may take of memory once it is decoded, which
	// leaves out the bodies that stay in their file.
	maxHeld = 256 << 20
)

// errTooMuch says that a record has more in it than can be held.
var errTooMuch = fmt.Errorf("more than %d MiB besides bodies", maxHeld>>20)

// source is the file that records are read from, through a window that slides over
// it.
type source struct {
	file *os.File
	size int64 // of the file, as far as known
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

// exact is peek of all n bytes.
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

// hold counts n bytes as kept in memory for the record at hand.
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

// string is bytes as a string. Short ones are shared with those that were seen
// lately: recordings say the same things over and over, and who keeps an index
// of one then keeps most words once.
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
