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

// Options set the bounds of a Journal. The zero value of a number stands for
// its default.
type Options struct {
	// MaxBytes is how much memory the entries may take, in bytes; the oldest
	// go when it is used up. Default 64 MiB.
	MaxBytes int64
	// SpoolDir is the directory for large and binary bodies. It is made when
	// it is first needed. Without one such bodies are not kept.
	SpoolDir string
	// MaxSpool is how much the spooled bodies may take on disk, in bytes; the
	// oldest go when it is used up. Default 1 GiB.
	MaxSpool int64
	// Inline is the size up to which text stays in memory, in bytes. Default 256 KiB.
	Inline int
}

// Journal is the memory of what went through the proxy. All its methods may be
// called at any time by any number of goroutines.
type Journal struct {
	id       string
	maxBytes int64
	inline   int
	unfold   int64 // bytes that an encoded body may become in an event
	slabSize int
	spool    *spool
	sockets  *Sockets // what WebSockets and streams of the entries say, nil for none

	mu      sync.Mutex
	slabs   []*slab // oldest first; the last one is being filled
	last    uint64  // number of the newest entry ever
	cleared uint64  // entries up to this number went because of Clear
	live    int64   // bytes of all entries
	shares  map[*byte]*share
	doomed  []*spoolFile // to be let go once the lock is free
	changed follow.Signal
	closed  bool

	dropped      uint64
	droppedBytes int64
	tally        Tally
}

// New makes an empty journal. It touches no file.
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
	}
	return j
}

// Add journals e and returns its number, which it also puts into e.Seq. The
// journal makes its own copy of everything but bodies over 1 KiB, whose bytes
// must not be changed any more. A spooled body becomes the journal's.
//
// Add wakes those who follow or wait; when there is nobody, it costs one short
// lock. A closed journal takes nothing and answers 0.
func (j *Journal) Add(e *Entry) uint64 {
	packed := pack(make([]byte, 0, 1<<10), e)
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
	if j.live > j.maxBytes { // all by itself: its bodies have to go
		j.strip(s, len(s.ends)-1)
	}
	doomed := j.doomed
	j.doomed = nil
	j.changed.Notify()
	j.mu.Unlock()

	e.Seq = seq
	if doomed != nil {
		j.spool.release(doomed...)
	}
	return seq
}

// endSize is what an entry costs in slab.ends.
const endSize = int64(unsafe.Sizeof(uint32(0)))

// hold says what a slab must hold for a body besides the packed bytes.
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

// room gives a slab with n bytes free. The lock is held.
func (j *Journal) room(n int) *slab {
	if k := len(j.slabs); k > 0 && j.slabs[k-1].fits(n) {
		return j.slabs[k-1]
	}
	s := newSlab(max(n, j.slabSize))
	s.first = j.last
	j.slabs = append(j.slabs, s)
	return s
}

// oldest is the number of the oldest entry, one past last when there is none.
func (j *Journal) oldest() uint64 {
	if len(j.slabs) == 0 {
		return j.last + 1
	}
	return j.slabs[0].first + uint64(j.slabs[0].head)
}

// dropOldest lets the oldest entry go. The lock is held and there is one.
func (j *Journal) dropOldest() {
	s := j.slabs[0]
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

// letGo gives up what k holds and returns how many bytes that frees.
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

// strip takes the bodies from the entry at index i of s.
func (j *Journal) strip(s *slab, i int) {
	if k := s.find(i); k != nil {
		n := j.unshare(k.req.data) + j.unshare(k.resp.data)
		k.req.data, k.resp.data = nil, nil
		j.live -= n
		j.droppedBytes += n
	}
}

// find gives the slab and index of an entry. The lock is held.
func (j *Journal) find(seq uint64) (*slab, int, bool) {
	if seq < j.oldest() || seq > j.last {
		return nil, 0, false
	}
	at := sort.Search(len(j.slabs), func(k int) bool { return j.slabs[k].first > seq }) - 1
	return j.slabs[at], int(seq - j.slabs[at].first), true
}

// Last is the number of the newest entry, 0 when there never was one.
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

// ID tells this journal from that of any other process: numbers of entries are
// to be compared within one journal only.
func (j *Journal) ID() string { return j.id }

// Clear forgets all entries, removes their spool files, and returns how many
// entries there were. The numbers go on from where they are.
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
	n := int(j.last + 1 - j.oldest())
	for _, s := range j.slabs {
		for i := range s.kept {
			j.letGo(&s.kept[i])
		}
	}
	j.slabs, j.live, j.cleared = nil, 0, j.last
	return n
}

// Sweep removes the spooled bodies of processes that were killed, and returns how
// many that were. The bodies of processes that are alive stay.
func (j *Journal) Sweep() (n int, err error) { return j.spool.home.sweep() }

// CleanSpool removes all spooled bodies from disk, those too that an earlier
// process left behind, and nothing that is not the journal's own. It returns
// how many files it removed and whether there is a spool directory at all.
// The entries and the bodies in memory stay.
func (j *Journal) CleanSpool() (n int, existed bool, err error) {
	defer j.notify()
	return j.spool.clean()
}

// CleanResponses is [Journal.CleanSpool] for the response bodies of entries, by
// their numbers. A body that another entry has, too, stays. It returns how many
// files it removed.
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

// Close ends what Follow and Wait are doing, forgets all entries and removes
// their spool files.
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
