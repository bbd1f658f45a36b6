package client

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"starproxy/driver/pb"
)

// python answers as a stock exporter does where ours differs: it never ends a
// byte stream by itself, and its uuids repeat when the configuration has refs.
type python struct {
	pb.UnimplementedExporterServiceServer
	pb.UnimplementedRouterServiceServer
	reports []*pb.DriverInstanceReport
	got     chan string   // what each byte stream carried up to its GOAWAY
	ended   chan struct{} // told when a byte stream was cancelled
}

func (p *python) GetReport(context.Context, *emptypb.Empty) (*pb.GetReportResponse, error) {
	return &pb.GetReportResponse{Reports: p.reports, Motd: "hello"}, nil
}

func (p *python) DriverCall(_ context.Context, r *pb.DriverCallRequest) (*pb.DriverCallResponse, error) {
	switch r.GetMethod() {
	case "nothing":
		return &pb.DriverCallResponse{}, nil // no result at all
	case "mute":
		return nil, status.Error(codes.Unknown, "")
	}
	return nil, status.Error(codes.NotFound, "method\n"+r.GetMethod()+" not found")
}

func (p *python) Stream(s grpc.BidiStreamingServer[pb.StreamRequest, pb.StreamResponse]) error {
	md, _ := metadata.FromIncomingContext(s.Context())
	if strings.Contains(md.Get("request")[0], `"method":"refused"`) {
		return status.Error(codes.NotFound, "method refused not found on driver")
	}
	if err := s.SendHeader(metadata.MD{}); err != nil {
		return err
	}
	var all strings.Builder
	for {
		f, err := s.Recv()
		if err != nil || f.GetFrameType() == pb.FrameType_FRAME_TYPE_GOAWAY {
			break
		}
		all.Write(f.GetPayload())
	}
	for _, f := range []*pb.StreamResponse{
		{FrameType: pb.FrameType_FRAME_TYPE_PING, Payload: []byte("ignored")},
		{}, {Payload: []byte("re: ")}, {Payload: []byte(all.String())},
		{FrameType: pb.FrameType_FRAME_TYPE_GOAWAY}, {Payload: []byte("too late")},
	} {
		if err := s.Send(f); err != nil {
			return err
		}
	}
	p.got <- all.String()
	<-s.Context().Done()
	p.ended <- struct{}{}
	return nil
}

func report(id, parent, name, class string) *pb.DriverInstanceReport {
	r := &pb.DriverInstanceReport{Uuid: id, Labels: map[string]string{"jumpstarter.dev/client": class}}
	if parent != "" {
		r.ParentUuid = proto.String(parent)
		r.Labels["jumpstarter.dev/name"] = name
	}
	return r
}

// serve starts p on a unix socket whose path no URI could hold.
func serve(t *testing.T, p *python) string {
	t.Helper()
	p.got, p.ended = make(chan string, 4), make(chan struct{}, 4)
	path := filepath.Join(t.TempDir(), "a %41 b")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	pb.RegisterExporterServiceServer(s, p)
	pb.RegisterRouterServiceServer(s, p)
	go s.Serve(ln)
	t.Cleanup(s.Stop)
	return path
}

