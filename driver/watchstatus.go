package driver

import (
	"context"
	"iter"
	"time"

	"starproxy/builtins/follow"
)

// statusPace is the shortest time between two reports of watch_status.
const statusPace = 500 * time.Millisecond

// watchStatus streams the status when it changes.
func (r *reporter) watchStatus(ctx context.Context) (iter.Seq2[any, error], error) {
	return func(yield func(any, error) bool) {
		for s := range r.reports(ctx, statusPace) {
			if !yield(s, nil) {
				return
			}
		}
	}, nil
}

// reports yields the status, and then each other one until ctx ends, no faster than pace.
func (r *reporter) reports(ctx context.Context, pace time.Duration) iter.Seq[*statusReport] {
	return follow.Values(ctx, pace, r.changes, r.report)
}

// changes returns channels of which one is closed when the status changes next. They
// have to be taken before the status is read.
func (r *reporter) changes() []<-chan struct{} {
	list := []<-chan struct{}{
		r.life.changed.Changed(), r.web.changed.Changed(), r.endpoints.Changed(), r.endpoints.Script.PendingChanged(),
		r.states.state.Changed(), r.files.Changed(), r.webhooks.next(), r.journal.Changed(), r.authority.opened(),
		r.tlsFaults.table.Changed(), r.faultPlans.table.Changed(), r.networks.table.Changed(),
		r.handshakes.Changed(), r.clocks.clock.Changed(), r.looks.DevicesChanged(),
		r.holds.table.Changed(),
	}
	if now := r.life.run.Load(); now != nil && now.recorder != nil {
		list = append(list, now.recorder.Changed())
	}
	return list
}
