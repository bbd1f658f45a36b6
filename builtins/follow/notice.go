package follow

import (
	"context"
	"reflect"
	"sync"
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
