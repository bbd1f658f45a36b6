package flow

import (
	"encoding/binary"
	"io"
	"iter"
)

// extents are sections of a file in their order. They are packed, because a recording may
// have millions of them.
type extents struct {
	packed []byte // for each section the gap before it and its length
	end    int64  // of the last one
	size   int64  // of all
}

// add appends the section of n bytes at off, which is not before the end of the
// last one.
func (x *extents) add(off, n int64) {
	x.packed = binary.AppendUvarint(x.packed, uint64(off-x.end))
	x.packed = binary.AppendUvarint(x.packed, uint64(n))
	x.end = off + n
	x.size += n
}

// all returns the sections.
func (x *extents) all() iter.Seq2[int64, int64] {
	return func(yield func(off, n int64) bool) {
		end := int64(0)
		for at := 0; at < len(x.packed); {
			gap, k := binary.Uvarint(x.packed[at:])
			n, m := binary.Uvarint(x.packed[at+k:])
			at += k + m
			if !yield(end+int64(gap), int64(n)) {
				return
			}
			end += int64(gap) + int64(n)
		}
	}
}

// gaps returns what is between the sections of a file with size bytes.
func (x *extents) gaps(size int64) iter.Seq2[int64, int64] {
	return func(yield func(off, n int64) bool) {
		end := int64(0)
		for off, n := range x.all() {
			if off > end && !yield(end, off-end) {
				return
			}
			end = off + n
		}
		if size > end {
			yield(end, size-end)
		}
	}
}

// reader reads all sections of file, one after the other.
func (x *extents) reader(file io.ReaderAt) io.ReadCloser {
	next, stop := iter.Pull2(x.all())
	return &extentReader{file: file, next: next, stop: stop, part: io.NewSectionReader(file, 0, 0)}
}

type extentReader struct {
	file io.ReaderAt
	next func() (int64, int64, bool)
	stop func()
	part *io.SectionReader
}

func (r *extentReader) Read(p []byte) (int, error) {
	for {
		n, err := r.part.Read(p)
		if n > 0 || err != io.EOF {
			return n, nil
		}
		off, size, ok := r.next()
		if !ok {
			return 0, io.EOF
		}
		r.part = io.NewSectionReader(r.file, off, size)
	}
}

func (r *extentReader) Close() error {
	r.stop()
	return nil
}
