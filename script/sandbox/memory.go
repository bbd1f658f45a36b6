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

// memory ends runs when scripts hold more than a limit. The interpreter counts
// no bytes, so the heap is looked at after each garbage collection, and one is
// begun when it grows past the limit in between.
type memory struct {
	limit uint64

	mu      sync.Mutex
	runs    []weak.Pointer[Run]
	base    uint64 // of the heap, what is not the scripts'
	live    uint64 // after the last collection
	cycle   uint64 // the number of that collection
	ended   bool   // runs were ended then
	recent  uint64 // bytes reserved since then
	earlier uint64 // and between the two before

	stirred    atomic.Bool // a run came or went since then
	freeing    atomic.Bool
	collecting sync.Mutex
	brink      atomic.Uint64 // the size of the heap at which a collection is due
	floor      atomic.Uint64 // base, for those that do not hold mu
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

// sentinel is garbage from the start. With a pointer it lies in no block that
// it shares with others, which would keep it.
type sentinel struct{ _ *sentinel }

// arm has the memory looked at after the next collection.
func (m *memory) arm() {
	runtime.AddCleanup(new(sentinel), func(w weak.Pointer[memory]) {
		if m := w.Value(); m != nil {
			m.look()
			m.arm()
		}
	}, weak.Make(m))
}

// liveHeap is what the last collection found in use, in bytes, and its number.
func liveHeap() (live, cycle uint64) {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(s)
	return s[0].Value.Uint64(), s[1].Value.Uint64()
}

// heapNow is how many bytes and objects the heap has, with the garbage in it.
func heapNow() (bytes, objects uint64) {
	s := [2]metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/heap/objects:objects"}}
	metrics.Read(s[:])
	return s[0].Value.Uint64(), s[1].Value.Uint64()
}

// setBrink says from which size on the heap is collected; m.mu is held. One
// whose live part is near the limit is not collected all the time.
func (m *memory) setBrink() {
	m.brink.Store(max(m.base+m.limit, m.live/4*5))
	m.floor.Store(m.base)
}

// The length of a window, in steps, is that of one to three doublings.
const (
	stepsPerDoubling = 4
	maxDoublings     = 3
)

// setWindow sets how many steps threads run until they look at the clock again,
// for a heap of so many bytes. The only operation without a bound of its own is
// the sum. It at most doubles what a script holds, and takes four steps with its
// operands; any other makes a quarter of the limit at most. So what a script makes
// in a window passes the limit no further than by one doubling.
func (m *memory) setWindow(bytes uint64) {
	held := max(bytes, m.floor.Load()) - m.floor.Load()
	doublings := min(max(bits.Len64(m.limit/max(held, 1)), 1), maxDoublings)
	m.window.Store(uint64(stepsPerDoubling * doublings))
}

// collect collects the garbage and looks what is left. Of several that ask for
// it at the same time, one does.
func (m *memory) collect() {
	_, seen := liveHeap()
	m.collecting.Lock()
	defer m.collecting.Unlock()
	if _, now := liveHeap(); now == seen {
		runtime.GC() // it sweeps, too
	}
	m.look()
}

// reserve claims bytes of what is left.
func (m *memory) reserve(bytes uint64) error {
	// What was reserved before a collection counts until the one after the
	// next: only then it is certain to be counted in the heap.
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

// join makes a run one of those that are looked at, as long as it is there.
func (m *memory) join(w weak.Pointer[Run]) {
	m.stirred.Store(true)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.runs = append(m.runs, w)
}

// all are the runs.
func (m *memory) all() []weak.Pointer[Run] {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.runs[:len(m.runs):len(m.runs)]
}

// suspect is a run that computes, with the state in which it was seen.
type suspect struct {
	r     *Run
	state uint64
}

// look ends runs if the heap has grown too far: those that have been computing
// since the last collection, or else all that compute. Those that wait are left
// alone: what they hold is counted, and the next one that wants more pays for
// it.
func (m *memory) look() {
	m.mu.Lock()
	defer m.mu.Unlock()
	live, cycle := liveHeap()
	if cycle == m.cycle {
		return // after each collection once
	}
	m.cycle = cycle
	m.earlier, m.recent = m.recent, 0
	long, all, quiet := m.suspects()
	// What grows while no script runs is not the scripts'; what they leave
	// behind, in the state store, say, stays theirs.
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
	// What was just ended may still have been there when this collection began:
	// it takes another one to tell whether that was enough.
	if len(long) == 0 && !m.ended {
		long = all
	}
	m.ended = false
	for _, s := range long {
		m.ended = s.r.end(s.state, reason) || m.ended
	}
}

// suspects are the runs that have computed since they were looked at last, and
// all that compute. It tells whether nothing else happened. m.mu is held.
func (m *memory) suspects() (long, all []suspect, quiet bool) {
	quiet = !m.stirred.Swap(false)
	m.runs = slices.Clone(m.runs) // others may be going through the old one
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

// free gives memory back after a run was ended.
func (m *memory) free() {
	m.stirred.Store(true)
	if m.freeing.CompareAndSwap(false, true) {
		go func() {
			m.freeing.Store(false)
			debug.FreeOSMemory()
		}()
	}
}
