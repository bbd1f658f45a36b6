package call

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"starproxy/builtins/clock"
	"starproxy/builtins/follow"
)

// MaxTasks is the largest number of tasks that may wait or run at the same time.
const MaxTasks = 1000

// Tasks runs functions after a delay by a clock, each on its own goroutine. With the clock
// of a test, a function runs inside the call that moves the clock. Any number of goroutines
// may use a Tasks.
type Tasks struct {
	clock  *clock.Clock
	manual bool // the clock is that of a test

	mu      sync.Mutex
	closed  bool
	pending map[*task]struct{} // the tasks that wait or run
	changed follow.Signal      // announces changes of pending
	running sync.WaitGroup
	failure error
}

// task is a function that waits or runs.
type task struct {
	ctx    context.Context
	cancel context.CancelFunc
	stop   func() // stops the timer
	run    func(context.Context)
}

// NewTasks returns a Tasks without tasks. If manual is true, clock is that of a test.
func NewTasks(clock *clock.Clock, manual bool) *Tasks {
	return &Tasks{clock: clock, manual: manual, pending: map[*task]struct{}{}}
}

// Do calls run after delay. The context of run ends with Cancel. Do returns an error
// if [MaxTasks] tasks wait or run already, or if the tasks are closed.
func (t *Tasks) Do(delay time.Duration, run func(context.Context)) error {
	k := &task{run: run}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	t.mu.Lock()
	switch {
	case t.closed:
		t.mu.Unlock()
		k.cancel()
		return errors.New("the driver is closed")
	case len(t.pending) >= MaxTasks:
		t.mu.Unlock()
		k.cancel()
		return fmt.Errorf("%d wait already, which is the most", MaxTasks)
	}
	t.pending[k] = struct{}{}
	t.changed.Notify()
	k.stop = func() {}
	t.mu.Unlock()
	if t.manual && delay <= 0 {
		t.begin(k)
		return nil
	}
	stop := t.clock.After(delay, func() { t.due(k) })
	t.mu.Lock()
	k.stop = stop
	t.mu.Unlock()
	return nil
}

// due begins a task, on a goroutine of its own unless the clock is that of a test: a turn
// of the clock does not wait for tasks.
func (t *Tasks) due(k *task) {
	if t.manual {
		t.begin(k)
		return
	}
	go t.begin(k)
}

// begin runs a task that was not cancelled.
func (t *Tasks) begin(k *task) {
	t.mu.Lock()
	_, waits := t.pending[k]
	if waits {
		t.running.Add(1)
	}
	t.mu.Unlock()
	if !waits {
		return
	}
	defer t.running.Done()
	defer func() {
		t.mu.Lock()
		delete(t.pending, k)
		t.changed.Notify()
		t.mu.Unlock()
		k.cancel()
	}()
	k.run(k.ctx)
}

// Cancel drops the tasks that wait, ends those that run, and waits for these.
func (t *Tasks) Cancel() {
	t.mu.Lock()
	for k := range t.pending {
		k.cancel()
		k.stop()
	}
	clear(t.pending)
	t.changed.Notify()
	t.mu.Unlock()
	t.running.Wait()
}

// Close is Cancel, and refuses further tasks.
func (t *Tasks) Close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.Cancel()
}

// Pending returns how many wait or run.
func (t *Tasks) Pending() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.pending)
}

// Changed returns a channel that is closed when Pending changes next.
func (t *Tasks) Changed() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.changed.Changed()
}

// Fail notes that a task has failed, for who asks with Failure.
func (t *Tasks) Fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failure == nil {
		t.failure = err
	}
}

// Failure returns the first failure since it was asked for last.
func (t *Tasks) Failure() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	err := t.failure
	t.failure = nil
	return err
}
