package controller

import (
	"context"
	"sync"

	"starproxy/builtins/follow"
	"starproxy/driver"
)

// wanted is the lease that the controller told of last. Leases that come and go
// while another one is served are never seen.
type wanted struct {
	mu      sync.Mutex
	lease   *driver.Lease // nil for none
	turn    int           // counts the leases, and the times without; 0 before the controller has told
	changed follow.Signal
}

// set notes what the controller tells. The same name again is the same lease.
func (w *wanted) set(l *driver.Lease) {
	w.mu.Lock()
	defer w.mu.Unlock()
	same := w.turn > 0 && (l == nil) == (w.lease == nil) && (l == nil || l.Name == w.lease.Name)
	if same && (l == nil || *l == *w.lease) {
		return
	}
	w.lease = l
	if !same {
		w.turn++
	}
	w.changed.Notify()
}

// get returns the lease, its turn, which is another one for each lease even if a
// name comes again, and a channel that is closed when there is news.
func (w *wanted) get() (l *driver.Lease, turn int, changed <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lease, w.turn, w.changed.Changed()
}

// gone returns a context that ends when a turn is over, or when forget is
// called.
func (w *wanted) gone(turn int) (over context.Context, forget context.CancelFunc) {
	over, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		for over.Err() == nil {
			_, now, changed := w.get()
			if now != turn {
				return
			}
			select {
			case <-changed:
			case <-over.Done():
			}
		}
	}()
	return over, cancel
}
