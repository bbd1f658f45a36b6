package exchange

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

func TestAfter(t *testing.T) {
	t.Parallel()
	var x Exchange
	var done []int
	add := func(n int) func() { return func() { done = append(done, n) } }
	x.After(add(1))
	x.After(add(2))
	if len(done) > 0 {
		t.Error("begun before the answer")
	}
	x.Answered()
	x.Answered()
	x.After(add(3)) // at once
	if !slices.Equal(done, []int{1, 2, 3}) {
		t.Errorf("got %v, want 1, 2, 3", done)
	}
	for range maxAfter - 3 {
		if err := x.After(func() {}); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.After(func() {}); err == nil {
		t.Error("more than the most are taken")
	}
}

// TestAfterOnce checks that each is begun once, whenever the answer is sent.
func TestAfterOnce(t *testing.T) {
	t.Parallel()
	for range 200 {
		var x Exchange
		var n atomic.Int32
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() { x.After(func() { n.Add(1) }) })
		}
		all.Go(x.Answered)
		all.Wait()
		if n.Load() != 4 {
			t.Fatalf("%d were begun, want 4", n.Load())
		}
	}
}
