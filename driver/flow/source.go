package flow

import (
	"errors"
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

// source is where records are read from: a window that slides over a file, in
// which it can go back and skip, or over a stream, of which the record at hand
// is there whole.
type source struct {
	file *os.File
	size int64 // of the file, as far as known
	path string
	r    io.Reader // without a file

	buf   []byte // what is read
	start int64  // where buf begins
	pin   int64  // where the record at hand begins: a stream keeps all from there
	lend  bool   // whether bodies of the record at hand may stay in buf
	lent  bool   // whether any did, so that buf must not be written over
	ahead int    // how much to read at once
	err   error  // of reading, which came after buf

	held  int64
	seed  maphash.Seed
	names [1024]string
}

func newSource(f *os.File, path string) *source {
	return &source{file: f, path: path, ahead: window, seed: maphash.MakeSeed()}
}

// peek gives up to n bytes at off, fewer only where the end is, or an error.
// They are valid until the next call.
func (s *source) peek(off int64, n int) ([]byte, error) {
	if i := off - s.start; i >= 0 && i+int64(n) <= int64(len(s.buf)) {
		return s.buf[i : i+int64(n)], nil
	}
	if s.file != nil {
		return s.slide(off, n)
	}
	return s.pull(off, n)
}

// slide moves the window of a file to off.
func (s *source) slide(off int64, n int) ([]byte, error) {
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

// pull reads a stream on until it has n bytes at off. The buffer grows with
// what really comes, not with what is announced.
func (s *source) pull(off int64, n int) ([]byte, error) {
	i := int(off - s.start)
	if i < 0 {
		return nil, errors.New("cannot go back in a stream")
	}
	for idle := 0; s.err == nil && len(s.buf) < i+n; {
		if len(s.buf) == cap(s.buf) {
			s.grow(i + n)
			i = int(off - s.start)
		}
		m, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf, s.err = s.buf[:len(s.buf)+m], err
		if idle++; m > 0 {
			idle = 0
		} else if idle == 100 && err == nil {
			s.err = io.ErrNoProgress
		}
	}
	if s.err != nil && s.err != io.EOF && len(s.buf) < i+n {
		return nil, s.err
	}
	return s.buf[min(i, len(s.buf)):min(i+n, len(s.buf))], nil
}

// grow makes room in the buffer of a stream, of which want bytes are wanted,
// and lets go of what is before the record at hand.
func (s *source) grow(want int) {
	gone := int(min(s.pin-s.start, int64(len(s.buf))))
	kept := s.buf[gone:]
	if size := max(glance, min(2*cap(s.buf), window), min(want-gone, 2*len(kept))); s.lent || size > cap(s.buf) || cap(s.buf) > 4*size {
		s.buf = append(make([]byte, 0, size+64), kept...)
		s.lent = false
	} else {
		s.buf = s.buf[:copy(s.buf, kept)]
	}
	s.start += int64(gone)
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

// bytes gives a section for good.
func (s *source) bytes(off, n int64) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	i := off - s.start
	there := i >= 0 && i+n <= int64(len(s.buf))
	if there && s.lend && n >= onDisk {
		s.lent = true
		return s.buf[i : i+n : i+n], nil
	}
	if err := s.hold(n); err != nil {
		return nil, err
	}
	if there {
		return append(make([]byte, 0, n), s.buf[i:i+n]...), nil
	}
	if s.file == nil { // then the record is in the buffer, whole
		return nil, io.ErrUnexpectedEOF
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

// reaches tells whether the source has a byte before end, for a file without
// reading up to there.
func (s *source) reaches(end int64) (bool, error) {
	if s.file == nil {
		b, err := s.peek(s.pin, int(end-s.pin))
		return int64(len(b)) == end-s.pin, err
	}
	if end > s.size { // it may have grown
		info, err := s.file.Stat()
		if err != nil {
			return false, err
		}
		s.size = info.Size()
	}
	return end <= s.size, nil
}
