// Package sandbox bounds the steps, the time, the memory and the processors that
// scripts use. It protects from mistakes, not from attacks. A single operation of
// the interpreter cannot be ended; docs/decisions/sandbox.md tells how it is bounded.
//
// A Sandbox may be used by any number of goroutines, a Run by one.
//
// script has one Sandbox per host and one Run per thread.
package sandbox

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"starproxy/builtins/call"

	"go.starlark.net/starlark"
)

// Limits are the bounds of a Sandbox.
type Limits struct {
	// Steps is how many steps of the interpreter one run may take between two
	// waits.
	Steps uint64
	// Memory is how many bytes all runs together may hold.
	Memory uint64
}

// Sandbox holds the bounds of all runs of a host.
type Sandbox struct {
	steps  uint64
	log    *slog.Logger
	memory *memory
	slots  slots
	aside  chan struct{} // has an element for each function that runs aside

	watching atomic.Bool
}

// maxAside is how many functions may run aside at the same time. A function whose
// run has ended counts until it returns.
const maxAside = 2

// New makes a sandbox. It writes a warning to log for each run that does not stop
// within a second after it was ended.
func New(l Limits, log *slog.Logger) *Sandbox {
	return &Sandbox{
		steps:  l.Steps,
		log:    log,
		memory: newMemory(l.Memory),
		slots:  slots{most: int64(max(4, 2*runtime.GOMAXPROCS(0)))},
		aside:  make(chan struct{}, maxAside),
	}
}

// The lower two bits of a run's state say what it does. The rest of the state is the
// number of its turn, that is, of the times that it began to compute.
const (
	idling uint64 = iota
	computing
	waiting
	killed
	doing   = 3
	oneTurn = 4
)

// A thread checks its bounds after stride steps or after the time glimpse,
// whichever comes first. It reads the clock after each window of steps; see
// [memory.setWindow].
const (
	stride  = 20_000
	glimpse = 500 * time.Microsecond
)

// maxObjects is by how many objects the heap may grow while a run takes more than
// deepSteps. It bounds how deep tuples can be nested, at two objects for each level:
// to hash a tuple that is nested 6 million levels deep exhausts the stack, which
// ends the process, and the interpreter hashes without asking.
const (
	maxObjects = 3_000_000
	deepSteps  = 1_000_000
)

// Run holds the bounds of one thread. It serves one call after another.
type Run struct {
	box    *Sandbox
	thread *starlark.Thread
	limit  uint64    // thread.Steps at which the call ends
	window uint64    // steps from one reading of the clock to the next
	due    uint64    // thread.Steps at which the bounds are checked at the latest
	turn   uint64    // the number of times that the run began to compute, times oneTurn
	begun  uint64    // thread.Steps when the call began
	least  uint64    // fewest objects of the heap since the call passed deepSteps; 0 before
	seen   time.Time // when the bounds were checked last

	state atomic.Uint64 // turn, and what the run does
	slot  atomic.Bool   // whether the run has a slot

	// The states that the memory (looked) and the watcher (glanced) saw last.
	looked, glanced uint64

	mu    sync.Mutex
	ctx   context.Context // ends the call
	until time.Time       // ends the call; zero means never
	about string
	ended error     // why the call was ended
	since time.Time // when that was
}

// Join makes a run for thread: from now on the thread keeps to the bounds.
func (b *Sandbox) Join(thread *starlark.Thread) *Run {
	r := &Run{box: b, thread: thread}
	thread.OnMaxSteps = func(*starlark.Thread) { r.check() }
	b.memory.join(weak.Make(r))
	return r
}

// Begin starts a call. The call is ended when ctx is done or at the time until; the
// zero time means never. Begin waits for a slot. about names the call in the log.
func (r *Run) Begin(ctx context.Context, until time.Time, about string) {
	r.mu.Lock()
	r.ctx, r.until, r.about = ctx, until, about
	r.mu.Unlock()
	r.turn += oneTurn
	r.state.Store(r.turn | computing)
	r.begun, r.least = r.thread.Steps, 0
	r.renew()
	r.seen = time.Now()
	r.proceed()
	r.take()
	r.box.wake()
}

// Finish ends the call. It reports whether the thread can be used again.
func (r *Run) Finish() bool {
	alive := r.state.Swap(r.turn)&doing != killed // idling is 0 beside the turn
	r.drop()
	r.mu.Lock()
	r.ctx = nil
	r.mu.Unlock()
	if !alive {
		r.box.memory.free()
	}
	return alive
}

// Leave says that the thread is not used again.
func (r *Run) Leave() { r.box.memory.stirred.Store(true) }

// renew allows the thread its full number of steps again. It does not postpone the
// next check, so a thread that waits all the time is checked, too.
func (r *Run) renew() { r.limit = r.thread.Steps + r.box.steps }

// take waits for a slot. If the call has to end before there is one, take ends it.
func (r *Run) take() {
	if r.box.slots.try() {
		r.slot.Store(true)
		return
	}
	if err := r.box.slots.wait(r.ctx, r.until); err != nil {
		r.end(r.state.Load(), err)
		return
	}
	r.slot.Store(true)
}

