package controller

import (
	"context"
	"time"

	"starproxy/driver"
	"starproxy/driver/exporter"
)

// opening is a session to be opened, see Options.Open.
type opening struct {
	config     *exporter.Config
	lease      *driver.Lease
	endSession func() (bool, string)
	slow       func() // called once if it takes long; may be nil
}

// openSession opens a session. An exporter that is told to stop waits for a
// moment only; a session that comes later is closed.
func (r *runner) openSession(ctx, stop context.Context, o opening) (Session, error) {
	type opened struct {
		session Session
		err     error
	}
	done := make(chan opened, 1)
	go func() {
		s, err := r.options.Open(ctx, o.config, o.lease, o.endSession)
		done <- opened{s, err}
	}()
	slow := time.NewTimer(r.pace.first)
	defer slow.Stop()
	late := make(chan struct{})
	defer context.AfterFunc(stop, func() { time.AfterFunc(openLimit, func() { close(late) }) })()
	for {
		select {
		case o := <-done:
			return o.session, o.err
		case <-slow.C:
			if o.slow != nil {
				o.slow()
			}
		case <-late:
			go func() {
				if o := <-done; o.err == nil {
					o.session.Close()
				}
			}()
			return nil, context.Cause(stop)
		}
	}
}
