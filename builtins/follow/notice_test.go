package follow

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Any returns once one of the channels is closed, and when its context ends.
func TestAny(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var a, b Notice
		results := make(chan bool, 1)
		wait := func(ctx context.Context) { results <- Any(ctx, nil, a.Changed(), b.Changed()) }
		go wait(t.Context())
		synctest.Wait()
		b.Notify()
		if !<-results {
			t.Error("a change is reported as the end of the context")
		}
		ctx, cancel := context.WithCancel(t.Context())
		go wait(ctx)
		synctest.Wait()
		select {
		case <-results:
			t.Fatal("Any returned without a change")
		default:
		}
		cancel()
		if <-results {
			t.Error("the end of the context is reported as a change")
		}
	})
}

// Values yields the first value, then each other one: at once after a quiet time, and
// together within the pace.
func TestValues(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const pace = time.Second
		var changed Notice
		var value atomic.Int64
		value.Store(1)
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan int)
		go func() {
			defer close(got)
			for v := range Values(ctx, pace, func() []<-chan struct{} { return []<-chan struct{}{changed.Changed()} }, func() int { return int(value.Load()) }) {
				got <- v
			}
		}()
		began := time.Now()
		expect := func(want int, after time.Duration) {
			t.Helper()
			if v := <-got; v != want || time.Since(began) != after {
				t.Errorf("got %d after %v, want %d after %v", v, time.Since(began), want, after)
			}
			synctest.Wait()
		}
		set := func(v int64) {
			value.Store(v)
			changed.Notify()
			synctest.Wait()
		}
		expect(1, 0)
		set(2)
		set(3)
		expect(3, pace)
		set(3) // no other value
		time.Sleep(5 * pace)
		set(4)
		expect(4, 6*pace)
		cancel()
		if v, open := <-got; open {
			t.Errorf("got %d after the end", v)
		}
	})
}
