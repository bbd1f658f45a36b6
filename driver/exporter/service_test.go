package exporter

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"starproxy/driver/client"
	"starproxy/driver/pb"
	"starproxy/driver/rpc"
)

func TestTree(t *testing.T) {
	t.Parallel()
	c := dialUnix(t, newBench(t, fakesFile, ""))
	var got []string
	ids := map[string]string{}
	for n := range c.All() {
		got = append(got, n.Path()+"="+n.Client[strings.LastIndexByte(n.Client, '.')+1:])
		ids[n.Path()] = n.UUID
	}
	want := "=CompositeClient proxy=MitmproxyClient lab=CompositeClient lab.second=MitmproxyClient again=CompositeClient again.second=MitmproxyClient"
	if strings.Join(got, " ") != want {
		t.Errorf("tree is %s\nwant    %s", strings.Join(got, " "), want)
	}
	if ids["lab"] != ids["again"] || ids["lab.second"] != ids["again.second"] || ids["lab"] == ids["proxy"] {
		t.Errorf("uuids: %v", ids)
	}
	proxy := find(t, c, "proxy")
	if proxy.Description != "Main" || proxy.MethodsDescription["start-cmd"] != "Go" || c.Tree().Description != "The bench" {
		t.Errorf("descriptions: %+v, %+v", proxy, c.Tree())
	}
	if c.MOTD() != "Hello" || c.Labels()["jumpstarter.dev/name"] != "bench" {
		t.Errorf("motd %q, labels %v", c.MOTD(), c.Labels())
	}
	if _, ok := c.Tree().Labels["jumpstarter.dev/name"]; ok {
		t.Error("the root has a name label")
	}
	if _, err := c.Find("lab", "third"); err == nil || err.Error() != `lab has no driver "third": it has second` {
		t.Errorf("error %v", err)
	}
}

func TestCall(t *testing.T) {
	t.Parallel()
	proxy := find(t, dialUnix(t, newBench(t, fakesFile, "")), "proxy")
	args := []any{"a", 200, true, nil, map[string]any{"k": []any{1.5}}}
	got, err := proxy.Call(t.Context(), "echo", args...)
	if want := []any{"a", 200.0, true, nil, map[string]any{"k": []any{1.5}}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("echo is %#v, %v", got, err)
	}
	if got, err := proxy.Call(t.Context(), "big", 9<<20); err != nil || len(got.(string)) != 9<<20 {
		t.Errorf("a big result: %v", err)
	}
	if got, err := proxy.Call(t.Context(), "size", strings.Repeat("x", 20<<20)); err != nil || got != float64(20<<20) {
		t.Errorf("a big argument: %v, %v", got, err)
	}
}

func TestCallErrors(t *testing.T) {
	t.Parallel()
	proxy := find(t, dialUnix(t, newBench(t, fakesFile, "")), "proxy")
	fail := func(c rpc.Code) []any { return []any{int(c), "it\nfailed"} }
	tests := []struct {
		method string
		args   []any
		code   codes.Code
		text   string
	}{
		{"fail", fail(rpc.InvalidArgument), codes.InvalidArgument, "it failed"},
		{"fail", fail(rpc.NotFound), codes.NotFound, "it failed"},
		{"fail", fail(rpc.Unimplemented), codes.Unimplemented, "it failed"},
		{"fail", fail(rpc.Internal), codes.Internal, "it failed"},
		{"fail", fail(rpc.Unavailable), codes.Unavailable, "it failed"},
		{"fail", fail(rpc.DeadlineExceeded), codes.DeadlineExceeded, "it failed"},
		{"fail", fail(rpc.FailedPrecondition), codes.FailedPrecondition, "it failed"},
		{"plain", nil, codes.Unknown, "some failure"},
		{"panic", nil, codes.Internal, "internal error: oops"},
		{"binary", nil, codes.Internal, "result of binary: text is not valid UTF-8; encode binary data first"},
		{"nothing", nil, codes.NotFound, "method nothing not found on driver"},
	}
	for _, tt := range tests {
		_, err := proxy.Call(t.Context(), tt.method, tt.args...)
		var e *client.Error
		if !errors.As(err, &e) || e.Code != tt.code || e.Message != tt.text || e.Method != tt.method {
			t.Errorf("%s%v: %#v, want %v %q", tt.method, tt.args, err, tt.code, tt.text)
		}
	}
}

func TestStreamingCall(t *testing.T) {
	t.Parallel()
	b := newBench(t, fakesFile, "")
	proxy := find(t, dialUnix(t, b), "proxy")
	n := 0
	for v, err := range proxy.Stream(t.Context(), "count", 1000) {
		if err != nil || v != float64(n) {
			t.Fatalf("item %d is %v, %v", n, v, err)
		}
		n++
	}
	if n != 1000 {
		t.Errorf("%d items", n)
	}
	var got []any
	var last error
	for v, err := range proxy.Stream(t.Context(), "half") {
		if err == nil {
			got = append(got, v)
		}
		last = err
	}
	if len(got) != 1 || last == nil || last.Error() != "broke after one" {
		t.Errorf("half gives %v, %v", got, last)
	}
	for range proxy.Stream(t.Context(), "forever") {
		break
	}
	soon(t, b.fakes["proxy"].stopped, "the end of a stream that the client left")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, err := range proxy.Stream(ctx, "forever") {
		if err == nil {
			cancel()
		} else if !errors.Is(err, &client.Error{Code: codes.Canceled}) {
			t.Errorf("error %v", err)
		}
	}
	soon(t, b.fakes["proxy"].stopped, "the end of a cancelled stream")
}

