package labtest

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"starproxy/driver/frames"
	"starproxy/driver/pb"
)

func newLab(t *testing.T, o Options) *Lab {
	t.Helper()
	l, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func patience(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// exporter is a client of the controller that is an exporter.
func exporter(t *testing.T, l *Lab, md map[string]string) pb.ControllerServiceClient {
	t.Helper()
	conn, err := grpc.NewClient(l.Endpoint(), l.trusted(), grpc.WithPerRPCCredentials(identity(md)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return pb.NewControllerServiceClient(conn)
}

func asBench(t *testing.T, l *Lab) map[string]string {
	t.Helper()
	token, err := l.Token("exporter", "bench", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"authorization": "Bearer " + token, "jumpstarter-kind": "Exporter", "jumpstarter-namespace": Namespace, "jumpstarter-name": "bench"}
}

// TestRefusals holds the texts with which the controller refuses a call.
func TestRefusals(t *testing.T) {
	t.Parallel()
	l := newLab(t, Options{})
	l.AddExporter("bench", nil)
	good := asBench(t, l)
	expired, err := l.Token("exporter", "bench", -time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	client, err := l.Token("client", "alice", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		key, value string
		code       codes.Code
		text       string
	}{
		{"authorization", "", codes.Unauthenticated, "missing authorization header"},
		{"authorization", "Basic x", codes.InvalidArgument, "malformed authorization header"},
		{"authorization", "Bearer x", codes.Unknown, "failed to authenticate token"},
		{"authorization", good["authorization"] + "x", codes.Unknown, "oidc: verify token: failed to verify signature"},
		{"authorization", "Bearer " + expired, codes.Unknown, "oidc: verify token: oidc: token is expired (Token Expiry: "},
		{"authorization", "Bearer " + client, codes.PermissionDenied, "permission denied for exporter lab/bench"},
		{"jumpstarter-kind", "", codes.InvalidArgument, "missing metadata: jumpstarter-kind"},
		{"jumpstarter-kind", "Client", codes.InvalidArgument, "object kind mismatch"},
		{"jumpstarter-namespace", "other", codes.Unknown, `exporter other/bench: exporters.jumpstarter.dev "bench" not found`},
		{"jumpstarter-name", "", codes.InvalidArgument, "resource name required for pre-existing authentication"},
		{"jumpstarter-name", "other", codes.Unknown, `exporter lab/other: exporters.jumpstarter.dev "other" not found`},
	} {
		md := map[string]string{}
		for k, v := range good {
			md[k] = v
		}
		if md[c.key] = c.value; c.value == "" {
			delete(md, c.key)
		}
		_, err := exporter(t, l, md).Register(patience(t), &pb.RegisterRequest{})
		if s := status.Convert(err); s.Code() != c.code || !strings.HasPrefix(s.Message(), c.text) {
			t.Errorf("%s %q: %v, want %s %s", c.key, c.value, err, c.code, c.text)
		}
	}
	if _, err := exporter(t, l, good).Register(patience(t), &pb.RegisterRequest{}); err != nil {
		t.Errorf("a good call: %v", err)
	}
	l.AddExporter("bench", nil) // made anew
	if _, err := exporter(t, l, good).Register(patience(t), &pb.RegisterRequest{}); status.Code(err) != codes.PermissionDenied {
		t.Errorf("a token of the old object: %v", err)
	}
}

// TestLease follows a lease from its begin to its end, as an exporter sees it.
func TestLease(t *testing.T) {
	t.Parallel()
	l := newLab(t, Options{DialWait: 50 * time.Millisecond})
	l.AddExporter("bench", map[string]string{"device": "x"})
	ctx := patience(t)
	e := exporter(t, l, asBench(t, l))
	report := func(s pb.ExporterStatus) {
		t.Helper()
		if _, err := e.ReportStatus(ctx, &pb.ReportStatusRequest{Status: s}); err != nil {
			t.Fatal(err)
		}
	}
	report(pb.ExporterStatus_EXPORTER_STATUS_AVAILABLE)
	stream, err := e.Status(ctx, &pb.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	next := func(want string) {
		t.Helper()
		if r, err := stream.Recv(); err != nil || r.GetLeaseName() != want || r.GetLeased() != (want != "") {
			t.Fatalf("Status says %v, %v, want lease %q", r, err, want)
		}
	}
	next("")
	alice, err := l.NewClient("alice")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(alice.Close)
	lease, err := alice.Lease(ctx, "device=x", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	next(lease)
	if _, err := alice.Token(ctx, lease); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("a Dial before the exporter is ready: %v", err)
	}
	report(pb.ExporterStatus_EXPORTER_STATUS_LEASE_READY)
	if _, err := alice.Token(ctx, lease); status.Code(err) != codes.Unavailable {
		t.Errorf("a Dial without Listen: %v", err)
	}
	older, err := e.Listen(ctx, &pb.ListenRequest{LeaseName: lease})
	if err == nil {
		err = l.Await(ctx, "Listen", func() bool { return l.listeners[lease] != nil })
	}
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := e.Listen(ctx, &pb.ListenRequest{LeaseName: lease})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := older.Recv(); err != io.EOF {
		t.Errorf("the older Listen ended with %v", err)
	}
	if err := tunnel(ctx, l, alice, lease, tokens); err != nil {
		t.Error(err)
	}
	if err := alice.Delete(ctx, lease); err != nil {
		t.Fatal(err)
	}
	next("")
}

// tunnel opens a tunnel and passes bytes through it.
func tunnel(ctx context.Context, l *Lab, alice *Client, lease string, tokens grpc.ServerStreamingClient[pb.ListenResponse]) error {
	conn, err := alice.Dial(ctx, lease)
	if err != nil {
		return err
	}
	defer conn.Close()
	token, err := tokens.Recv()
	if err != nil {
		return err
	}
	router, err := grpc.NewClient(token.GetRouterEndpoint(), l.trusted())
	if err != nil {
		return err
	}
	defer router.Close()
	call, cancel := context.WithCancel(metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token.GetRouterToken()))
	defer cancel()
	stream, err := pb.NewRouterServiceClient(router).Stream(call)
	if err != nil {
		return err
	}
	other := frames.New(stream, frames.Options{Cancel: cancel})
	go func() {
		io.Copy(other, other)
		other.CloseWrite()
	}()
	if _, err := conn.Write([]byte("hello")); err != nil {
		return err
	}
	if err := conn.CloseWrite(); err != nil {
		return err
	}
	got, err := io.ReadAll(conn)
	if err == nil && string(got) != "hello" {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// TestFaults tries what a lab can do to an exporter.
func TestFaults(t *testing.T) {
	t.Parallel()
	l := newLab(t, Options{WarmUp: 100 * time.Millisecond})
	l.AddExporter("bench", nil)
	ctx := patience(t)
	e := exporter(t, l, asBench(t, l))
	register := func() error {
		_, err := e.Register(ctx, &pb.RegisterRequest{}, grpc.WaitForReady(true))
		return err
	}
	if err := register(); status.Convert(err).Message() != "oidc: authenticator not initialized" {
		t.Errorf("while it starts: %v", err)
	}
	for register() != nil {
		time.Sleep(10 * time.Millisecond)
	}
	l.Fail(status.Error(codes.Unknown, "refused"))
	if err := register(); status.Convert(err).Message() != "refused" {
		t.Errorf("Fail: %v", err)
	}
	l.Fail(nil)
	stream, err := e.Status(ctx, &pb.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	l.EndStatus(status.Error(codes.Unknown, "watch channel closed"))
	if _, err := stream.Recv(); status.Convert(err).Message() != "watch channel closed" {
		t.Errorf("EndStatus: %v", err)
	}
	l.Kill()
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := e.Register(short, &pb.RegisterRequest{}); err == nil {
		t.Error("a controller that is gone answered")
	}
	if err := l.Restart(); err != nil {
		t.Fatal(err)
	}
	l.Stall()
	short, cancel = context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := e.Register(short, &pb.RegisterRequest{}, grpc.WaitForReady(true)); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("a stalled network: %v", err)
	}
	l.Resume()
	for register() != nil {
		time.Sleep(10 * time.Millisecond)
	}
}
