package follow

import (
	"context"
	"testing"
	"testing/synctest"
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