// raw is the protocol without our client.
func raw(t *testing.T, b *bench) *grpc.ClientConn {
	t.Helper()
	path, err := b.ServeUnix("")
	if err != nil {
		t.Fatal(err)
	}
	c, err := grpc.NewClient("unix://"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestSessionCalls(t *testing.T) {
	t.Parallel()
	b := newBench(t, fakesFile, "")
	x := pb.NewExporterServiceClient(raw(t, b))
	ctx := t.Context()
	s, err := x.GetStatus(ctx, &pb.GetStatusRequest{})
	if err != nil || s.GetStatus() != pb.ExporterStatus_EXPORTER_STATUS_LEASE_READY || s.GetStatusVersion() != 0 || s.PreviousStatus != nil || s.Message == nil {
		t.Errorf("status %v, %v", s, err)
	}
	b.status.set(pb.ExporterStatus_EXPORTER_STATUS_AVAILABLE, "idle")
	s, err = x.GetStatus(ctx, &pb.GetStatusRequest{})
	if err != nil || s.GetStatus() != pb.ExporterStatus_EXPORTER_STATUS_AVAILABLE || s.GetStatusVersion() != 1 ||
		s.GetPreviousStatus() != pb.ExporterStatus_EXPORTER_STATUS_LEASE_READY || s.GetMessage() != "idle" {
		t.Errorf("status %v, %v", s, err)
	}
	_, err = x.DriverCall(ctx, &pb.DriverCallRequest{})
	if status.Code(err) != codes.FailedPrecondition || status.Convert(err).Message() != "Exporter not ready for driver calls (status: AVAILABLE)" {
		t.Errorf("error %v", err)
	}
	stream, err := x.StreamingDriverCall(ctx, &pb.StreamingDriverCallRequest{})
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.FailedPrecondition {
		t.Errorf("error %v", err)
	}
	b.status.set(pb.ExporterStatus_EXPORTER_STATUS_AFTER_LEASE_HOOK, "")
	_, err = x.DriverCall(ctx, &pb.DriverCallRequest{Uuid: "no uuid"})
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("error %v", err)
	}
	_, err = x.DriverCall(ctx, &pb.DriverCallRequest{Uuid: "00000000-0000-4000-8000-000000000000"})
	if status.Code(err) != codes.NotFound {
		t.Errorf("error %v", err)
	}
	r, err := x.GetReport(ctx, &emptypb.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	again, err := x.GetReport(ctx, &emptypb.Empty{})
	if err != nil || again.GetUuid() != r.GetUuid() || again.GetReports()[1].GetUuid() != r.GetReports()[1].GetUuid() {
		t.Errorf("the uuids of two reports differ")
	}
	// Another spelling of the uuid; a group has no methods.
	_, err = x.DriverCall(ctx, &pb.DriverCallRequest{Uuid: strings.ToUpper(r.GetReports()[0].GetUuid()), Method: "start"})
	if status.Code(err) != codes.NotFound || status.Convert(err).Message() != "method start not found on driver" {
		t.Errorf("error %v", err)
	}
	e, err := x.EndSession(ctx, &pb.EndSessionRequest{})
	if err != nil || e.GetSuccess() || e.GetMessage() != "No active lease context" {
		t.Errorf("EndSession %v, %v", e, err)
	}
	if _, err := x.Reset(ctx, &pb.ResetRequest{}); err != nil {
		t.Errorf("Reset: %v", err)
	}
}

func TestStreamRefusals(t *testing.T) {
	t.Parallel()
	b := newBench(t, fakesFile, "")
	router := pb.NewRouterServiceClient(raw(t, b))
	id := b.ids[b.proxies[0]].String()
	tests := []struct {
		request string
		code    codes.Code
	}{
		{"", codes.InvalidArgument},
		{"{", codes.InvalidArgument},
		{`{"kind":"driver"}`, codes.InvalidArgument},
		{`{"kind":"other","uuid":"` + id + `","method":"connect"}`, codes.InvalidArgument},
		{`{"kind":"driver","uuid":"x","method":"connect"}`, codes.InvalidArgument},
		{`{"kind":"driver","uuid":"00000000-0000-4000-8000-000000000000","method":"connect"}`, codes.NotFound},
		{`{"kind":"driver","uuid":"` + id + `","method":"other"}`, codes.NotFound},
		{`{"kind":"driver","uuid":"` + id + `","method":"connect"}`, codes.Unavailable}, // nothing to dial
		{`{"kind":"resource","uuid":"` + id + `","x_jmp_content_encoding":null}`, codes.Unimplemented},
	}
	for _, tt := range tests {
		ctx := t.Context()
		if tt.request != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "request", tt.request)
		}
		stream, err := router.Stream(ctx)
		if err == nil {
			_, err = stream.Recv()
		}
		if status.Code(err) != tt.code || strings.Contains(status.Convert(err).Message(), "\n") {
			t.Errorf("%s: %v, want %v", tt.request, err, tt.code)
		}
	}
}
