package capture

import (
	"slices"
	"sort"
	"unsafe"
)

// slab holds packed entries with consecutive numbers, one after the other.
type slab struct {
	first uint64   // the number of the entry at index 0
	head  int      // how many of the oldest have been dropped
	buf   []byte   // packed entries
	ends  []uint32 // where each entry ends in buf
	kept  []kept   // bodies outside buf, by index
}

// kept has the bodies of an entry that are outside its packed bytes.
type kept struct {
	index     uint32
	req, resp held
	decoded   int64 // result of decodedSize for the response, 0 while not known
}

// held is such a body: bytes that are too many to pack, or a spool file.
type held struct {
	data []byte
	file *spoolFile
}

// keptSize is the size of a kept without the bodies, in bytes.
const keptSize = int64(unsafe.Sizeof(kept{}))

func newSlab(size int) *slab { return &slab{buf: make([]byte, 0, size)} }

// fits reports whether there is room for n more bytes.
func (s *slab) fits(n int) bool { return cap(s.buf)-len(s.buf) >= n }

// packed returns the bytes of the entry at index i.
func (s *slab) packed(i int) []byte {
	start := uint32(0)
	if i > 0 {
		start = s.ends[i-1]
	}
	return s.buf[start:s.ends[i]]
}

// find returns the kept of the entry at index i, nil when it has none.
func (s *slab) find(i int) *kept {
	at := sort.Search(len(s.kept), func(k int) bool { return s.kept[k].index >= uint32(i) })
	if at < len(s.kept) && s.kept[at].index == uint32(i) {
		return &s.kept[at]
	}
	return nil
}

// hold is [slab.find] that adds a kept when there is none.
func (s *slab) hold(i int) *kept {
	at := sort.Search(len(s.kept), func(k int) bool { return s.kept[k].index >= uint32(i) })
	if at == len(s.kept) || s.kept[at].index != uint32(i) {
		s.kept = slices.Insert(s.kept, at, kept{index: uint32(i)})
	}
	return &s.kept[at]
}
