package follow

import (
	"context"
	"iter"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// A reader gets the values of all logs, and its end ends the reading of the logs.
func TestMerge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := NewLog[int](9), NewLog[int](9)
		a.Add(1)
		a.Add(2)
		b.Add(10)
		var ended atomic.Int32
		sequence := func(l *Log[int]) func(context.Context) iter.Seq[int] {
			return func(ctx context.Context) iter.Seq[int] {
				return func(yield func(int) bool) {
					l.Follow(ctx, 0)(yield)
					ended.Add(1)
				}
			}
		}
		var got []int
		go func() {
			for v := range Merge(t.Context(), sequence(a), sequence(b)) {
				if got = append(got, v); v == 11 {
					break
				}
			}
			got = append(got, int(ended.Load()))
		}()
		synctest.Wait()
		slices.Sort(got)
		if want := []int{1, 2, 10}; !slices.Equal(got, want) {
			t.Fatalf("merged %v, want %v in any order", got, want)
		}
		b.Add(11)
		synctest.Wait()
		if want := []int{1, 2, 10, 11, 2}; !slices.Equal(got, want) {
			t.Errorf("merged %v, want %v: the last value and the number of sequences that ended before Merge did", got, want)
		}
	})
}

// The end of one sequence ends all.
func TestMergeEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		open := NewLog[int](9)
		short := func(context.Context) iter.Seq[int] { return slices.Values([]int{1, 2}) }
		long := func(ctx context.Context) iter.Seq[int] { return open.Follow(ctx, 0) }
		if got, want := slices.Collect(Merge(t.Context(), short, long)), []int{1, 2}; !slices.Equal(got, want) {
			t.Errorf("merged %v, want %v", got, want)
		}
	})
}

// The end of the context ends a reader that waits.
func TestMergeContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLog[int](9)
		ctx, cancel := context.WithCancel(t.Context())
		over := false
		go func() {
			for range Merge(ctx, func(ctx context.Context) iter.Seq[int] { return l.Follow(ctx, 0) }) {
				t.Error("merged a value, want none")
			}
			over = true
		}()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if !over {
			t.Error("the reader goes on after the end of its context")
		}
	})
}
