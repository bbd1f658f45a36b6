package controller

import (
	"context"
	"sync"

	"google.golang.org/grpc"

	"starproxy/builtins/follow"
	"starproxy/driver/exporter"
	"starproxy/driver/pb"
)

// link is one connection to the controller, with what it was made from.
type link struct {
	pb.ControllerServiceClient
	conn    *grpc.ClientConn
	config  *exporter.Config
	dialing *dialing
	// fail gives the link up, because of what a call on it has shown.
	fail context.CancelCauseFunc
	over <-chan struct{} // closed when it was given up
}

// newLink makes a link that lasts until ctx ends at most.
func newLink(ctx context.Context, c *exporter.Config) (*link, context.Context, error) {
	d, err := newDialing(c)
	if err != nil {
		return nil, nil, err
	}
	conn, err := d.open(c.Endpoint, grpc.WithPerRPCCredentials(bearer{c}))
	if err != nil {
		return nil, nil, err
	}
	ctx, fail := context.WithCancelCause(ctx)
	return &link{ControllerServiceClient: pb.NewControllerServiceClient(conn), conn: conn, config: c, dialing: d, fail: fail,
		over: ctx.Done()}, ctx, nil
}

// close ends all calls on the link.
func (l *link) close() {
	l.fail(nil)
	l.conn.Close()
}

// judge gives the link up if err says that the controller refuses the exporter.
func (l *link) judge(err error) {
	if faultOf(err).refusal() {
		l.fail(err)
	}
}

// links holds the link on which the exporter is registered.
type links struct {
	mu      sync.Mutex
	link    *link // nil for none
	changed follow.Signal
}

// put replaces the link; nil says that there is none.
func (l *links) put(next *link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.link = next
	l.changed.Notify()
}

// get waits for a link that is not given up; nil when ctx ends.
func (l *links) get(ctx context.Context) *link {
	for {
		l.mu.Lock()
		link, changed := l.link, l.changed.Changed()
		l.mu.Unlock()
		if ctx.Err() != nil {
			return nil
		}
		if link != nil && !closed(link.over) {
			return link
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}
