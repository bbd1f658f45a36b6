package sandbox

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"starproxy/builtins/call"

	"go.starlark.net/starlark"
)

func newRun(b *Sandbox) *Run { return b.Join(new(starlark.Thread)) }

func newSandbox() *Sandbox {
	return New(Limits{Steps: 1 << 40, Memory: 1 << 30}, slog.New(slog.DiscardHandler))
}

// TestSlots checks that no more runs compute than there are slots, that each
// gets its turn, and that those that wait hold none.
func TestSlots(t *testing.T) {
	t.Parallel()
	b := newSandbox()
	var now, most atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			r := newRun(b)
			for range 20 {
				r.Begin(t.Context(), time.Time{}, "")
				n := now.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				now.Add(-1)
				r.Waits()
				r.Waited()
				if !r.Finish() {
					t.Error("a run was ended")
				}
			}
		})
	}
	wg.Wait()
	if most.Load() > b.slots.most {
		t.Errorf("%d runs computed at once, want at most %d", most.Load(), b.slots.most)
	}
	if n := b.slots.used.Load(); n != 0 || b.slots.wanted() {
		t.Errorf("%d slots are left taken", n)
	}
}

// TestSlotsAllTaken checks that a run without a slot ends with its time or its
// client, and that one which waits lets others compute.
func TestSlotsAllTaken(t *testing.T) {
	t.Parallel()
	b := newSandbox()
	var holders []*Run
	for range b.slots.most {
		r := newRun(b)
		r.Begin(t.Context(), time.Time{}, "")
		holders = append(holders, r)
	}
	late := newRun(b)
	late.Begin(t.Context(), time.Now().Add(time.Millisecond), "")
	if err := late.Ended(); !errors.Is(err, call.ErrTime) || late.Finish() {
		t.Errorf("a run without a slot ended with %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	left := newRun(b)
	left.Begin(ctx, time.Time{}, "")
	if err := left.Ended(); !errors.Is(err, context.Canceled) || left.Finish() {
		t.Errorf("a run without a client ended with %v", err)
	}
	holders[0].Waits()
	next := newRun(b)
	next.Begin(t.Context(), time.Time{}, "")
	if err := next.Ended(); err != nil {
		t.Errorf("beside a run that waits: %v", err)
	}
	next.Finish()
	holders[0].Waited()
	for _, r := range holders {
		r.Finish()
	}
	if n := b.slots.used.Load(); n != 0 {
		t.Errorf("%d slots are left taken", n)
	}
}

// TestWatcher checks that runs which do not look for themselves are ended, and
// that the slot of one that does not return is given to others.
func TestWatcher(t *testing.T) {
	t.Parallel()
	b := newSandbox()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for name, c := range map[string]struct {
		ctx   context.Context
		until time.Time
		want  error
	}{
		"overdue":   {t.Context(), time.Now().Add(20 * time.Millisecond), call.ErrTime},
		"abandoned": {ctx, time.Time{}, context.Canceled},
	} {
		r := newRun(b)
		r.Begin(c.ctx, c.until, name)
		cancel()
		await(t, name+": ended", func() bool { return r.Ended() != nil })
		if err := r.Ended(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		await(t, name+": the slot given away", func() bool { return b.slots.used.Load() == 0 })
		if r.Finish() || b.slots.used.Load() != 0 {
			t.Errorf("%s: the run can be used again, or gave a slot back twice", name)
		}
	}
	await(t, "the watcher ended", func() bool { return !b.watching.Load() })
}

// TestAside checks that a run ends while a function runs aside, and that those
// functions are bounded.
func TestAside(t *testing.T) {
	t.Parallel()
	b := newSandbox()
	release := make(chan struct{})
	for range maxAside + 2 {
		r := newRun(b)
		r.Begin(t.Context(), time.Now().Add(20*time.Millisecond), "")
		if err := r.Aside(func() { <-release }); !errors.Is(err, call.ErrTime) {
			t.Errorf("Aside: %v, want a time limit", err)
		}
		r.Finish()
	}
	if n := len(b.aside); n != maxAside {
		t.Errorf("%d functions run aside, want %d", n, maxAside)
	}
	close(release)
	await(t, "they end", func() bool { return len(b.aside) == 0 })
	r := newRun(b)
	r.Begin(t.Context(), time.Time{}, "")
	defer r.Finish()
	if done := false; r.Aside(func() { done = true }) != nil || !done {
		t.Error("a function was not run")
	}
}

// TestReserve checks that memory is refused before it is made, and comes back.
func TestReserve(t *testing.T) {
	m := newMemory(64 << 20)
	for i := range 100 {
		if err := m.reserve(30 << 20); err != nil { // what nobody holds is garbage
			t.Fatalf("claim %d: %v", i, err)
		}
	}
	if err := m.reserve(65 << 20); !errors.Is(err, call.ErrMemory) {
		t.Errorf("more than there is: %v", err)
	}
	// A run computes while it is made: whenever the runtime collects the
	// garbage, what grows is the script's.
	r := &Run{thread: new(starlark.Thread)}
	r.state.Store(computing)
	m.join(weak.Make(r))
	held := make([]byte, 50<<20)
	m.collect()
	if err := m.reserve(30 << 20); !errors.Is(err, call.ErrMemory) {
		t.Errorf("beside %d bytes: %v", len(held), err)
	}
	runtime.KeepAlive(held)
	runtime.KeepAlive(r)
}

// BenchmarkRun is what the bounds cost a call that needs none of them.
func BenchmarkRun(b *testing.B) {
	r := newRun(newSandbox())
	ctx, until := b.Context(), time.Now().Add(time.Hour)
	b.ReportAllocs()
	for b.Loop() {
		r.Begin(ctx, until, "")
		r.Finish()
	}
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}
