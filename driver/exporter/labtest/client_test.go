package labtest

import (
	"context"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"starproxy/driver/frames"
	"starproxy/driver/pb"
)

// session is an exporter's session with little to say.
type session struct {
	pb.UnimplementedExporterServiceServer
	mu     sync.Mutex
	status pb.ExporterStatus
	ended  int
	asked  int // for its status since it ended
}

func (s *session) GetStatus(context.Context, *pb.GetStatusRequest) (*pb.GetStatusResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended > 0 {
		if s.asked++; s.asked > 2 {
			s.status = pb.ExporterStatus_EXPORTER_STATUS_AVAILABLE
		}
	}
	return &pb.GetStatusResponse{Status: s.status}, nil
}

func (s *session) EndSession(context.Context, *pb.EndSessionRequest) (*pb.EndSessionResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended++
	s.status = pb.ExporterStatus_EXPORTER_STATUS_AFTER_LEASE_HOOK
	return &pb.EndSessionResponse{Success: true}, nil
}

// tunnelListener accepts the tunnels of a lease.
type tunnelListener struct {
	tokens pb.ControllerService_ListenClient
	router pb.RouterServiceClient
	ctx    context.Context
	cancel context.CancelFunc
}

func (l *tunnelListener) Accept() (net.Conn, error) {
	token, err := l.tokens.Recv()
	if err != nil {
		return nil, net.ErrClosed
	}
	ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(l.ctx, "authorization", "Bearer "+token.GetRouterToken()))
	stream, err := l.router.Stream(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	return frames.New(stream, frames.Options{Cancel: cancel, Local: "exporter"}), nil
}

func (l *tunnelListener) Close() error   { l.cancel(); return nil }
func (l *tunnelListener) Addr() net.Addr { return &net.UnixAddr{Name: "tunnels"} }

// serve serves the tunnels of a lease with a session.
func (w *world) serve(lease string) *session {
	w.t.Helper()
	router, err := grpc.NewClient(w.router.addr, w.trusted())
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.ctx)
	tokens, err := w.bench.Listen(ctx, &pb.ListenRequest{LeaseName: lease})
	if err != nil {
		w.t.Fatal(err)
	}
	w.awaitListen(lease)
	s := &session{status: pb.ExporterStatus_EXPORTER_STATUS_LEASE_READY}
	server := grpc.NewServer()
	pb.RegisterExporterServiceServer(server, s)
	go server.Serve(&tunnelListener{tokens, pb.NewRouterServiceClient(router), ctx, cancel})
	w.t.Cleanup(func() { server.Stop(); router.Close() })
	return s
}

// TestClient leases an exporter, calls its session in several ways and ends the
// lease.
func TestClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	lease, err := w.alice.Lease(w.ctx, "device=x", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	w.told(lease)
	s := w.serve(lease)
	w.report(pb.ExporterStatus_EXPORTER_STATUS_LEASE_READY)
	call := func(conn *grpc.ClientConn) {
		t.Helper()
		if _, err := pb.NewExporterServiceClient(conn).GetStatus(w.ctx, &pb.GetStatusRequest{}); err != nil {
			t.Error(err)
		}
	}
	if _, err := w.alice.Token(w.ctx, lease); err != nil { // a tunnel without another half
		t.Fatal(err)
	}
	if err := w.alice.EmptyTunnel(w.ctx, lease); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	path, err := w.alice.Serve(ctx, lease)
	if err != nil {
		t.Fatal(err)
	}
	before := w.Dials()
	for range 2 {
		conn, err := grpc.NewClient("unix://"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		call(conn)
	}
	if n := w.Dials() - before; n != 2 {
		t.Errorf("%d tunnels for two connections", n)
	}
	if err := w.alice.End(w.ctx, lease); err != nil {
		t.Fatal(err)
	}
	w.told("")
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != 1 || s.status != pb.ExporterStatus_EXPORTER_STATUS_AVAILABLE {
		t.Errorf("the session was ended %d times and is %v", s.ended, s.status)
	}
	var methods []string
	for _, c := range w.Exporter("bench").Calls {
		methods = append(methods, c.Method)
	}
	if want := []string{"ReportStatus", "Status", "Listen", "ReportStatus"}; !slices.Equal(methods, want) {
		t.Errorf("calls of the exporter: %v, want %v", methods, want)
	}
}

// TestEmptyTunnel holds what the exporter receives of a tunnel that is closed at
// once: an end, and no byte.
func TestEmptyTunnel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	lease := w.create("device=x", "", time.Hour)
	w.report(pb.ExporterStatus_EXPORTER_STATUS_LEASE_READY)
	tokens, err := w.bench.Listen(w.ctx, &pb.ListenRequest{LeaseName: lease})
	if err != nil {
		t.Fatal(err)
	}
	w.awaitListen(lease)
	if err := w.alice.EmptyTunnel(w.ctx, lease); err != nil {
		t.Fatal(err)
	}
	token, err := tokens.Recv()
	if err != nil {
		t.Fatal(err)
	}
	e := openEnd(t, w.Lab, "Bearer "+token.GetRouterToken())
	e.expect("", pb.FrameType_FRAME_TYPE_GOAWAY)
	if err := e.stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := e.stream.Recv(); err != io.EOF {
		t.Errorf("the end of the tunnel: %v, want EOF", err)
	}
}
