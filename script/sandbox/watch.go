package sandbox

import "time"

// The watcher's times.
const (
	tick  = 5 * time.Millisecond
	calm  = 20          // ticks without a run after which it ends
	grace = time.Second // that an ended run has to return
)

// wake has the runs watched. While they are, it costs one atomic load.
func (b *Sandbox) wake() {
	if !b.watching.Load() && b.watching.CompareAndSwap(false, true) {
		go b.watch()
	}
}

// watch ends runs that are overdue or that nobody waits for any more: the
// interpreter looks for that at every instruction. It goes on as long as
// something computes.
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
		// A run may have begun before it could see that nobody watches.
		if !b.busy() || !b.watching.CompareAndSwap(false, true) {
			return
		}
		idle = 0
	}
}

// busy reports whether a run computes. Unlike glance it may be called by several.
func (b *Sandbox) busy() bool {
	for _, w := range b.memory.all() {
		if r := w.Value(); r != nil && r.state.Load()&doing != idling && r.state.Load()&doing != waiting {
			return true
		}
	}
	return false
}

// glance goes through the runs once. It tells whether one computes. A run that
// waits sees to its end by itself.
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
		return // finished meanwhile
	}
	// If another call has begun since then, its state is another one.
	if err := overdue(ctx, until); err != nil {
		r.end(seen, err)
	}
}

// giveUp takes the slot of a run that was ended and does not return: it is
// inside of a single operation. Others need not wait for it.
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
