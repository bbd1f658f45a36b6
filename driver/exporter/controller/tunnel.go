package controller

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"starproxy/driver/frames"
	"starproxy/driver/pb"
)

const (
	// maxWaiting bounds the tokens that wait for the beforeLease hook; the
	// oldest are dropped, for their clients have tried again by then.
	maxWaiting = 256
	// maxTunnels bounds the open tunnels of a lease.
	maxTunnels = 4096
	// tunnelLimit is how long a router may take to accept a tunnel.
	tunnelLimit = 30 * time.Second
	// departing is how long the last words of tunnels may take at the end of a
	// lease.
	departing = 100 * time.Millisecond
)

// tunnels are the connections of a lease's clients. It is the listener of the
// session's server.
type tunnels struct {
	log     *slog.Logger
	name    string
	routers *routers
	count   func(open int)
	ctx     context.Context // of all tunnels
	cancel  context.CancelFunc
	conns   chan net.Conn // accepted next
	ended   chan struct{} // closed by Close
	endOnce sync.Once
	running sync.WaitGroup

	mu       sync.Mutex
	released bool
	waiting  []*pb.ListenResponse
	open     map[*tunnel]struct{}
	begun    int // open ones, and those that are being opened
	full     bool
}

// tunnel is one connection through a router.
type tunnel struct {
	*frames.Conn
	spoke atomic.Bool // the client has sent something
}

// Read notes that the client speaks: many tunnels never have a client.
func (t *tunnel) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	if n > 0 {
		t.spoke.Store(true)
	}
	return n, err
}

func newTunnels(log *slog.Logger, name string, dialing func() (*dialing, error), count func(int)) *tunnels {
	t := &tunnels{log: log, name: name, routers: newRouters(dialing), count: count, conns: make(chan net.Conn),
		ended: make(chan struct{}), open: map[*tunnel]struct{}{}}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// add opens the tunnel of a token, now or when the tunnels are released.
func (t *tunnels) add(token *pb.ListenResponse) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.released {
		if len(t.waiting) == maxWaiting {
			t.waiting = t.waiting[1:]
		}
		t.waiting = append(t.waiting, token)
		return
	}
	t.start(token)
}

// release lets the tunnels in that wait, and all that come.
func (t *tunnels) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.released = true
	for _, token := range t.waiting {
		t.start(token)
	}
	t.waiting = nil
}

// start opens a tunnel in the background; mu is held.
func (t *tunnels) start(token *pb.ListenResponse) {
	switch {
	case t.ctx.Err() != nil:
		return
	case t.begun == maxTunnels:
		if !t.full {
			t.full = true
			t.log.Warn("a tunnel is refused, for the lease has too many", "most", maxTunnels)
		}
		return
	}
	t.full = false
	t.begun++
	t.running.Go(func() {
		if err := t.connect(token); err != nil {
			t.forget(nil)
			if t.ctx.Err() == nil {
				t.log.Warn("a tunnel was not opened", "router", token.GetRouterEndpoint(), "error", err)
			}
		}
	})
}

// connect opens a tunnel and hands it to the server. The router answers only
// when the client has come as well, so that is not waited for: the server
// speaks first.
func (t *tunnels) connect(token *pb.ListenResponse) error {
	conn, release, err := t.routers.acquire(token.GetRouterEndpoint())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(t.ctx)
	limit := time.AfterFunc(tunnelLimit, cancel)
	call, err := pb.NewRouterServiceClient(conn).Stream(
		metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token.GetRouterToken()), grpc.WaitForReady(true))
	if !limit.Stop() && err == nil {
		err = context.DeadlineExceeded
	}
	if err != nil {
		cancel()
		release()
		return err
	}
	end := &tunnel{}
	t.mu.Lock()
	t.open[end] = struct{}{}
	n := len(t.open)
	end.Conn = frames.New(call, frames.Options{
		Cancel: cancel, Local: "lease/" + t.name, Remote: token.GetRouterEndpoint(), Error: t.judge,
		Gone: func() { release(); t.forget(end) },
	})
	t.mu.Unlock()
	t.count(n)
	select {
	case t.conns <- end:
	case <-t.ended:
		end.Close()
	case <-ctx.Done():
		end.Close()
	}
	return nil
}

// judge logs the end of a tunnel that is none of the usual ones.
func (t *tunnels) judge(err error) error {
	switch status.Code(err) {
	case codes.Unauthenticated, codes.PermissionDenied:
		t.log.Warn("the router refuses a tunnel", "error", err)
	case codes.Canceled, codes.OK:
	default:
		t.log.Debug("a tunnel broke", "error", err)
	}
	return err
}

// forget notes that a tunnel is gone; nil is one that never was open.
func (t *tunnels) forget(end *tunnel) {
	t.mu.Lock()
	t.begun--
	delete(t.open, end)
	n := len(t.open)
	t.mu.Unlock()
	if end != nil {
		t.count(n)
	}
}

// each calls f for every open tunnel.
func (t *tunnels) each(f func(*tunnel)) {
	t.mu.Lock()
	ends := make([]*tunnel, 0, len(t.open))
	for end := range t.open {
		ends = append(ends, end)
	}
	t.mu.Unlock()
	for _, end := range ends {
		f(end)
	}
}

// hangUp ends the tunnels that no client has spoken through, and opens no more.
func (t *tunnels) hangUp() {
	t.mu.Lock()
	t.released, t.waiting = false, nil
	t.mu.Unlock()
	t.each(func(end *tunnel) {
		if !end.spoke.Load() {
			end.Close()
		}
	})
}

// cut ends all tunnels.
func (t *tunnels) cut() { t.each(func(end *tunnel) { end.Close() }) }

// close ends all tunnels and returns when nothing of them is left. The server
// is closed by now.
func (t *tunnels) close() {
	t.Close()
	t.cut()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		t.each(func(end *tunnel) { end.Wait() })
	}()
	timer := time.NewTimer(departing)
	defer timer.Stop()
	select {
	case <-gone:
	case <-timer.C:
	}
	t.cancel()
	t.running.Wait()
	<-gone
	t.each(func(end *tunnel) { end.Wait() })
	t.routers.close()
}

// Accept returns the next tunnel.
func (t *tunnels) Accept() (net.Conn, error) {
	select {
	case conn := <-t.conns:
		return conn, nil
	case <-t.ended:
		return nil, net.ErrClosed
	}
}

// Close makes Accept fail; the tunnels stay.
func (t *tunnels) Close() error {
	t.endOnce.Do(func() { close(t.ended) })
	return nil
}

// Addr returns the name of the lease.
func (t *tunnels) Addr() net.Addr { return tunnelAddr("lease/" + t.name) }

type tunnelAddr string

func (tunnelAddr) Network() string  { return "jumpstarter" }
func (a tunnelAddr) String() string { return string(a) }

// Interface guards.
var (
	_ net.Listener = (*tunnels)(nil)
)
