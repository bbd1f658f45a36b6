package capture

import (
	"crypto/rand"
	"iter"
	"sort"
	"sync"
	"unsafe"

	"starproxy/builtins/follow"
)

// The defaults of Options.
const (
	DefaultMaxBytes = 64 << 20
	DefaultMaxSpool = 1 << 30
	DefaultInline   = 256 << 10
)

// Options set the limits of a Journal. A number of 0 means its default.
type Options struct {
	// MaxBytes is how much memory the entries may take, in bytes. When it is used up,
	// the oldest entries are dropped. Default 64 MiB.
	MaxBytes int64
	// SpoolDir is the directory for large bodies. It is made at the first use. Without
	// one, such bodies are not kept.
	SpoolDir string
	// MaxSpool is how much the spooled bodies may take on disk, in bytes. When it is
	// used up, the oldest are removed. Default 1 GiB.
	MaxSpool int64
	// Inline is the largest text that stays in memory, in bytes. Default 256 KiB.
	Inline int
}

// Journal keeps what went through the proxy. It may be used by any number of goroutines.
type Journal struct {
	id       string
	maxBytes int64
	inline   int
	unfold   int64 // largest decoded size of a body that an event names, in bytes
	slabSize int
	spool    *spool
	sockets  *Sockets // messages of WebSockets and pieces of streams, nil for none
	flights  Flights

	// scratch has buffers to pack entries in, *[]byte. A buffer on the stack makes the
	// stack of each stream of HTTP/2 grow, because each stream has a goroutine of its own.
	//
	// Gain: 5 % of the CPU time of a mocked request over HTTP/2. It should go when
	// "make bench" shows less for that row.
	scratch sync.Pool

	mu      sync.Mutex
	slabs   []*slab             // oldest first, the last one is being filled
	last    uint64              // number of the newest entry
	cleared uint64              // number of the last entry that Clear removed
	live    int64               // bytes of all entries
	hidden  map[uint64]struct{} // numbers of entries that Delete removed
	shares  map[*byte]*share
	doomed  []*spoolFile // to be released after the lock
	changed follow.Signal
	closed  bool

	dropped      uint64
	droppedBytes int64
	tally        Tally
}

// New returns an empty journal. It does not touch any file.
func New(o Options) *Journal {
	if o.MaxBytes <= 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.MaxSpool <= 0 {
		o.MaxSpool = DefaultMaxSpool
	}
	if o.Inline <= 0 {
		o.Inline = DefaultInline
	}
	j := &Journal{
		id:       rand.Text(),
		maxBytes: o.MaxBytes,
		inline:   o.Inline,
		unfold:   maxDecoded,
		slabSize: int(min(max(o.MaxBytes/64, 16<<10), 512<<10)),
		spool:    newSpool(o.SpoolDir, o.MaxSpool),
		shares:   map[*byte]*share{},
		scratch:  sync.Pool{New: func() any { b := make([]byte, 0, 2<<10); return &b }},
	}
	return j
}

// Add adds a copy of e and returns its number, which it also puts into e.Seq. Bodies over
// 1 KiB are not copied: their bytes must not change any more. The journal takes over a
// spooled body.
//
// Add wakes the readers that follow or wait. A closed journal ignores e and returns 0.
func (j *Journal) Add(e *Entry) uint64 {
	scratch := j.scratch.Get().(*[]byte)
	packed := pack((*scratch)[:0], e)
	req, resp := j.hold(&e.RequestBody), j.hold(&e.ResponseBody)

	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		j.spool.release(req.file, resp.file)
		return 0
	}
	j.last++
	j.tally.count(e)
	seq := j.last
	s := j.room(len(packed))
	s.buf = append(s.buf, packed...)
	s.ends = append(s.ends, uint32(len(s.buf)))
	j.live += int64(len(packed)) + endSize
	if !req.empty() || !resp.empty() {
		k := s.hold(len(s.ends) - 1)
		k.req, k.resp = req, resp
		j.live += keptSize + j.share(req.data) + j.share(resp.data)
	}
	for j.live > j.maxBytes && j.oldest() < seq {
		j.dropOldest()
	}
	if j.live > j.maxBytes { // e alone is too large
		j.strip(s, len(s.ends)-1)
	}
	doomed := j.doomed
	j.doomed = nil
	j.changed.Notify()
	j.mu.Unlock()

	e.Seq = seq
	if cap(packed) <= maxScratch {
		*scratch = packed
		j.scratch.Put(scratch)
	}
	if doomed != nil {
		j.spool.release(doomed...)
	}
	return seq
}

// maxScratch is the size of the largest buffer in Journal.scratch, in bytes.
const maxScratch = 64 << 10

// endSize is the size of an entry in slab.ends, in bytes.
const endSize = int64(unsafe.Sizeof(uint32(0)))

// hold returns what a slab must hold for a body besides the packed bytes.
func (j *Journal) hold(b *Blob) held {
	var h held
	if len(b.Data) > maxPacked {
		h.data = b.Data
	}
	if b.Spooled {
		h.file = j.spool.lookup(b.Path)
	}
	return h
}

func (h held) empty() bool { return h.data == nil && h.file == nil }

