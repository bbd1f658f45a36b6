// Package clock has the clock that scripts, answers and certificates read. At first it
// shows the time of the system. Tests turn it: an hour later, a sequence is at its next
// step and a token has expired, without an hour of waiting.
//
// Timeouts, delays and captures do not follow this clock: they are in real time.
package clock

import (
	"sync"
	"sync/atomic"
	"time"

	"starproxy/builtins/follow"
)

// Clock is a clock that can be turned. Any number of goroutines may use it. The zero
// Clock shows the time of the system.
type Clock struct {
	// turned is nil while the clock shows the time of the system.
	turned atomic.Pointer[turned]

	changed follow.Notice

	mu     sync.Mutex
	timers map[*timer]bool
	seq    int
	// A clock can be turned by more than the 292 years of a Duration in all. Then these
	// wrap around, and so only their differences count.
	leaps time.Duration // how far the clock was turned forward
	base  time.Duration // how far the clock had moved forward at mark
	mark  time.Time     // by the system's clock; zero before the first use
}

// turned is a position to which a clock was turned.
type turned struct {
	shown  time.Time // the time that the clock showed then
	since  time.Time // the time of the system then
	frozen bool
	name   string
}

// now returns the time that the clock shows.
func (t *turned) now() time.Time {
	if t.frozen {
		return t.shown
	}
	return t.shown.Add(time.Since(t.since))
}

// Reading is the state of a clock that is turned.
type Reading struct {
	// Now is the time that the clock shows.
	Now time.Time
	// Offset is how far it is ahead of the system's time; negative if it is behind.
	Offset time.Duration
	// Frozen says that it stands still until it is turned again.
	Frozen bool
}

// timer is a function that is called at a time.
type timer struct {
	due  time.Duration // how far the clock has moved forward then
	seq  int
	do   func()
	real *time.Timer // of the system, while the clock runs
}

// Frozen returns a clock that shows t until it is turned.
func Frozen(t time.Time) *Clock {
	c := &Clock{}
	c.Set(t, true)
	return c
}

// Now returns the time that the clock shows. For a nil Clock it is the system's.
func (c *Clock) Now() time.Time {
	if c != nil {
		if t := c.turned.Load(); t != nil {
			return t.now()
		}
	}
	return time.Now()
}

// Name returns a short description of a clock that is turned, such as "clock +1h0m0s" or
// "clock frozen at 2030-01-01T00:00:00Z". It is empty for a clock that shows the system's
// time, and for nil.
func (c *Clock) Name() string {
	if c != nil {
		if t := c.turned.Load(); t != nil {
			return t.name
		}
	}
	return ""
}

// Reading returns the state of the clock; ok is false while it shows the system's time.
func (c *Clock) Reading() (r Reading, ok bool) {
	t := c.turned.Load()
	if t == nil {
		return Reading{}, false
	}
	now := t.now()
	return Reading{Now: now, Offset: now.Round(0).Sub(time.Now().Round(0)), Frozen: t.frozen}, true
}

// Leaps returns how far the clock was turned forward. Only differences count, because the
// sum wraps around after 292 years.
func (c *Clock) Leaps() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.leaps
}

// Progress returns how far the clock has moved forward. Only differences count, because
// the sum wraps around after 292 years.
func (c *Clock) Progress() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.progress()
}

// Changed returns a channel that is closed when the clock is turned next.
func (c *Clock) Changed() <-chan struct{} { return c.changed.Changed() }

// Set turns the clock to a time. A frozen clock stands still then, another one runs on.
//
// Time that is passed over on the way forward counts for timers: before Set returns, it
// has called those that are due. Turning back makes no timer later.
func (c *Clock) Set(to time.Time, frozen bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn(to, frozen)
}

// Advance moves the clock forward by d, or back if d is negative. A frozen clock stays
// frozen. Before it returns, it calls the functions of all timers that are due on the way,
// each while the clock shows its time.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.turned.Load()
	c.turn(c.Now().Add(d), t != nil && t.frozen)
}

