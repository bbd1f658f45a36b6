package sandbox

import (
	"fmt"
	"math/bits"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"sync"
	"sync/atomic"
	"weak"

	"starproxy/builtins/call"
)

// memory ends runs when scripts hold more than a limit. The interpreter counts no
// bytes, so memory reads the size of the heap after each garbage collection. It
// begins a collection itself when the heap grows past the limit.
type memory struct {
	limit uint64

	mu      sync.Mutex
	runs    []weak.Pointer[Run]
	base    uint64 // bytes of the heap that do not belong to scripts
	live    uint64 // bytes of the heap after the last collection
	cycle   uint64 // the number of that collection
	ended   bool   // whether runs were ended after that collection
	recent  uint64 // bytes reserved since that collection
	earlier uint64 // bytes reserved between that collection and the one before

	stirred    atomic.Bool // whether a run joined or left since that collection
	freeing    atomic.Bool
	collecting sync.Mutex
	brink      atomic.Uint64 // the size of the heap at which a collection is due
	floor      atomic.Uint64 // base, to be read without mu
	window     atomic.Uint64 // steps that a thread may run without a look at the clock
}

func newMemory(limit uint64) *memory {
	m := &memory{limit: limit}
	m.live, m.cycle = liveHeap()
	m.base = m.live
	m.setBrink()
	m.setWindow(m.live)
	m.arm()
	return m
}

// sentinel is garbage from the start: its cleanup runs after the next collection.
// It has a pointer because the runtime packs small objects without pointers into
// blocks, and another object of its block would keep it alive.
type sentinel struct{ _ *sentinel }

// arm makes the next collection call look, and arm again.
func (m *memory) arm() {
	runtime.AddCleanup(new(sentinel), func(w weak.Pointer[memory]) {
		if m := w.Value(); m != nil {
			m.look()
			m.arm()
		}
	}, weak.Make(m))
}

// liveHeap returns how many bytes the last collection found in use, and the number
// of that collection.
func liveHeap() (live, cycle uint64) {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(s)
	return s[0].Value.Uint64(), s[1].Value.Uint64()
}

// heapNow returns how many bytes and objects the heap has, garbage included.
func heapNow() (bytes, objects uint64) {
	s := [2]metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/heap/objects:objects"}}
	metrics.Read(s[:])
	return s[0].Value.Uint64(), s[1].Value.Uint64()
}

// setBrink sets the size of the heap at which a collection is due. It is at least a
// quarter above the live part, so that a heap near the limit is not collected all
// the time. m.mu is held.
func (m *memory) setBrink() {
	m.brink.Store(max(m.base+m.limit, m.live/4*5))
	m.floor.Store(m.base)
}

// A window has the steps of one to three doublings of a value.
const (
	stepsPerDoubling = 4
	maxDoublings     = 3
)

// setWindow sets how many steps threads run until they read the clock again, for a
// heap of so many bytes. A sum is the only operation without a bound of its own. It
// at most doubles a value, and takes four steps with its operands. Every other
// operation makes at most a quarter of the limit. The nearer the heap is to the
// limit, the shorter is the window: no value grows past twice the limit in it.
func (m *memory) setWindow(bytes uint64) {
	held := max(bytes, m.floor.Load()) - m.floor.Load()
	doublings := min(max(bits.Len64(m.limit/max(held, 1)), 1), maxDoublings)
	m.window.Store(uint64(stepsPerDoubling * doublings))
}

// collect collects the garbage and calls look. Concurrent calls share one
// collection.
func (m *memory) collect() {
	_, seen := liveHeap()
	m.collecting.Lock()
	defer m.collecting.Unlock()
	if _, now := liveHeap(); now == seen {
		runtime.GC() // returns after the sweep
	}
	m.look()
}

// reserve claims bytes, or fails when scripts would hold more than the limit.
func (m *memory) reserve(bytes uint64) error {
	// A reservation counts until the second collection after it: only then it is
	// certain that the heap's size includes the bytes. So two may be needed.
	for range 2 {
		if m.claim(bytes) {
			return nil
		}
		m.collect()
	}
	if m.claim(bytes) {
		return nil
	}
	return fmt.Errorf("%w: %d bytes more would be too much: scripts may hold %d (scripts.max_memory)", call.ErrMemory, bytes, m.limit)
}

func (m *memory) claim(bytes uint64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.live-m.base+m.recent+m.earlier+bytes > m.limit {
		return false
	}
	m.recent += bytes
	return true
}

// join adds a run to those that look considers, until the run itself is garbage.
func (m *memory) join(w weak.Pointer[Run]) {
	m.stirred.Store(true)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.runs = append(m.runs, w)
}

// all returns the runs that have joined.
func (m *memory) all() []weak.Pointer[Run] {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.runs[:len(m.runs):len(m.runs)]
}

// suspect is a run that was computing, and its state at that time.
type suspect struct {
	r     *Run
	state uint64
}

// look ends runs if scripts hold more than the limit after a collection. It ends
// the runs that have been computing since the collection before; if there is none,
// all that compute. Runs that wait are not ended, though their memory counts: the
// next run that computes is ended instead.
func (m *memory) look() {
	m.mu.Lock()
	defer m.mu.Unlock()
	live, cycle := liveHeap()
	if cycle == m.cycle {
		return // look has already seen this collection
	}
	m.cycle = cycle
	m.earlier, m.recent = m.recent, 0
	long, all, quiet := m.suspects()
	// Growth while no script ran does not belong to scripts. Memory that they
	// leave behind, such as values in the state store, goes on to count as theirs.
	if quiet && live > m.live {
		m.base += live - m.live
	}
	m.base = min(m.base, live)
	m.live = live
	m.setBrink()
	if live-m.base <= m.limit {
		return
	}
	reason := fmt.Errorf("%w: scripts hold more than %d bytes (scripts.max_memory)", call.ErrMemory, m.limit)
	// The memory of a run that was ended may have been in use when this collection
	// began. Only the next collection shows whether ending it was enough.
	if len(long) == 0 && !m.ended {
		long = all
	}
	m.ended = false
	for _, s := range long {
		m.ended = s.r.end(s.state, reason) || m.ended
	}
}

// suspects returns the runs that have been computing since look saw them last, and
// all runs that compute. quiet reports that no script has run since then. m.mu is
// held.
func (m *memory) suspects() (long, all []suspect, quiet bool) {
	quiet = !m.stirred.Swap(false)
	m.runs = slices.Clone(m.runs) // callers of all may still read the old one
	kept := m.runs[:0]
	for _, w := range m.runs {
		r := w.Value()
		if r == nil {
			continue
		}
		kept = append(kept, w)
		s := r.state.Load()
		quiet = quiet && s == r.looked && s&doing == idling
		if s&doing == computing {
			all = append(all, suspect{r, s})
			if s == r.looked {
				long = append(long, suspect{r, s})
			}
		}
		r.looked = s
	}
	m.runs = kept
	return long, all, quiet
}

// free returns memory to the system after a run was ended.
func (m *memory) free() {
	m.stirred.Store(true)
	if m.freeing.CompareAndSwap(false, true) {
		go func() {
			m.freeing.Store(false)
			debug.FreeOSMemory()
		}()
	}
}
