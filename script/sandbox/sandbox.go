// Package sandbox bounds what scripts take: steps of the interpreter, time by
// the clock on the wall, memory, and processors. It protects from mistakes. A
// single operation of the interpreter cannot be ended; see docs/scripting.md.
//
// A Sandbox is for any number of goroutines, a Run for one.
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
	// Steps bounds what one run computes between two waits.
	Steps uint64
	// Memory bounds what all runs together hold, in bytes.
	Memory uint64
}

// Sandbox holds the bounds of all runs of a host.
type Sandbox struct {
	steps  uint64
	log    *slog.Logger
	memory *memory
	slots  slots
	aside  chan struct{} // holds one for each function that runs aside

	watching atomic.Bool
}

// maxAside is how many functions run aside at the same time, those included
// that nobody waits for any more.
const maxAside = 2

// New makes a sandbox. log gets a warning about each run that goes on after
// its end.
func New(l Limits, log *slog.Logger) *Sandbox {
	return &Sandbox{
		steps:  l.Steps,
		log:    log,
		memory: newMemory(l.Memory),
		slots:  slots{most: int64(max(4, 2*runtime.GOMAXPROCS(0)))},
		aside:  make(chan struct{}, maxAside),
	}
}

// What a run does, the lower bits of its state; the rest counts the turns.
const (
	idling uint64 = iota
	computing
	waiting
	killed
	doing   = 3
	oneTurn = 4
)

// A thread looks at its bounds after stride steps or after a glimpse of time,
// whichever comes first. It reads the clock after each window of steps; see
// [memory.setWindow].
const (
	stride  = 20_000
	glimpse = 500 * time.Microsecond
)

// maxObjects bounds by how many values, and parts of values, the heap may grow
// while a run computes more than deepSteps. A tuple in a tuple is two of them:
// hashing tuples that are nested 6 million deep exhausts the stack, which ends
// the process, and only the interpreter knows when it hashes.
const (
	maxObjects = 3_000_000
	deepSteps  = 1_000_000
)

// Run is the use of a thread for one call after the other.
type Run struct {
	box    *Sandbox
	thread *starlark.Thread
	limit  uint64    // of thread.Steps, for this call
	window uint64    // steps from one look at the clock to the next
	due    uint64    // thread.Steps at which it looks at its bounds at the latest
	turn   uint64    // counts the times that it began to compute
	begun  uint64    // thread.Steps at the begin of the call
	least  uint64    // objects that the heap had since the call passed deepSteps; 0 before
	seen   time.Time // when it looked at its bounds last

	state atomic.Uint64 // what it does, and turn
	slot  atomic.Bool   // it has a slot

	// These belong to the memory and to the watcher.
	looked, glanced uint64 // the state that each saw last

	mu    sync.Mutex
	ctx   context.Context // ends the call
	until time.Time       // ends the call; zero means never
	about string
	ended error     // why the call was ended
	since time.Time // when that was
}

// Join makes thread one whose bounds are held.
func (b *Sandbox) Join(thread *starlark.Thread) *Run {
	r := &Run{box: b, thread: thread}
	thread.OnMaxSteps = func(*starlark.Thread) { r.check() }
	b.memory.join(weak.Make(r))
	return r
}

// Begin starts a call that ctx and the time until end; the zero time means
// never. It waits for a slot. about names the call in the log.
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

// renew allows the thread its full number of steps again. When it is looked at
// next stays as it is: a thread that waits all the time is looked at, too.
func (r *Run) renew() { r.limit = r.thread.Steps + r.box.steps }

// take waits for a slot; without one the call is ended.
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

// drop gives the slot back, unless the watcher did.
func (r *Run) drop() {
	if r.slot.Swap(false) {
		r.box.slots.release()
	}
}

// Waits says that the thread waits for something outside.
func (r *Run) Waits() {
	r.state.CompareAndSwap(r.turn|computing, r.turn|waiting)
	r.drop()
}

// Waited says that it computes again, with its full number of steps.
func (r *Run) Waited() {
	r.resume()
	r.renew()
}

func (r *Run) resume() {
	if r.state.Load()&doing != waiting {
		return // it was ended
	}
	r.turn += oneTurn
	r.state.Store(r.turn | computing)
	r.take()
	r.box.wake()
}

// Ended is why the call was ended from outside, or nil.
func (r *Run) Ended() error {
	if r.state.Load()&doing != killed {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended
}

// end ends the call for a reason, if it still does what seen says.
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

// Charge counts steps of work that the interpreter does not see. It fails when
// there are not so many left; the call has ended then.
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

// check looks at the bounds when it is time.
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

// inspect ends the call when it has used up its steps, its time or the memory,
// or when nobody waits for it any more; and it lets others compute.
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

// watchHeap collects the garbage when the heap has grown past the limit, which
// ends runs that hold too much, and ends this one when it may have nested values
// too deep.
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

// outOfSteps is the error of a run that has used up its steps.
func (b *Sandbox) outOfSteps() error {
	return fmt.Errorf("step limit exceeded: more than %d steps without a wait (scripts.max_steps)", b.steps)
}

// overdue is why a call should have ended by now, or nil.
func overdue(ctx context.Context, until time.Time) error {
	if !until.IsZero() && time.Now().After(until) {
		return call.ErrTime
	}
	return ctx.Err()
}

// Aside runs fn on a goroutine of its own and waits for it, for work that
// nothing can interrupt. When the call ends before fn does, Aside returns the
// reason and fn goes on; nobody may use what it makes then.
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
