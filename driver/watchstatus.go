package driver

import (
	"context"
	"iter"
	"time"
)

// statusPace is how often who watches the status hears of changes.
const statusPace = 500 * time.Millisecond

func (d *Driver) watchStatus(ctx context.Context) (iter.Seq2[any, error], error) {
	return func(yield func(any, error) bool) {
		tick := time.NewTicker(statusPace)
		defer tick.Stop()
		last := ""
		for {
			now, err := d.status(ctx)
			if err != nil {
				yield(nil, err)
				return
			}
			if now != last && !yield(now, nil) {
				return
			}
			last = now
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}, nil
}
