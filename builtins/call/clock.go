package call

import (
	"sync"
	"time"
)

// Clock is a clock that moves only when it is told to.
type Clock struct {
	mu     sync.Mutex
	now    time.Time
	timers map[*timer]bool
	seq    int
}

// timer is a function that is called at a time.
type timer struct {
	at  time.Time
	seq int
	do  func()
}

// NewClock makes a clock that shows t.
func NewClock(t time.Time) *Clock { return &Clock{now: t} }

// Now returns the time that the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock forward by d. Before it returns, it calls the functions of
// all timers that are due on the way, each at its own time.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for until := c.now.Add(d); ; {
		next := c.next(until)
		if next == nil {
			if c.now.Before(until) {
				c.now = until
			}
			return
		}
		delete(c.timers, next)
		if c.now.Before(next.at) {
			c.now = next.at
		}
		c.mu.Unlock()
		next.do()
		c.mu.Lock()
	}
}

// next returns the first timer that is due until a time. It returns nil
// when there is none. The caller holds c.mu.
func (c *Clock) next(until time.Time) *timer {
	var next *timer
	for t := range c.timers {
		if !until.Before(t.at) && (next == nil || t.at.Before(next.at) || t.at.Equal(next.at) && t.seq < next.seq) {
			next = t
		}
	}
	return next
}

// After calls do when the clock has moved forward by d, unless stop is called before.
func (c *Clock) After(d time.Duration, do func()) (stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seq++
	t := &timer{c.now.Add(d), c.seq, do}
	if c.timers == nil {
		c.timers = map[*timer]bool{}
	}
	c.timers[t] = true
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.timers, t)
	}
}
