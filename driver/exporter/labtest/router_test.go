package labtest

import (
	"context"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"starproxy/driver/pb"
)

// end is one end of a tunnel.
type end struct {
	t      *testing.T
	stream pb.RouterService_StreamClient
	cancel context.CancelFunc
}

// openEnd opens a stream at the router with an authorization.
func openEnd(t *testing.T, l *Lab, authorization string) *end {
	t.Helper()
	conn, err := grpc.NewClient(l.router.addr, l.trusted())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ctx, cancel := context.WithCancel(patience(t))
	if authorization != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", authorization)
	}
	stream, err := pb.NewRouterServiceClient(conn).Stream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return &end{t, stream, cancel}
}

// ends opens both ends of a tunnel; the first one waits before the second comes.
func ends(t *testing.T, l *Lab, id string) (*end, *end) {
	t.Helper()
	token := tunnelToken(t, l, id)
	a := openEnd(t, l, token)
	l.awaitTunnels(t, 0, 1)
	b := openEnd(t, l, token)
	l.awaitTunnels(t, 1, 0)
	return a, b
}

func tunnelToken(t *testing.T, l *Lab, id string) string {
	t.Helper()
	token, err := l.sign(tunnelIssuer, tunnelAudience, id, tunnelLife)
	if err != nil {
		t.Fatal(err)
	}
	return "Bearer " + token
}

func (l *Lab) awaitTunnels(t *testing.T, open, waiting int) {
	t.Helper()
	for ctx := patience(t); ; time.Sleep(time.Millisecond) {
		o, w := l.Tunnels()
		if o == open && w == waiting {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("%d tunnels are open and %d wait, want %d and %d", o, w, open, waiting)
		}
	}
}

func (e *end) send(payload string, kind pb.FrameType) {
	e.t.Helper()
	if err := e.stream.Send(&pb.StreamRequest{Payload: []byte(payload), FrameType: kind}); err != nil {
		e.t.Fatal(err)
	}
}

func (e *end) expect(payload string, kind pb.FrameType) {
	e.t.Helper()
	if f, err := e.stream.Recv(); err != nil || string(f.GetPayload()) != payload || f.GetFrameType() != kind {
		e.t.Fatalf("got %v, %v, want %q of type %d", f, err, payload, kind)
	}
}

// TestRelay passes frames through a tunnel: headers come with the first frame of
// the other end, frames stay as they are, and an end that has closed its half
// still receives.
func TestRelay(t *testing.T) {
	t.Parallel()
	l := newLab(t, Options{})
	token := tunnelToken(t, l, "tunnel")
	a := openEnd(t, l, token)
	a.send("early", pb.FrameType_FRAME_TYPE_DATA)
	l.awaitTunnels(t, 0, 1)
	headers := make(chan error, 1)
	go func() {
		_, err := a.stream.Header()
		headers <- err
	}()
	b := openEnd(t, l, token)
	b.expect("early", pb.FrameType_FRAME_TYPE_DATA)
	select {
	case err := <-headers:
		t.Errorf("headers came before the other end had sent a frame: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	b.send("ping", pb.FrameType_FRAME_TYPE_PING)
	if err := <-headers; err != nil {
		t.Errorf("headers: %v", err)
	}
	a.expect("ping", pb.FrameType_FRAME_TYPE_PING)
	a.send("", 42)
	b.expect("", 42)
	if err := a.stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	b.send("late", pb.FrameType_FRAME_TYPE_DATA)
	a.expect("late", pb.FrameType_FRAME_TYPE_DATA)
	if err := b.stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	for name, e := range map[string]*end{"first": a, "second": b} {
		if _, err := e.stream.Recv(); err != io.EOF {
			t.Errorf("the %s end: %v, want EOF", name, err)
		}
	}
	l.awaitTunnels(t, 0, 0)
	openEnd(t, l, token)
	l.awaitTunnels(t, 0, 1) // a used token waits for another
}

// TestTunnelTokens holds how the router refuses a token.
func TestTunnelTokens(t *testing.T) {
	t.Parallel()
	l := newLab(t, Options{})
	good := tunnelToken(t, l, "tunnel")
	old, err := l.sign(tunnelIssuer, tunnelAudience, "tunnel", -time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	object, err := l.Token("client", "alice", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ authorization, text string }{
		{"", "missing or invalid authorization: missing authorization header"},
		{"Basic x", "missing or invalid authorization: malformed authorization header"},
		{"Bearer x", "invalid jwt token"},
		{good[:len(good)-8] + "AAAAAAAA", "invalid jwt token"},
		{"Bearer " + old, "invalid jwt token"},
		{"Bearer " + object, "invalid jwt token"},
	} {
		_, err := openEnd(t, l, c.authorization).stream.Recv()
		if s := status.Convert(err); s.Code() != codes.Unauthenticated || s.Message() != c.text {
			t.Errorf("%.20q: %v, want %q", c.authorization, err, c.text)
		}
	}
}

// TestCut breaks one tunnel of two, then the other with the router.
func TestCut(t *testing.T) {
	t.Parallel()
	l := newLab(t, Options{})
	var whole, cut []*end
	one, two := ends(t, l, "one")
	token := tunnelToken(t, l, "two")
	three, four := openEnd(t, l, token), openEnd(t, l, token)
	l.awaitTunnels(t, 2, 0)
	if !l.CutTunnel() {
		t.Fatal("no tunnel to cut")
	}
	l.awaitTunnels(t, 1, 0)
	for _, pair := range [][]*end{{one, two}, {three, four}} {
		// A broken end takes what is sent, or says EOF.
		pair[0].stream.Send(&pb.StreamRequest{Payload: []byte("alive"), FrameType: pb.FrameType_FRAME_TYPE_DATA})
		switch f, err := pair[1].stream.Recv(); {
		case status.Code(err) == codes.Unavailable:
			cut = append(cut, pair...)
		case err != nil || string(f.GetPayload()) != "alive":
			t.Errorf("got %v, %v", f, err)
		default:
			whole = append(whole, pair...)
		}
	}
	if len(cut) != 2 || len(whole) != 2 {
		t.Fatalf("%d ends are cut and %d whole, want 2 and 2", len(cut), len(whole))
	}
	if _, err := cut[0].stream.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("the other end of the cut tunnel: %v", err)
	}
	l.KillRouter()
	for _, e := range whole {
		if _, err := e.stream.Recv(); status.Code(err) != codes.Unavailable {
			t.Errorf("without a router: %v", err)
		}
	}
	if err := l.RestartRouter(); err != nil {
		t.Fatal(err)
	}
	ends(t, l, "three")
}
