package driver

import (
	"context"
	"iter"
	"reflect"
	"time"

	"starproxy/builtins/follow"
)

// statusPace is the shortest time between two reports of watch_status.
const statusPace = 500 * time.Millisecond

// watchStatus streams the status when it changes.
func (d *Driver) watchStatus(ctx context.Context) (iter.Seq2[any, error], error) {
	return func(yield func(any, error) bool) {
		for s := range d.reports(ctx, statusPace) {
			if !yield(s, nil) {
				return
			}
		}
	}, nil
}

// reports yields the status, and then each other one until ctx ends. A change after
// a quiet time is told at once. Changes within pace of a report are told together.
func (d *Driver) reports(ctx context.Context, pace time.Duration) iter.Seq[*statusReport] {
	return func(yield func(*statusReport) bool) {
		var last *statusReport
		for {
			changes := d.changes()
			now := d.report()
			if !reflect.DeepEqual(now, last) && !yield(now) {
				return
			}
			last = now
			rest := time.After(pace)
			if !follow.Any(ctx, changes...) {
				return
			}
			select {
			case <-rest:
			case <-ctx.Done():
				return
			}
		}
	}
}

// changes returns channels of which one is closed when the status changes next. They
// have to be taken before the status is read.
func (d *Driver) changes() []<-chan struct{} {
	list := []<-chan struct{}{
		d.changed.Changed(), d.web.changed.Changed(), d.endpoints.Changed(), d.endpoints.Script.PendingChanged(),
		d.state.Changed(), d.webhooks.next(), d.journal.Changed(), d.authority.opened(),
	}
	if r := d.run.Load(); r != nil && r.recorder != nil {
		list = append(list, r.recorder.Changed())
	}
	return list
}
