package follow

import (
	"context"
	"iter"
	"sync"
)

// Log keeps the newest values of a sequence. Values are numbered from 0. It may be
// used by any number of goroutines.
type Log[T any] struct {
	mu     sync.Mutex
	max    int
	ring   []T // the value with number n is at n % max
	next   uint64
	signal Signal
}

// NewLog returns an empty log that keeps max values.
func NewLog[T any](max int) *Log[T] { return &Log[T]{max: max} }

// Add appends v and returns its number. When the log is full, it forgets the oldest
// value and returns it, with full true.
func (l *Log[T]) Add(v T) (number uint64, forgotten T, full bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	number = l.next
	l.next++
	l.signal.Notify()
	if len(l.ring) < l.max {
		l.ring = append(l.ring, v)
		return number, forgotten, false
	}
	at := number % uint64(l.max)
	forgotten, l.ring[at] = l.ring[at], v
	return number, forgotten, true
}

// Next returns the number that the next value gets.
func (l *Log[T]) Next() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next
}

// Since returns the values that the log still has with a number of at least from,
// oldest first, and the number that the next value gets.
func (l *Log[T]) Since(from uint64) (values []T, next uint64) {
	values, next, _ = l.read(from)
	return values, next
}

// read is Since that also returns a channel that the next Add closes.
func (l *Log[T]) read(from uint64) (values []T, next uint64, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := max(from, l.next-uint64(len(l.ring))); n < l.next; n++ {
		values = append(values, l.ring[n%uint64(l.max)])
	}
	return values, l.next, l.signal.Changed()
}

// Follow yields the values that the log still has with a number of at least from,
// and then new values as they come, until ctx ends. A reader that is too slow
// misses the values that the log has forgotten.
func (l *Log[T]) Follow(ctx context.Context, from uint64) iter.Seq[T] {
	return func(yield func(T) bool) {
		for {
			values, next, changed := l.read(from)
			for _, v := range values {
				if ctx.Err() != nil || !yield(v) {
					return
				}
			}
			from = next
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}
}
