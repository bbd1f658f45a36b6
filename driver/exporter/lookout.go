package exporter

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"
)

// lookout ends the call of a connection whose caller has left. The connection is
// only looked at when a call takes its time, with a timer that is not set for
// each call: one that is set wakes a thread.
type lookout struct {
	conn *frameConn

	mu     sync.Mutex
	calls  int // those that have begun
	seen   int // calls when the timer fired last
	cancel context.CancelFunc
	timer  bool
	looks  chan struct{} // closed when nothing looks any more; nil when nothing does
}

// begin notes a call that cancel ends.
func (w *lookout) begin(cancel context.CancelFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	w.cancel = cancel
	if !w.timer {
		w.timer, w.seen = true, 0
		time.AfterFunc(lookAfter, w.look)
	}
}

// look waits for the caller to leave if the call runs that ran before.
func (w *lookout) look() {
	w.mu.Lock()
	cancel, done := w.cancel, make(chan struct{})
	switch {
	case cancel == nil:
		w.timer = false
		w.mu.Unlock()
		return
	case w.seen != w.calls:
		w.seen = w.calls
		time.AfterFunc(lookAfter, w.look)
		w.mu.Unlock()
		return
	}
	w.timer, w.looks = false, done
	w.mu.Unlock()
	defer close(done)
	// A caller sends nothing before it has its answer.
	if _, err := w.conn.in.Peek(1); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		cancel()
	}
}

// end notes that the call is over; nothing reads the connection after it.
func (w *lookout) end() {
	w.mu.Lock()
	looks := w.looks
	w.cancel, w.looks = nil, nil
	w.mu.Unlock()
	if looks != nil {
		w.conn.SetReadDeadline(time.Unix(1, 0))
		<-looks
		w.conn.SetReadDeadline(time.Time{})
	}
}