// drop gives the slot back, unless the watcher has done so.
func (r *Run) drop() {
	if r.slot.Swap(false) {
		r.box.slots.release()
	}
}

// Waits notes that the thread begins to wait for something outside, and gives its
// slot back.
func (r *Run) Waits() {
	r.state.CompareAndSwap(r.turn|computing, r.turn|waiting)
	r.drop()
}

// Waited notes that the thread computes again. It waits for a slot and allows the
// full number of steps.
func (r *Run) Waited() {
	r.resume()
	r.renew()
}

func (r *Run) resume() {
	if r.state.Load()&doing != waiting {
		return // the run was ended meanwhile
	}
	r.turn += oneTurn
	r.state.Store(r.turn | computing)
	r.take()
	r.box.wake()
}

// Ended returns why the call was ended from outside, or nil.
func (r *Run) Ended() error {
	if r.state.Load()&doing != killed {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended
}

// end ends the call for a reason, if its state is still seen. It reports whether it
// did.
func (r *Run) end(seen uint64, reason error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if seen&doing == killed || seen&doing == idling || !r.state.CompareAndSwap(seen, seen|killed) {
		return false
	}
	r.ended, r.since = reason, time.Now()
	r.thread.Cancel(reason.Error())
	return true
}

// Charge counts steps for work that a builtin does. When fewer steps are left,
// Charge ends the call and returns the reason.
func (r *Run) Charge(steps int) error {
	r.thread.Steps += uint64(max(steps, 0))
	if r.thread.Steps < r.limit {
		return nil
	}
	r.end(r.state.Load(), r.box.outOfSteps())
	return r.Ended()
}

// Reserve claims bytes that are about to be allocated. It fails when scripts
// would hold too much then.
func (b *Sandbox) Reserve(bytes int) error { return b.memory.reserve(uint64(bytes)) }

// check is called after each window of steps. It checks the bounds if stride or
// glimpse has passed.
func (r *Run) check() {
	if t := r.thread; t.Steps < r.due && time.Since(r.seen) < glimpse {
		t.SetMaxExecutionSteps(min(t.Steps+r.window, r.due))
		return
	}
	r.inspect()
	r.seen = time.Now()
	r.proceed()
}

// proceed lets the thread run for a window of steps.
func (r *Run) proceed() {
	t := r.thread
	r.window = r.box.memory.window.Load()
	r.due = min(t.Steps+stride, max(r.limit, t.Steps+1))
	t.SetMaxExecutionSteps(min(t.Steps+r.window, r.due))
}

// inspect ends the call if its steps, its time or the memory are used up, or if its
// context is done. Otherwise it gives the slot to a run that waits for one.
func (r *Run) inspect() {
	if r.thread.Steps >= r.limit {
		r.end(r.state.Load(), r.box.outOfSteps())
		return
	}
	if err := overdue(r.ctx, r.until); err != nil {
		r.end(r.state.Load(), err)
		return
	}
	r.watchHeap()
	if r.box.slots.wanted() {
		r.drop()
		r.take()
	}
}

// watchHeap collects the garbage if the heap has grown past the limit; the
// collection ends runs that hold too much. It ends this run if the heap has so many
// more objects that values may be nested too deep.
func (r *Run) watchHeap() {
	m := r.box.memory
	bytes, objects := heapNow()
	if bytes > m.brink.Load() {
		m.collect()
		bytes, _ = heapNow()
	}
	m.setWindow(bytes)
	if r.thread.Steps-r.begun < deepSteps {
		return
	}
	if r.least == 0 || objects < r.least {
		r.least = objects
	}
	if objects-r.least <= maxObjects {
		return
	}
	m.collect()
	if _, objects = heapNow(); objects > r.least+maxObjects {
		r.end(r.state.Load(), fmt.Errorf("%w: the script made more than %d values that are still in use", call.ErrMemory, maxObjects))
	}
	r.least = min(r.least, objects)
}

// outOfSteps returns the error of a run that has used up its steps.
func (b *Sandbox) outOfSteps() error {
	return fmt.Errorf("step limit exceeded: more than %d steps without a wait (scripts.max_steps)", b.steps)
}

// overdue returns why a call has to end by now, or nil.
func overdue(ctx context.Context, until time.Time) error {
	if !until.IsZero() && time.Now().After(until) {
		return call.ErrTime
	}
	return ctx.Err()
}

// Aside runs fn on a goroutine of its own and waits for it. It is for work that
// nothing can interrupt. When the call ends before fn returns, Aside returns the
// reason and fn goes on; the caller must not use the results of fn then.
func (r *Run) Aside(fn func()) error {
	r.Waits()
	defer r.resume()
	var late <-chan time.Time
	if !r.until.IsZero() {
		timer := time.NewTimer(time.Until(r.until))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case r.box.aside <- struct{}{}:
	case <-late:
		return call.ErrTime
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
	done, box := make(chan struct{}), r.box
	go func() {
		defer close(done)
		defer func() { <-box.aside }()
		fn()
	}()
	select {
	case <-done:
		return nil
	case <-late:
		return call.ErrTime
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

// Interface guard.
var _ call.Bounds = (*Run)(nil)
