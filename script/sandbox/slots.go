package sandbox

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"starproxy/builtins/call"
)

// slots limits the number of threads that compute at the same time. When no thread
// waits, a slot is taken or given back with one atomic operation.
type slots struct {
	most    int64
	used    atomic.Int64
	waiting atomic.Int64 // the length of queue

	mu    sync.Mutex
	queue []chan struct{} // one channel for each waiting thread, in the order of arrival
}

// try takes a slot and reports whether it did. It takes none while other threads
// wait.
func (s *slots) try() bool { return !s.wanted() && s.claim() }

// wanted reports whether a thread waits for a slot.
func (s *slots) wanted() bool { return s.waiting.Load() > 0 }

func (s *slots) claim() bool {
	for {
		n := s.used.Load()
		if n >= s.most {
			return false
		}
		if s.used.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// release gives a slot back.
func (s *slots) release() {
	s.used.Add(-1)
	if s.wanted() {
		s.mu.Lock()
		s.grant()
		s.mu.Unlock()
	}
}

// grant gives free slots to the waiting threads. The caller holds s.mu.
func (s *slots) grant() {
	for len(s.queue) > 0 && s.claim() {
		s.queue[0] <- struct{}{}
		s.queue = slices.Delete(s.queue, 0, 1)
		s.waiting.Add(-1)
	}
}

// wait takes a slot as soon as one is free. It returns an error if ctx is done, or
// the time until is reached, before that. A zero until sets no time.
func (s *slots) wait(ctx context.Context, until time.Time) error {
	turn := make(chan struct{}, 1)
	s.mu.Lock()
	s.queue = append(s.queue, turn)
	s.waiting.Add(1)
	s.grant() // a slot may have become free before waiting was increased
	s.mu.Unlock()
	var late <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		late = timer.C
	}
	err := call.ErrTime
	select {
	case <-turn:
		return nil
	case <-late:
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.queue, turn); i >= 0 {
		s.queue = slices.Delete(s.queue, i, i+1)
		s.waiting.Add(-1)
		return err
	}
	return nil // the slot was granted meanwhile
}
