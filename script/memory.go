package script

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"weak"

	"starproxy/builtins"
)

// What a runner does, the lower bits of its state; the rest counts the turns.
const (
	idling uint64 = iota
	computing
	waiting
	killed
	doing   = 3
	oneTurn = 4
)

// memory ends scripts that hold more than a limit. The interpreter counts no
// bytes, so the heap is looked at after each garbage collection: what grows
// quickly makes the next one come soon, and nothing is done in between.
type memory struct {
	limit uint64

	mu      sync.Mutex
	runners []weak.Pointer[runner]
	base    uint64      // of the heap, what is not the scripts'
	live    uint64      // after the last collection
	ended   bool        // scripts were ended then
	stirred atomic.Bool // a runner came or went since then
	freeing atomic.Bool
}

func newMemory(limit uint64) *memory {
	m := &memory{limit: limit}
	m.live = liveHeap()
	m.base = m.live
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
			m.look(liveHeap())
			m.arm()
		}
	}, weak.Make(m))
}

// liveHeap is what the last collection found in use, in bytes.
func liveHeap() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// join makes r one of those that are looked at, as long as somebody uses it.
func (m *memory) join(r *runner) {
	m.stirred.Store(true)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.runners = append(m.runners, weak.Make(r))
}

// look ends scripts if the heap has grown too far: those that have been
// computing since the last collection, or else all that compute. Those that
// wait are left alone: what they hold is counted, and the next one that wants
// more pays for it.
func (m *memory) look(live uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	quiet := !m.stirred.Swap(false)
	type suspect struct {
		r     *runner
		state uint64
	}
	var long, all []suspect
	kept := m.runners[:0]
	for _, w := range m.runners {
		r := w.Value()
		if r == nil {
			continue
		}
		kept = append(kept, w)
		s := r.state.Load()
		quiet = quiet && s == r.seen && s&doing == idling
		if s&doing == computing {
			all = append(all, suspect{r, s})
			if s == r.seen {
				long = append(long, suspect{r, s})
			}
		}
		r.seen = s
	}
	clear(m.runners[len(kept):])
	m.runners = kept
	// What grows while no script runs is not the scripts'; what they leave
	// behind, in the state store, say, stays theirs.
	if quiet && live > m.live {
		m.base += live - m.live
	}
	m.base = min(m.base, live)
	m.live = live
	if live-m.base <= m.limit {
		return
	}
	// What was just ended may still have been there when this collection began:
	// it takes another one to tell whether that was enough.
	if len(long) == 0 && !m.ended {
		long = all
	}
	m.ended = false
	for _, s := range long {
		if s.r.state.CompareAndSwap(s.state, s.state|killed) {
			s.r.thread.Cancel(builtins.ErrMemory.Error())
			m.ended = true
		}
	}
}

// free gives memory back after a script was ended.
func (m *memory) free() {
	m.stirred.Store(true)
	if m.freeing.CompareAndSwap(false, true) {
		go func() {
			m.freeing.Store(false)
			debug.FreeOSMemory()
		}()
	}
}

// begin marks the runner as computing.
func (r *runner) begin() {
	r.turn += oneTurn
	r.state.Store(r.turn | computing)
	r.start()
}

// finish marks it as idling, which is 0 beside the turn; false means that it was ended and is of no more use.
func (r *runner) finish() bool {
	if r.state.Swap(r.turn)&doing != killed {
		return true
	}
	r.host.memory.free()
	return false
}

// waits marks it as waiting.
func (r *runner) waits() { r.state.CompareAndSwap(r.turn|computing, r.turn|waiting) }

// waited marks it as computing again, with its full number of steps.
func (r *runner) waited() {
	if r.state.Load()&doing == waiting {
		r.turn += oneTurn
		r.state.Store(r.turn | computing)
	}
	r.renew()
}

// outOfMemory is the error of a runner that was ended for its memory, or nil.
func (r *runner) outOfMemory() error {
	if r.state.Load()&doing != killed {
		return nil
	}
	return fmt.Errorf("%w: scripts hold more than %d bytes (scripts.max_memory)", builtins.ErrMemory, r.host.memory.limit)
}