// room returns a slab with n free bytes. The lock is held.
func (j *Journal) room(n int) *slab {
	if k := len(j.slabs); k > 0 && j.slabs[k-1].fits(n) {
		return j.slabs[k-1]
	}
	s := newSlab(max(n, j.slabSize))
	s.first = j.last
	j.slabs = append(j.slabs, s)
	return s
}

// oldest returns the number of the oldest entry, last+1 when there is none. The lock is
// held.
func (j *Journal) oldest() uint64 {
	if len(j.slabs) == 0 {
		return j.last + 1
	}
	return j.slabs[0].first + uint64(j.slabs[0].head)
}

// dropOldest drops the oldest entry, which must exist. The lock is held.
func (j *Journal) dropOldest() {
	s := j.slabs[0]
	delete(j.hidden, s.first+uint64(s.head))
	n := int64(len(s.packed(s.head))) + endSize
	if len(s.kept) > 0 && s.kept[0].index == uint32(s.head) {
		n += keptSize + j.letGo(&s.kept[0])
		s.kept[0] = kept{}
		s.kept = s.kept[1:]
	}
	s.head++
	j.live -= n
	j.dropped++
	j.droppedBytes += n
	if s.head == len(s.ends) {
		copy(j.slabs, j.slabs[1:])
		j.slabs[len(j.slabs)-1] = nil
		j.slabs = j.slabs[:len(j.slabs)-1]
	}
}

// letGo releases what k holds and returns how many bytes that frees. The lock is held.
func (j *Journal) letGo(k *kept) int64 {
	n := j.unshare(k.req.data) + j.unshare(k.resp.data)
	for _, f := range [...]*spoolFile{k.req.file, k.resp.file} {
		if f != nil {
			j.doomed = append(j.doomed, f)
		}
	}
	k.req, k.resp = held{}, held{}
	return n
}

// strip removes the bodies of the entry at index i of s. The lock is held.
func (j *Journal) strip(s *slab, i int) {
	if k := s.find(i); k != nil {
		n := j.unshare(k.req.data) + j.unshare(k.resp.data)
		k.req.data, k.resp.data = nil, nil
		j.live -= n
		j.droppedBytes += n
	}
}

// find returns the slab of an entry and its index there. The lock is held.
func (j *Journal) find(seq uint64) (*slab, int, bool) {
	if seq < j.oldest() || seq > j.last {
		return nil, 0, false
	}
	at := sort.Search(len(j.slabs), func(k int) bool { return j.slabs[k].first > seq }) - 1
	return j.slabs[at], int(seq - j.slabs[at].first), true
}

// Last returns the number of the newest entry, 0 when there never was one.
func (j *Journal) Last() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

// Changed returns a channel that is closed when [Journal.Stats] change next. A body
// that is still being received changes them without that.
func (j *Journal) Changed() <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.changed.Changed()
}

func (j *Journal) notify() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.changed.Notify()
}

// ID returns an identifier that no other journal has. Numbers of entries can be compared
// within one journal only.
func (j *Journal) ID() string { return j.id }

// Clear removes all entries and their spool files, and returns how many entries there
// were. The numbering continues.
func (j *Journal) Clear() int {
	j.mu.Lock()
	n := j.clear()
	doomed := j.doomed
	j.doomed = nil
	j.mu.Unlock()
	j.spool.release(doomed...)
	j.spool.purge()
	j.spool.settle()
	j.notify()
	return n
}

func (j *Journal) clear() int {
	n := int(j.last+1-j.oldest()) - len(j.hidden)
	for _, s := range j.slabs {
		for i := range s.kept {
			j.letGo(&s.kept[i])
		}
	}
	j.slabs, j.live, j.cleared, j.hidden = nil, 0, j.last, nil
	return n
}

// Sweep removes the spooled bodies of processes that were killed, and returns how many.
// The bodies of running processes stay.
func (j *Journal) Sweep() (n int, err error) { return j.spool.home.sweep() }

// CleanSpool removes all spooled bodies from disk, and those that earlier processes left
// there. It removes no other files. It returns how many files it removed, and whether
// there is a spool directory.
// The entries and the bodies in memory stay.
func (j *Journal) CleanSpool() (n int, existed bool, err error) {
	defer j.notify()
	return j.spool.clean()
}

// CleanResponses removes the spooled response bodies of the entries with the given
// numbers, and returns how many files it removed. A body that another entry has, too,
// stays.
func (j *Journal) CleanResponses(seqs iter.Seq[uint64]) int {
	holds := map[*spoolFile]int{}
	j.mu.Lock()
	for seq := range seqs {
		if k := j.keptOf(seq); k != nil && k.resp.file != nil {
			holds[k.resp.file]++
		}
	}
	j.mu.Unlock()
	defer j.notify()
	return j.spool.cleanHeld(holds)
}

// Close ends all calls of Follow and Wait, and removes all entries and their spool files.
func (j *Journal) Close() {
	j.mu.Lock()
	j.closed = true
	j.clear()
	doomed := j.doomed
	j.doomed = nil
	j.changed.Notify()
	j.mu.Unlock()
	j.spool.release(doomed...)
	j.spool.purge()
	j.spool.settle()
	j.spool.home.close()
}
