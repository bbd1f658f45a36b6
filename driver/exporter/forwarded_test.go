package exporter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"

	"starproxy/driver/client"
	"starproxy/driver/pb"
)

// mixedFile has drivers of both kinds, with refs among them.
func mixedFile(dir string) string {
	return fmt.Sprintf(`
export:
  proxy: {type: starproxy.MitmproxyDriver, description: Ours, config: {listen: {host: 127.0.0.1, port: 0}, directories: {data: %q}}}
  board: {type: fake.Board, description: Theirs}
  lab:
    children:
      relay: {type: fake.Relay, children: {coil: {type: fake.Coil}, board: {ref: board}}}
      both: {children: {proxy: {ref: proxy}, relay: {ref: lab.relay}}}
  coil: {ref: lab.relay.coil}
  inner: {ref: board.inner}
  again: {ref: lab}
`, dir)
}

// mixed opens a session with the drivers of a file, and connects to it.
func mixed(t testing.TB, file string, o Options) (*Session, *client.Client) {
	t.Helper()
	if o.Python == nil {
		o.Python = pythonPart(20 * time.Second)
		t.Cleanup(o.Python.Close)
	}
	return openIsolated(t, file, o)
}

// TestMixedReport checks the tree: Python's drivers in their places, with their
// uuids.
func TestMixedReport(t *testing.T) {
	t.Parallel()
	s, c := mixed(t, mixedFile(t.TempDir()), Options{})
	var got []string
	first := map[string]string{} // path by uuid
	for n := range c.All() {
		line := n.Path() + " " + n.Client[strings.LastIndexByte(n.Client, '.')+1:]
		if earlier, ok := first[n.UUID]; ok {
			line += " = " + earlier
		} else {
			first[n.UUID] = n.Path()
		}
		got = append(got, strings.TrimSpace(line+" "+n.Description))
	}
	want := []string{
		"CompositeClient", "proxy MitmproxyClient Ours", "board BoardClient Theirs", "board.inner InnerClient", "lab CompositeClient",
		"lab.relay RelayClient", "lab.relay.coil CoilClient", "lab.relay.board BoardClient = board Theirs", "lab.relay.board.inner InnerClient = board.inner",
		"lab.both CompositeClient", "lab.both.proxy MitmproxyClient = proxy Ours",
		"lab.both.relay RelayClient = lab.relay", "lab.both.relay.coil CoilClient = lab.relay.coil",
		"lab.both.relay.board BoardClient = board Theirs", "lab.both.relay.board.inner InnerClient = board.inner",
		"coil CoilClient = lab.relay.coil", "inner InnerClient = board.inner", "again CompositeClient = lab",
	}
	if len(got) < len(want) || strings.Join(got[:len(want)], "\n") != strings.Join(want, "\n") {
		t.Errorf("the tree is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for n := range c.All() {
		if strings.HasSuffix(n.Client, "CompositeClient") || strings.HasSuffix(n.Client, "MitmproxyClient") {
			continue
		}
		if id, err := n.Call(t.Context(), "whoami"); err != nil || id != n.UUID {
			t.Errorf("%s: called %v, %v", n.Path(), id, err)
		}
	}
	if p := s.Proxies(); len(p) != 1 || p[0] != "proxy" {
		t.Errorf("proxies %v", p)
	}
}

// TestMixedRefs has drivers of Python with refs that lead through others, to
// groups too.
func TestMixedRefs(t *testing.T) {
	t.Parallel()
	_, c := mixed(t, `
export:
  relay: {type: fake.Relay}
  board: {type: fake.Board}
  lab: {children: {relay: {ref: relay}, more: {children: {board: {ref: first}}}}}
  first: {ref: board}
  far: {ref: lab.more.board.inner}
  user: {type: fake.User, children: {x: {ref: lab.relay}, y: {ref: lab}, z: {ref: first.inner}}}
`, Options{})
	for path, same := range map[string]string{"user.x": "relay", "user.y.relay": "relay", "user.y.more.board": "board", "user.y.more.board.inner": "board.inner",
		"user.z": "board.inner", "far": "board.inner", "lab.relay": "relay", "lab.more.board": "board"} {
		n, want := find(t, c, strings.Split(path, ".")...), find(t, c, strings.Split(same, ".")...)
		if id, err := n.Call(t.Context(), "whoami"); err != nil || n.UUID != want.UUID || id != n.UUID {
			t.Errorf("%s is %s (%v, %v), want %s, %s", path, n.UUID, id, err, same, want.UUID)
		}
	}
}

// rawClient speaks the protocol itself.
func rawClient(t testing.TB, c *client.Client) (pb.ExporterServiceClient, pb.RouterServiceClient) {
	t.Helper()
	conn, err := grpc.NewClient("unix:"+c.Host(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return pb.NewExporterServiceClient(conn), pb.NewRouterServiceClient(conn)
}

// TestForwardedCalls checks that results and failures pass as they are, and that
// a driver hears when its client leaves.
func TestForwardedCalls(t *testing.T) {
	t.Parallel()
	_, c := mixed(t, mixedFile(t.TempDir()), Options{})
	board := find(t, c, "board")
	args := []any{nil, true, 1.5, "ä\n", []any{1.0}, map[string]any{"a": nil}}
	if v, err := board.Call(t.Context(), "echo", args...); err != nil || fmt.Sprint(v) != fmt.Sprint(args) {
		t.Errorf("echo: %v, %v", v, err)
	}
	exporter, _ := rawClient(t, c)
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		_, err := exporter.DriverCall(t.Context(), &pb.DriverCallRequest{Uuid: strings.ToUpper(board.UUID), Method: "fail",
			Args: []*structpb.Value{structpb.NewNumberValue(float64(code)), structpb.NewStringValue("the reason:\n  two lines")}})
		s := status.Convert(err)
		if s.Code() != code || s.Message() != "the reason:\n  two lines" || len(s.Details()) != 1 {
			t.Errorf("%v: got %v %q with %v", code, s.Code(), s.Message(), s.Details())
		}
	}
	var items []any
	for item, err := range board.Stream(t.Context(), "count", 500) {
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, item)
	}
	if len(items) != 500 || items[499] != 499.0 {
		t.Errorf("count: %d items", len(items))
	}
	items = nil
	var failure error
	for item, err := range board.Stream(t.Context(), "half") {
		if err != nil {
			failure = err
			break
		}
		items = append(items, item)
	}
	if len(items) != 1 || !errors.Is(failure, &client.Error{Code: codes.InvalidArgument}) {
		t.Errorf("half: %v, %v", items, failure)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := board.Call(ctx, "hold"); err == nil {
		t.Error("hold returned")
	}
	for range board.Stream(t.Context(), "forever") {
		break
	}
	eventually(t, "the driver hears of both", func() bool {
		v, err := board.Call(t.Context(), "left")
		return err == nil && v == 2.0
	})
}

// TestForwardedStreams checks both ends of byte streams against a driver that
// never ends one.
func TestForwardedStreams(t *testing.T) {
	t.Parallel()
	_, c := mixed(t, mixedFile(t.TempDir()), Options{})
	board := find(t, c, "board")
	conn, err := board.Connect(t.Context(), "mirror")
	if err != nil {
		t.Fatal(err)
	}
	sent := make([]byte, 3<<20)
	for i := range sent {
		sent[i] = byte(i * 7)
	}
	go func() {
		conn.Write(sent)
		conn.(interface{ CloseWrite() error }).CloseWrite()
	}()
	got, err := io.ReadAll(conn)
	if err != nil || string(got) != string(sent)+"bye" {
		t.Errorf("mirror: %d bytes, %v", len(got), err)
	}
	conn.Close()
	if conn, err = board.Connect(t.Context(), "mirror"); err != nil {
		t.Fatal(err)
	}
	conn.Close() // at once
	if _, err := board.Connect(t.Context(), "nothing"); !errors.Is(err, &client.Error{Code: codes.NotFound}) || err.Error() != "method nothing not found on driver" {
		t.Errorf("nothing: %v", err)
	}
	eventually(t, "the driver hears of all ends", func() bool {
		v, err := board.Call(t.Context(), "left")
		return err == nil && v == 3.0
	})
	_, router := rawClient(t, c)
	request := fmt.Sprintf(`{"kind":"driver","uuid":%q,"method":"mirror"}`, board.UUID)
	ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(t.Context(), "request", request))
	defer cancel()
	stream, err := router.Stream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, frame := range []*pb.StreamRequest{{}, {Payload: []byte("a"), FrameType: pb.FrameType_FRAME_TYPE_PING}, {Payload: []byte("b"), FrameType: 42}} {
		if err := stream.Send(frame); err != nil {
			t.Fatal(err)
		}
		back, err := stream.Recv()
		if err != nil || back.GetFrameType() != frame.GetFrameType() || string(back.GetPayload()) != string(frame.GetPayload()) {
			t.Errorf("frame %v came back as %v, %v", frame, back, err)
		}
	}
	// The end of the call without a GOAWAY ends our half, too; the exporter then
	// ends the call that Python would leave open.
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = stream.Recv()
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("the stream ended with %v", err)
	}
}

