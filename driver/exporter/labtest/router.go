package labtest

import (
	"context"
	"strings"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"starproxy/driver/pb"
)

// tunnels are the streams at the router.
type tunnels struct {
	mu      sync.Mutex
	waiting map[string]*half
	open    map[*half]struct{} // pairs, by their first half
}

func newTunnels() *tunnels {
	return &tunnels{waiting: map[string]*half{}, open: map[*half]struct{}{}}
}

// half is the first stream of a pair.
type half struct {
	peer chan pb.RouterService_StreamServer
	cut  chan struct{} // closed to break the pair
	over chan struct{} // closed when the pair has ended
	err  error         // why; valid after over
	once sync.Once
}

// CutTunnel breaks one of the tunnels that are open, and reports whether there
// was one.
func (l *Lab) CutTunnel() bool {
	l.tunnels.mu.Lock()
	defer l.tunnels.mu.Unlock()
	for h := range l.tunnels.open {
		h.once.Do(func() { close(h.cut) })
		delete(l.tunnels.open, h)
		return true
	}
	return false
}

// CutTunnels breaks the tunnels that are open and returns how many they were.
func (l *Lab) CutTunnels() int {
	l.tunnels.mu.Lock()
	defer l.tunnels.mu.Unlock()
	for h := range l.tunnels.open {
		h.once.Do(func() { close(h.cut) })
	}
	return len(l.tunnels.open)
}

// Tunnels returns how many pairs are open, and how many halves wait for another.
func (l *Lab) Tunnels() (open, waiting int) {
	l.tunnels.mu.Lock()
	defer l.tunnels.mu.Unlock()
	return len(l.tunnels.open), len(l.tunnels.waiting)
}

type routerService struct {
	pb.UnimplementedRouterServiceServer
	*Lab
}

// Stream pairs two streams whose tokens name the same tunnel and passes their
// frames on as they are. It sends headers only with the first frame. A third
// stream of a tunnel waits for a fourth.
func (r *routerService) Stream(stream pb.RouterService_StreamServer) error {
	id, err := r.tunnelOf(stream.Context())
	if err != nil {
		return err
	}
	t := r.tunnels
	t.mu.Lock()
	if first := t.waiting[id]; first != nil {
		delete(t.waiting, id)
		t.open[first] = struct{}{}
		t.mu.Unlock()
		first.peer <- stream
		// The first half relays both ways; this one lasts as long.
		<-first.over
		return first.err
	}
	mine := &half{peer: make(chan pb.RouterService_StreamServer, 1), cut: make(chan struct{}), over: make(chan struct{})}
	t.waiting[id] = mine
	t.mu.Unlock()
	defer close(mine.over)
	select {
	case peer := <-mine.peer:
		defer t.forget(mine)
		mine.err = mine.relay(stream, peer)
		return mine.err
	case <-stream.Context().Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting[id] == mine {
		delete(t.waiting, id)
	}
	delete(t.open, mine) // the other half may have come at the same moment
	return nil
}

// tunnelOf returns the tunnel that the token of a stream is for.
func (r *routerService) tunnelOf(ctx context.Context) (string, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	auth := md.Get("authorization")
	if len(auth) != 1 {
		return "", status.Error(codes.Unauthenticated, "missing or invalid authorization: missing authorization header")
	}
	token, ok := strings.CutPrefix(auth[0], "Bearer ")
	if !ok {
		return "", status.Error(codes.Unauthenticated, "missing or invalid authorization: malformed authorization header")
	}
	id, err := r.verify(token, tunnelIssuer, tunnelAudience)
	if err != nil {
		return "", status.Error(codes.Unauthenticated, "invalid jwt token")
	}
	return id, nil
}

func (t *tunnels) forget(h *half) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, h)
}

// relay passes frames on in both directions until both have ended, or one is
// broken.
func (h *half) relay(a, b pb.RouterService_StreamServer) error {
	done := make(chan error, 2)
	pass := func(from, to pb.RouterService_StreamServer) {
		for {
			f, err := from.Recv()
			if err == nil {
				err = to.Send(&pb.StreamResponse{Payload: f.GetPayload(), FrameType: f.GetFrameType()})
			}
			if err != nil {
				done <- err
				return
			}
		}
	}
	go pass(a, b)
	go pass(b, a)
	for range 2 {
		select {
		case <-done:
		case <-a.Context().Done():
			return nil
		case <-b.Context().Done():
			return nil
		case <-h.cut:
			return status.Error(codes.Unavailable, "the tunnel was cut")
		}
	}
	return nil
}