// Reset lets the clock show the time of the system again. No timer gets due by that.
func (c *Clock) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	c.turned.Store(nil)
	c.arm()
	c.changed.Notify()
}

// turn turns the clock. The caller holds c.mu, which is free while a timer's function
// runs. That function may turn the clock, too.
func (c *Clock) turn(to time.Time, frozen bool) {
	c.settle()
	leap := max(0, to.Sub(c.Now()))
	c.leaps += leap
	end := c.base + leap
	for next := c.next(end); next != nil; next = c.next(end) {
		delete(c.timers, next)
		if next.due-c.base > 0 {
			c.show(to.Add(next.due-end), frozen)
			c.base = next.due
		}
		c.mu.Unlock()
		next.do()
		c.mu.Lock()
	}
	if c.base-end <= 0 {
		c.show(to, frozen)
		c.base = end
	}
	c.arm()
	c.changed.Notify()
}

// next returns the first timer that is due when the clock has moved forward by until in
// all. It returns nil when there is none. The caller holds c.mu.
func (c *Clock) next(until time.Duration) *timer {
	var next *timer
	for t := range c.timers {
		if t.due-until <= 0 && (next == nil || t.due-next.due < 0 || t.due == next.due && t.seq < next.seq) {
			next = t
		}
	}
	return next
}

// show stores the time that the clock shows. The caller holds c.mu.
func (c *Clock) show(now time.Time, frozen bool) {
	system := time.Now()
	t := &turned{shown: now.Round(0), since: system, frozen: frozen}
	if frozen {
		t.name = "clock frozen at " + now.UTC().Format(time.RFC3339)
	} else {
		offset := t.shown.Sub(system.Round(0)).Round(time.Second)
		sign := "+"
		if offset < 0 {
			sign = ""
		}
		t.name = "clock " + sign + offset.String()
	}
	c.turned.Store(t)
}

// progress returns how far the clock has moved forward in all. The caller holds c.mu.
func (c *Clock) progress() time.Duration {
	if c.frozen() {
		return c.base
	}
	if c.mark.IsZero() {
		c.mark = time.Now()
	}
	return c.base + time.Since(c.mark)
}

func (c *Clock) frozen() bool {
	t := c.turned.Load()
	return t != nil && t.frozen
}

// settle stops the timers of the system and makes base the present progress. The caller
// holds c.mu.
func (c *Clock) settle() {
	c.base = c.progress()
	c.mark = time.Now()
	for t := range c.timers {
		t.halt()
	}
}

// arm starts a timer of the system for each timer, unless the clock is frozen. The caller
// holds c.mu.
func (c *Clock) arm() {
	c.mark = time.Now()
	if c.frozen() {
		return
	}
	for t := range c.timers {
		c.start(t)
	}
}

// start starts a timer of the system. The caller holds c.mu.
func (c *Clock) start(t *timer) {
	t.halt()
	t.real = time.AfterFunc(t.due-c.progress(), func() {
		c.mu.Lock()
		due := c.timers[t] && t.due-c.progress() <= 0
		if due {
			delete(c.timers, t)
		}
		c.mu.Unlock()
		if due {
			t.do()
		}
	})
}

func (t *timer) halt() {
	if t.real != nil {
		t.real.Stop()
		t.real = nil
	}
}

// After calls do when the clock has moved forward by d, unless stop is called before. do
// is called on a goroutine of its own, or by the turn of the clock that makes it due.
func (c *Clock) After(d time.Duration, do func()) (stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seq++
	t := &timer{due: c.progress() + max(0, d), seq: c.seq, do: do}
	if c.timers == nil {
		c.timers = map[*timer]bool{}
	}
	c.timers[t] = true
	if !c.frozen() || d <= 0 {
		c.start(t)
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		t.halt()
		delete(c.timers, t)
	}
}
