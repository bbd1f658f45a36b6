package follow

import (
	"context"
	"iter"
	"sync"
)

// Merge yields the values of several sequences as they come, those of one sequence
// in their order. It ends with ctx, or as soon as one of the sequences has ended.
//
// Each sequence is made and read on a goroutine of its own. The context that it is
// given ends when the reader breaks off; Merge returns after all sequences have.
func Merge[T any](ctx context.Context, sequences ...func(context.Context) iter.Seq[T]) iter.Seq[T] {
	return func(yield func(T) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var running sync.WaitGroup
		defer running.Wait()
		defer cancel()
		values := make(chan T)
		for _, sequence := range sequences {
			running.Go(func() {
				defer cancel()
				for v := range sequence(ctx) {
					select {
					case values <- v:
					case <-ctx.Done():
						return
					}
				}
			})
		}
		for {
			select {
			case v := <-values:
				if !yield(v) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}