func open(t *testing.T, reports ...*pb.DriverInstanceReport) (*python, *Client) {
	t.Helper()
	p := &python{reports: reports}
	c, err := Dial(t.Context(), serve(t, p), Options{Passphrase: "not sent here"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return p, c
}

func TestTreeIsKeyedByPlace(t *testing.T) {
	t.Parallel()
	_, c := open(t,
		report("r", "", "", "Root"), report("a", "r", "lab", "Lab"), report("b", "a", "in", ProxyClass),
		report("a", "r", "alias", "Lab"), report("b", "a", "in", ProxyClass))
	var got []string
	for n := range c.All() {
		got = append(got, n.Path()+":"+n.UUID)
	}
	if s := strings.Join(got, " "); s != ":r lab:a lab.in:b alias:a alias.in:b" {
		t.Errorf("tree is %s", s)
	}
	for range c.All() {
		break
	}
	n, err := c.Find("alias", "in")
	if err != nil || n.Client != ProxyClass || n != c.Tree().Children[1].Children[0] {
		t.Errorf("alias.in is %+v, %v", n, err)
	}
	for want, path := range map[string][]string{
		`the exporter has no driver "x": it has lab, alias`:   {"x"},
		`lab.in has no driver "y": it has none at all`:        {"lab", "in", "y"},
		`the exporter has no driver "lab.in": it has lab, al`: {"lab.in"},
	} {
		if _, err := c.Find(path...); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("Find(%q): %v", path, err)
		}
	}
	if c.MOTD() != "hello" || c.Host() == "" || len(c.Labels()) != 0 {
		t.Errorf("motd %q, host %q, labels %v", c.MOTD(), c.Host(), c.Labels())
	}
}

func TestBadReports(t *testing.T) {
	t.Parallel()
	for want, reports := range map[string][]*pb.DriverInstanceReport{
		"has no root driver":                      nil,
		"has two roots":                           {report("r", "", "", "x"), report("s", "", "", "x")},
		`lists driver "child" before its parent`:  {report("c", "r", "child", "x"), report("r", "", "", "x")},
		`lists driver "orphan" before its parent`: {report("r", "", "", "x"), report("c", "z", "orphan", "x")},
	} {
		_, err := Dial(t.Context(), serve(t, &python{reports: reports}), Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func TestCalls(t *testing.T) {
	t.Parallel()
	_, c := open(t, report("r", "", "", "x"))
	root := c.Tree()
	if v, err := root.Call(t.Context(), "nothing"); v != nil || err != nil {
		t.Errorf("a missing result is %v, %v", v, err)
	}
	_, err := root.Call(t.Context(), "start")
	var e *Error
	if !errors.As(err, &e) || *e != (Error{Code: codes.NotFound, Method: "start", Message: "method start not found"}) {
		t.Errorf("error %#v", err)
	}
	if !errors.Is(err, &Error{Code: codes.NotFound}) || errors.Is(err, &Error{Code: codes.Internal}) || errors.Is(err, io.EOF) {
		t.Error("errors.Is does not go by the code")
	}
	if _, err := root.Call(t.Context(), "mute"); err == nil || err.Error() != "mute failed: unknown" {
		t.Errorf("error %v", err)
	}
	if _, err := root.Call(t.Context(), "start", "\xff"); err == nil || !strings.HasPrefix(err.Error(), "start: argument 1: ") {
		t.Errorf("error %v", err)
	}
	n := 0
	for _, err := range root.Stream(t.Context(), "watch", "\xff") {
		if n++; err == nil || !strings.HasPrefix(err.Error(), "watch: argument 1: ") {
			t.Errorf("error %v", err)
		}
	}
	for _, err := range root.Stream(t.Context(), "watch") {
		if n++; !errors.Is(err, &Error{Code: codes.Unimplemented}) {
			t.Errorf("error %v", err)
		}
	}
	if n != 2 {
		t.Errorf("%d errors", n)
	}
}

func TestConnectToAServerThatNeverEnds(t *testing.T) {
	t.Parallel()
	p, c := open(t, report("r", "", "", "x"))
	conn, err := c.Tree().Connect(t.Context(), "connect")
	if err != nil {
		t.Fatal(err)
	}
	if conn.LocalAddr().String() != "connect" || conn.RemoteAddr().String() != c.Host() {
		t.Error("addresses are off")
	}
	if _, err := io.WriteString(conn, "ping"); err != nil {
		t.Fatal(err)
	}
	if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); string(got) != "re: ping" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if err := errors.Join(conn.Close(), conn.Close()); err != nil {
		t.Error(err)
	}
	soon(t, p.ended)
	// Closing the client at once still delivers.
	conn, err = c.Tree().Connect(t.Context(), "connect")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	soon(t, p.got)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if n := len(soon(t, p.got)); n != 1<<20 {
		t.Errorf("%d bytes arrived", n)
	}
	if _, err := c.Tree().Connect(t.Context(), "connect"); err == nil {
		t.Error("a closed client connects")
	}
}

func TestConnectRefusedAndBroken(t *testing.T) {
	t.Parallel()
	_, c := open(t, report("r", "", "", "x"))
	if _, err := c.Tree().Connect(t.Context(), "refused"); !errors.Is(err, &Error{Code: codes.NotFound}) {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	conn, err := c.Tree().Connect(ctx, "connect")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, &Error{Code: codes.Canceled}) {
		t.Errorf("error %v", err)
	}
	if _, err := conn.Write([]byte("x")); err == nil {
		t.Error("a broken stream takes bytes")
	}
	conn.Close()
}

func TestIsTCP(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"bench:8443": true, "127.0.0.1:1": true, "[::1]:65535": true, "/a:80": true,
		"/run/s": false, "bench": false, "bench:": false, "bench:0": false, "bench:65536": false, "/run/s:x": false,
	} {
		if isTCP(host) != want {
			t.Errorf("isTCP(%q) is %v", host, !want)
		}
	}
}

func TestDialErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tests := []struct {
		host string
		o    Options
		want string
	}{
		{filepath.Join(dir, "none"), Options{}, "cannot reach the exporter at " + filepath.Join(dir, "none") + ": "},
		{"127.0.0.1:1", Options{Insecure: true}, "cannot reach the exporter at 127.0.0.1:1: dial tcp "},
		{"127.0.0.1:1", Options{RootsFile: filepath.Join(dir, "none.pem")}, "trusted roots: "},
	}
	for _, tt := range tests {
		_, err := Dial(t.Context(), tt.host, tt.o)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "desc =") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", tt.host, err)
		}
	}
}

func TestFromEnv(t *testing.T) {
	t.Setenv("JUMPSTARTER_HOST", "")
	if _, err := FromEnv(t.Context()); !errors.Is(err, ErrNoHost) {
		t.Errorf("error %v", err)
	}
	t.Setenv("JUMPSTARTER_HOST", serve(t, &python{reports: []*pb.DriverInstanceReport{report("r", "", "", "x")}}))
	c, err := FromEnv(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func FuzzTree(f *testing.F) {
	seed, err := proto.Marshal(&pb.GetReportResponse{Reports: []*pb.DriverInstanceReport{report("r", "", "", "x"), report("c", "r", "n", "y")}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, wire []byte) {
		r := new(pb.GetReportResponse)
		if proto.Unmarshal(wire, r) != nil {
			return
		}
		c := &Client{}
		root, err := c.tree(r.GetReports())
		if err != nil {
			return
		}
		n := 0
		root.walk(func(*Node) bool { n++; return true })
		if n != len(r.GetReports()) {
			t.Errorf("%d nodes of %d reports", n, len(r.GetReports()))
		}
	})
}

// soon fails the test when ch does not deliver.
func soon[T any](t *testing.T, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(10 * time.Second):
		t.Fatal("nothing happened for 10 s")
	}
	return v
}