// TestForwardedResource lends a driver a stream of the client's.
func TestForwardedResource(t *testing.T) {
	t.Parallel()
	_, c := mixed(t, mixedFile(t.TempDir()), Options{})
	relay := find(t, c, "lab", "relay")
	_, router := rawClient(t, c)
	for _, encoding := range []string{"null", `"gzip"`} {
		request := fmt.Sprintf(`{"kind":"resource","uuid":%q,"x_jmp_content_encoding":%s}`, relay.UUID, encoding)
		ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(t.Context(), "request", request))
		defer cancel()
		stream, err := router.Stream(ctx)
		if err != nil {
			t.Fatal(err)
		}
		header, err := stream.Header()
		if err != nil {
			t.Fatal(err)
		}
		var resource struct {
			Kind     string  `json:"kind"`
			UUID     string  `json:"uuid"`
			Encoding *string `json:"x_jmp_content_encoding"`
		}
		if err := json.Unmarshal([]byte(strings.Join(header.Get("resource"), "")), &resource); err != nil || resource.Kind != "client_stream" {
			t.Fatalf("header %v: %v", header, err)
		}
		if accepted := len(header.Get("x_jmp_accept_encoding")) == 1; accepted != (encoding != "null") || accepted != (resource.Encoding != nil) {
			t.Errorf("%s: header %v", encoding, header)
		}
		for range 64 {
			if err := stream.Send(&pb.StreamRequest{Payload: make([]byte, 64<<10)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := stream.Send(&pb.StreamRequest{FrameType: pb.FrameType_FRAME_TYPE_GOAWAY}); err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = stream.Recv()
		}
		if v, err := relay.Call(t.Context(), "taken", resource.UUID); err != nil || v != float64(4<<20) {
			t.Errorf("%s: the driver has taken %v, %v", encoding, v, err)
		}
	}
}

// TestForwardedLog finds the records of Python's drivers in the log of the
// session and beside it, with their fields.
func TestForwardedLog(t *testing.T) {
	t.Parallel()
	var beside lockedBuffer
	_, c := mixed(t, mixedFile(t.TempDir()), Options{Log: slog.New(slog.NewTextHandler(&beside, nil))})
	if _, err := find(t, c, "board").Call(t.Context(), "say", "needle"); err != nil {
		t.Fatal(err)
	}
	exporter, _ := rawClient(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	log, err := exporter.LogStream(ctx, &emptypb.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	for {
		r, err := log.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if r.GetMessage() != "needle" {
			continue
		}
		if r.GetSeverity() != "CRITICAL" || r.GetSource() != pb.LogSource_LOG_SOURCE_DRIVER || r.GetDriverType() != "serial" ||
			r.GetOperation() != "say" || r.GetStructuredFields()["n"] != "1" {
			t.Errorf("the record is %v", r)
		}
		break
	}
	eventually(t, "the log has it", func() bool {
		return strings.Contains(beside.String(), "level=ERROR+4 msg=needle") && strings.Contains(beside.String(), "n=1")
	})
}

// TestPythonDies has Python die within a session: its drivers tell why, the
// proxy goes on, and the next session has a new one.
func TestPythonDies(t *testing.T) {
	t.Parallel()
	host := pythonPart(20 * time.Second)
	t.Cleanup(host.Close)
	_, c := mixed(t, mixedFile(t.TempDir()), Options{Python: host})
	board := find(t, c, "board")
	conn, err := board.Connect(t.Context(), "mirror")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	held := make(chan error, 1)
	go func() {
		_, err := board.Call(t.Context(), "hold")
		held <- err
	}()
	const why = "it ended with exit status 3: out of luck"
	told := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, &client.Error{Code: codes.Unavailable}) || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err = board.Call(t.Context(), "die")
	told("die", err)
	told("hold", soon(t, held, "the end of a call"))
	_, err = conn.Read(make([]byte, 1))
	told("a stream", err)
	_, err = find(t, c, "lab", "both", "relay", "coil").Call(t.Context(), "whoami")
	told("another driver", err)
	_, err = find(t, c, "inner").Connect(t.Context(), "mirror")
	told("a new stream", err)
	for _, err := range board.Stream(t.Context(), "count", 3) {
		told("a streaming call", err)
	}
	if _, err := find(t, c, "again", "both", "proxy").Call(t.Context(), "status"); err != nil {
		t.Errorf("the proxy: %v", err)
	}
	_, next := mixed(t, mixedFile(t.TempDir()), Options{Python: host})
	if _, err := find(t, next, "board").Call(t.Context(), "pid"); err != nil {
		t.Errorf("the next session: %v", err)
	}
}

// TestPythonHangs has Python stop in a session, and refuse or hang in opening
// one.
func TestPythonHangs(t *testing.T) {
	t.Parallel()
	host := pythonPart(time.Second)
	t.Cleanup(host.Close)
	file := "export: {board: {type: fake.Board}}"
	for _, kind := range []string{"fake.Refuse", "fake.Hang"} {
		config, err := Parse("bench.yaml", []byte("export: {a: {type: "+kind+"}}"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = Open(config, Options{Python: host})
		want := map[string]string{"fake.Refuse": "ValueError: no such device", "fake.Hang": "it did not answer within 1s and was killed"}[kind]
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "export.a") {
			t.Errorf("%s: %v", kind, err)
		}
	}
	s, c := mixed(t, "export: {board: {type: fake.Board}, noise: {type: fake.Garbage}}", Options{Python: host})
	board := find(t, c, "board")
	pid, err := board.Call(t.Context(), "pid")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go board.Call(ctx, "stop")
	eventually(t, "Python has stopped", func() bool {
		state, err := os.ReadFile(fmt.Sprintf("/proc/%v/stat", pid))
		return err != nil || strings.Contains(string(state), ") T ")
	})
	begun := time.Now()
	s.Close() // it is killed
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("closing took %v", took)
	}
	_, c = mixed(t, file, Options{Python: host})
	if now, err := find(t, c, "board").Call(t.Context(), "pid"); err != nil || now == pid {
		t.Errorf("the next session: process %v, %v; before %v", now, err, pid)
	}
}

// TestMixedLeavesNothing opens and closes sessions with both kinds of drivers,
// in processes of their own.
func TestMixedLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Setenv("XDG_RUNTIME_DIR", dir)
	host := pythonPart(20 * time.Second)
	t.Cleanup(host.Close)
	var process any
	once := func(o Options) {
		o.Python = host
		s, c := mixed(t, mixedFile(dir), o)
		board := find(t, c, "board")
		pid, err := board.Call(t.Context(), "pid")
		if err != nil {
			t.Fatal(err)
		}
		if process == nil {
			process = pid
		} else if process != pid {
			t.Fatalf("Python runs as %v, before as %v", pid, process)
		}
		conn, err := board.Connect(t.Context(), "mirror")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for range board.Stream(t.Context(), "forever") {
			break
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	once(Options{})
	once(Options{Isolate: isolation()})
	descriptors := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip(err)
		}
		return len(list)
	}
	fds, routines := descriptors(), runtime.NumGoroutine()
	for i := range 50 {
		o := Options{}
		if i%10 == 0 {
			o.Isolate = isolation()
		}
		once(o)
	}
	eventually(t, "goroutines and descriptors are as before", func() bool {
		return descriptors() <= fds && runtime.NumGoroutine() <= routines
	})
	for _, pattern := range []string{"jumpstarter-*", "fake-*"} {
		if left, err := filepath.Glob(filepath.Join(dir, pattern)); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
}
