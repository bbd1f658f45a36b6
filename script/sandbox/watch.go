package sandbox

import "time"

// The watcher's times.
const (
	tick  = 5 * time.Millisecond
	calm  = 20          // ticks without a run after which it ends
	grace = time.Second // that an ended run has to return
)

// wake starts the watcher, unless it is running.
func (b *Sandbox) wake() {
	if !b.watching.Load() && b.watching.CompareAndSwap(false, true) {
		go b.watch()
	}
}

// watch ends runs that are overdue or whose context is done: it cancels their
// threads, and the interpreter sees that before its next instruction. watch returns
// when nothing has computed for a while.
func (b *Sandbox) watch() {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for idle := 0; ; {
		now := <-ticker.C
		if b.glance(now) {
			idle = 0
			continue
		}
		if idle++; idle < calm {
			continue
		}
		b.watching.Store(false)
		// A run may have begun just before watching became false.
		if !b.busy() || !b.watching.CompareAndSwap(false, true) {
			return
		}
		idle = 0
	}
}

// busy reports whether a run computes. Unlike glance, several goroutines may call
// it at the same time.
func (b *Sandbox) busy() bool {
	for _, w := range b.memory.all() {
		if r := w.Value(); r != nil && r.state.Load()&doing != idling && r.state.Load()&doing != waiting {
			return true
		}
	}
	return false
}

// glance goes through the runs once: it ends those that are overdue and gives up
// those that do not stop. It reports whether a run computes. A run that waits ends
// by itself.
func (b *Sandbox) glance(now time.Time) (busy bool) {
	for _, w := range b.memory.all() {
		r := w.Value()
		if r == nil {
			continue
		}
		s := r.state.Load()
		switch s & doing {
		case computing:
			busy = true
			if s == r.glanced {
				b.hurry(r, s)
			}
		case killed:
			busy = true
			b.giveUp(r, now)
		}
		r.glanced = s
	}
	return busy
}

// hurry ends a run that is overdue.
func (b *Sandbox) hurry(r *Run, seen uint64) {
	r.mu.Lock()
	ctx, until := r.ctx, r.until
	r.mu.Unlock()
	if ctx == nil {
		return // the call has finished meanwhile
	}
	// If another call has begun since then, the state is no longer seen, and end
	// does nothing.
	if err := overdue(ctx, until); err != nil {
		r.end(seen, err)
	}
}

// giveUp takes the slot of a run that was ended a while ago and still computes,
// because it is inside a single operation. Other runs can have the slot.
func (b *Sandbox) giveUp(r *Run, now time.Time) {
	r.mu.Lock()
	about, reason, lost := r.about, r.ended, now.Sub(r.since) > grace
	r.mu.Unlock()
	if lost && r.slot.Swap(false) {
		b.slots.release()
		b.log.Warn("a script has been ended but is inside of one operation, which nothing can interrupt; its thread is left to it",
			"endpoint", about, "reason", reason)
	}
}
