package controller

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"starproxy/driver/frames"
	"starproxy/driver/pb"
)

// dial gives the exporter a token, as the controller does for a client.
func (l *lab) dial(lease string) (string, error) {
	token := uuid.NewString()
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.listeners[lease]
	if q == nil {
		return "", status.Errorf(codes.Unavailable, "exporter is not listening on lease %s", lease)
	}
	select {
	case q.tokens <- &pb.ListenResponse{RouterEndpoint: l.routerAddr, RouterToken: token}:
		return token, nil
	default:
		return "", status.Errorf(codes.ResourceExhausted, "listener buffer full on lease %s", lease)
	}
}

// half opens the client's end of a tunnel.
func (l *lab) half(ctx context.Context, token string) (*frames.Conn, error) {
	roots := x509.NewCertPool()
	ca, _ := x509.ParseCertificate(l.cert.Certificate[0])
	roots.AddCert(ca)
	cc, err := grpc.NewClient(l.routerAddr, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots})))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	call, err := pb.NewRouterServiceClient(cc).Stream(metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token))
	if err != nil {
		cancel()
		cc.Close()
		return nil, err
	}
	return frames.New(call, frames.Options{Cancel: cancel, Gone: func() { cc.Close() }}), nil
}

// client is one that has a tunnel to the session of a lease.
type client struct {
	pb.ExporterServiceClient
	conn   *grpc.ClientConn
	tunnel *frames.Conn
}

func (l *lab) client(lease string) (*client, error) {
	token, err := l.dial(lease)
	if err != nil {
		return nil, err
	}
	tunnel, err := l.half(context.Background(), token)
	if err != nil {
		return nil, err
	}
	used := false
	cc, err := grpc.NewClient("passthrough:///tunnel", grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithIdleTimeout(0),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			if used {
				return nil, io.ErrClosedPipe
			}
			used = true
			return tunnel, nil
		}))
	if err != nil {
		return nil, err
	}
	return &client{pb.NewExporterServiceClient(cc), cc, tunnel}, nil
}

// mustClient waits for the exporter to listen, and connects.
func (l *lab) mustClient(lease string) *client {
	l.t.Helper()
	l.await("a Listen of "+lease, func() bool { return l.listeners[lease] != nil })
	c, err := l.client(lease)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(c.close)
	return c
}

func (c *client) close() {
	c.conn.Close()
	c.tunnel.Close()
	c.tunnel.Wait()
}

// half is the first stream with a token.
type half struct {
	peer chan pb.RouterService_StreamServer
	over chan struct{} // closed when it has ended
}

// router pairs streams with the same token and passes frames on.
type router struct {
	pb.UnimplementedRouterServiceServer
	lab *lab
}

func (r *router) Stream(stream pb.RouterService_StreamServer) error {
	md, _ := metadata.FromIncomingContext(stream.Context())
	auth := md.Get("authorization")
	if len(auth) != 1 || len(md.Get("jumpstarter-kind")) > 0 {
		return status.Error(codes.Unauthenticated, "missing or invalid authorization")
	}
	l := r.lab
	l.mu.Lock()
	first := l.halves[auth[0]]
	mine := &half{peer: make(chan pb.RouterService_StreamServer, 1), over: make(chan struct{})}
	if first == nil {
		l.halves[auth[0]] = mine
		l.waiting++
	} else {
		delete(l.halves, auth[0])
		l.waiting--
	}
	l.mu.Unlock()
	l.edit(func() {})
	if first != nil {
		first.peer <- stream
		// The first half relays both ways; this one lasts as long.
		select {
		case <-first.over:
		case <-stream.Context().Done():
		}
		return nil
	}
	defer close(mine.over)
	var peer pb.RouterService_StreamServer
	select {
	case peer = <-mine.peer:
	case <-stream.Context().Done():
		l.edit(func() {
			if l.halves[auth[0]] == mine {
				delete(l.halves, auth[0])
				l.waiting--
			}
		})
		return nil
	}
	done := make(chan struct{}, 2)
	relay := func(from, to pb.RouterService_StreamServer) {
		for {
			f, err := from.Recv()
			if err != nil {
				break
			}
			if to.Send(&pb.StreamResponse{Payload: f.GetPayload(), FrameType: f.GetFrameType()}) != nil {
				break
			}
		}
		done <- struct{}{}
	}
	go relay(stream, peer)
	go relay(peer, stream)
	<-done
	select {
	case <-done:
	case <-time.After(time.Second):
	}
	return nil
}
