package follow

import (
	"context"
	"iter"
	"reflect"
	"sync"
	"time"
)

// Notice is a [Signal] with a lock of its own, for values that no single lock guards.
// It is for any number of goroutines. The zero Notice is ready for use.
type Notice struct {
	mu     sync.Mutex
	signal Signal
}

// Changed returns a channel that the next Notify closes. A reader takes the channel
// before the values, so that it misses no change.
func (n *Notice) Changed() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.signal.Changed()
}

// Count returns the number of changes so far.
func (n *Notice) Count() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.signal.Count()
}

// Notify wakes all that wait for a channel of Changed. It is called after a change.
func (n *Notice) Notify() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.signal.Notify()
}

// Paced waits as [Any] does, and no shorter than pace.
func Paced(ctx context.Context, pace time.Duration, channels ...<-chan struct{}) bool {
	rest := time.After(pace)
	if !Any(ctx, channels...) {
		return false
	}
	select {
	case <-rest:
		return true
	case <-ctx.Done():
		return false
	}
}

// Values yields what now returns, and then each other value until ctx ends. A change after
// a quiet time is told at once. Changes within pace of a value are told together. changes
// returns channels of which one is closed when the value changes next.
func Values[T any](ctx context.Context, pace time.Duration, changes func() []<-chan struct{}, now func() T) iter.Seq[T] {
	return func(yield func(T) bool) {
		for first, last := true, *new(T); ; first = false {
			channels := changes() // before the value, so that no change is missed
			value := now()
			if (first || !reflect.DeepEqual(value, last)) && !yield(value) {
				return
			}
			last = value
			if !Paced(ctx, pace, channels...) {
				return
			}
		}
	}
}

// Any waits until one of the channels is closed. It reports false when ctx ended
// before. A nil channel is never closed.
func Any(ctx context.Context, channels ...<-chan struct{}) bool {
	cases := []reflect.SelectCase{{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(ctx.Done())}}
	for _, c := range channels {
		cases = append(cases, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(c)})
	}
	chosen, _, _ := reflect.Select(cases)
	return chosen > 0
}
