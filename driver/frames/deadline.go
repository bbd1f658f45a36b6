package frames

import (
	"sync"
	"time"
)

// deadline is a point in time that may be moved.
type deadline struct {
	mu    sync.Mutex
	at    time.Time // zero for none
	timer *time.Timer
	over  chan struct{} // closed when the time has come
}

func newDeadline() *deadline { return &deadline{over: make(chan struct{})} }

// passed returns a channel that is closed when the time has come.
func (d *deadline) passed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.over
}

// reached reports whether the time has come.
func (d *deadline) reached() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.at.IsZero() && !time.Now().Before(d.at)
}

// set moves the deadline, also for those who wait already. Zero means none.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	// A timer that can't be stopped any more has closed its channel, or will.
	if d.timer != nil && !d.timer.Stop() {
		d.over = make(chan struct{})
	}
	d.timer, d.at = nil, t
	if t.IsZero() {
		return
	}
	over := d.over
	d.timer = time.AfterFunc(time.Until(t), func() { close(over) })
}

// onPass calls f when the time comes that is set now, unless stop is called
// before.
func (d *deadline) onPass(f func()) (stop func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.at.IsZero() {
		return func() {}
	}
	t := time.AfterFunc(time.Until(d.at), f)
	return func() { t.Stop() }
}
