package capture

import (
	"slices"
	"sort"
	"unsafe"
)

// A slab holds packed entries with consecutive numbers, one behind the other.
type slab struct {
	first uint64   // the number of the entry at index 0
	head  int      // how many of them have been dropped, oldest first
	buf   []byte   // packed entries
	ends  []uint32 // where each of them ends in buf
	kept  []kept   // what some of them hold besides, by index
}

// kept is what an entry holds outside its packed bytes.
type kept struct {
	index     uint32
	req, resp held
	decoded   int64 // result of decodedSize for the response, 0 while not known
}

// held is the body of an entry: bytes too large to pack, or a spool file.
type held struct {
	data []byte
	file *spoolFile
}

// keptSize is what one kept costs beside the bodies.
const keptSize = int64(unsafe.Sizeof(kept{}))

func newSlab(size int) *slab { return &slab{buf: make([]byte, 0, size)} }

// fits tells whether n more bytes have room.
func (s *slab) fits(n int) bool { return cap(s.buf)-len(s.buf) >= n }

// packed gives the bytes of the entry at index i.
func (s *slab) packed(i int) []byte {
	start := uint32(0)
	if i > 0 {
		start = s.ends[i-1]
	}
	return s.buf[start:s.ends[i]]
}

// find gives what the entry at index i holds, nil for nothing.
func (s *slab) find(i int) *kept {
	at := sort.Search(len(s.kept), func(k int) bool { return s.kept[k].index >= uint32(i) })
	if at < len(s.kept) && s.kept[at].index == uint32(i) {
		return &s.kept[at]
	}
	return nil
}

// hold is find that adds what is missing.
func (s *slab) hold(i int) *kept {
	at := sort.Search(len(s.kept), func(k int) bool { return s.kept[k].index >= uint32(i) })
	if at == len(s.kept) || s.kept[at].index != uint32(i) {
		s.kept = slices.Insert(s.kept, at, kept{index: uint32(i)})
	}
	return &s.kept[at]
}
