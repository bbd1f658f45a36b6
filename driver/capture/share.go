package capture

import "unsafe"

// share counts the entries that hold the same bytes: a static mock's body is
// paid for once, however often it was served.
type share struct {
	n    int
	size int64
}

// shareSize is what a share costs beside its bytes, the map's room included.
const shareSize = int64(unsafe.Sizeof(share{})) + 32

// share counts one more entry that holds data and returns what that adds to
// the bytes in use.
func (j *Journal) share(data []byte) int64 {
	if data == nil {
		return 0
	}
	p := unsafe.SliceData(data)
	if s := j.shares[p]; s != nil {
		s.n++
		return 0
	}
	s := &share{n: 1, size: int64(cap(data)) + shareSize}
	j.shares[p] = s
	return s.size
}

// unshare is the reverse of share.
func (j *Journal) unshare(data []byte) int64 {
	if data == nil {
		return 0
	}
	p := unsafe.SliceData(data)
	s := j.shares[p]
	if s.n--; s.n > 0 {
		return 0
	}
	delete(j.shares, p)
	return s.size
}
