package interop

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// rawCodec sends messages of bytes as they are.
type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (rawCodec) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte(nil), data...)
	return nil
}
func (rawCodec) Name() string { return "raw" }

// echoService answers every method of the test service.
func echoService(_ any, s grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(s)
	var in []byte
	if err := s.RecvMsg(&in); err != nil {
		return err
	}
	md, _ := metadata.FromIncomingContext(s.Context())
	send := func(text string) error {
		b := []byte(text)
		return s.SendMsg(&b)
	}
	switch strings.TrimPrefix(method, "/test.Echo/") {
	case "Unary":
		if asked := md.Get("asked-bin"); len(asked) > 0 {
			s.SetHeader(metadata.Pairs("got-bin", asked[0]))
		}
		s.SetTrailer(metadata.Pairs("end", "here"))
		return s.SendMsg(&in)
	case "Fail":
		n, _ := strconv.Atoi(string(in))
		return status.Errorf(codes.Code(n), "failed with %d: ü", n)
	case "Stream", "StreamThenFail":
		n, _ := strconv.Atoi(string(in))
		for i := range n {
			if err := send(strconv.Itoa(i)); err != nil {
				return err
			}
		}
		if strings.HasSuffix(method, "Fail") {
			return status.Error(codes.DataLoss, "no more")
		}
		return nil
	case "Bidi":
		for {
			if err := s.SendMsg(&in); err != nil {
				return err
			}
			if err := s.RecvMsg(&in); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
		}
	}
	return status.Error(codes.Unimplemented, "no such method")
}

// rpcServers serve the test service with TLS and without.
func rpcServers(t testing.TB) (secure, plain string) {
	t.Helper()
	ts := httptest.NewUnstartedServer(http.NotFoundHandler())
	ts.StartTLS()
	cert := ts.TLS.Certificates[0]
	ts.Close()
	serve := func(opts ...grpc.ServerOption) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := grpc.NewServer(append(opts, grpc.ForceServerCodec(rawCodec{}), grpc.UnknownServiceHandler(echoService))...)
		go s.Serve(l)
		t.Cleanup(s.Stop)
		return l.Addr().String()
	}
	return serve(grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{cert}}))), serve()
}

// rpcOutcome is what every client prints.
const rpcOutcome = `unary hello 00ff here
fail 5 failed with 5: ü
fail 14 failed with 14: ü
fail 16 failed with 16: ü
stream 0 1 2 3 4
got 0
got 1
fail 15 no more
bidi a b c
large 3000000
`

// goRPC makes the same calls with grpc-go.
func goRPC(ctx context.Context, ca, target, proxy string) (string, error) {
	creds := insecure.NewCredentials()
	if ca != "-" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return "", err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		creds = credentials.NewTLS(&tls.Config{RootCAs: roots})
	}
	dial := func(ctx context.Context, addr string) (net.Conn, error) { return connectThrough(ctx, proxy, addr) }
	conn, err := grpc.NewClient("passthrough:///"+target, grpc.WithTransportCredentials(creds), grpc.WithContextDialer(dial),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(encoding.Codec(rawCodec{}))))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	var out strings.Builder
	failed := func(err error) { fmt.Fprintf(&out, "fail %d %s\n", status.Code(err), status.Convert(err).Message()) }
	unary := func(method, text string, opts ...grpc.CallOption) ([]byte, error) {
		in, answer := []byte(text), []byte(nil)
		ctx := metadata.AppendToOutgoingContext(ctx, "asked-bin", "\x00\xff")
		err := conn.Invoke(ctx, "/test.Echo/"+method, &in, &answer, opts...)
		return answer, err
	}
	stream := func(method string, texts ...string) (all []string, err error) {
		s, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/test.Echo/"+method)
		if err != nil {
			return nil, err
		}
		for _, text := range texts {
			b := []byte(text)
			s.SendMsg(&b)
		}
		s.CloseSend()
		for {
			var b []byte
			if err := s.RecvMsg(&b); errors.Is(err, io.EOF) {
				return all, nil
			} else if err != nil {
				return all, err
			}
			all = append(all, string(b))
		}
	}
	var header, trailer metadata.MD
	answer, err := unary("Unary", "hello", grpc.Header(&header), grpc.Trailer(&trailer))
	if err != nil {
		return "", err
	}
	fmt.Fprintf(&out, "unary %s %x %s\n", answer, strings.Join(header.Get("got-bin"), ""), strings.Join(trailer.Get("end"), ""))
	for _, code := range []string{"5", "14", "16"} {
		_, err := unary("Fail", code)
		failed(err)
	}
	all, err := stream("Stream", "5")
	if err != nil {
		return out.String(), err
	}
	fmt.Fprintln(&out, "stream", strings.Join(all, " "))
	all, err = stream("StreamThenFail", "2")
	for _, m := range all {
		fmt.Fprintln(&out, "got", m)
	}
	failed(err)
	all, err = stream("Bidi", "a", "b", "c")
	if err != nil {
		return out.String(), err
	}
	fmt.Fprintln(&out, "bidi", strings.Join(all, " "))
	answer, err = unary("Unary", strings.Repeat("x", 3_000_000))
	fmt.Fprintln(&out, "large", len(answer))
	return out.String(), err
}

// connectThrough opens a tunnel to addr through the proxy.
func connectThrough(ctx context.Context, proxy, addr string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", proxy)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", addr, addr)
	var answer []byte
	for one := make([]byte, 1); !strings.HasSuffix(string(answer), "\r\n\r\n"); {
		if _, err := c.Read(one); err != nil {
			c.Close()
			return nil, err
		}
		answer = append(answer, one[0])
	}
	if !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") {
		c.Close()
		return nil, fmt.Errorf("CONNECT %s: %s", addr, answer)
	}
	return c, nil
}

// rpcClients call the service at target through the bench.
func rpcClients(t *testing.T, b *bench, phase, ca, target string, want string) {
	t.Helper()
	proxy := fmt.Sprintf("127.0.0.1:%d", b.port)
	t.Run(phase+" Go", func(t *testing.T) {
		got, err := goRPC(t.Context(), ca, target, proxy)
		if err != nil || got != want {
			t.Errorf("%v, got\n%swant\n%s", err, got, want)
		}
	})
	program := func(argv ...string) {
		argv = append(argv, ca, target)
		dir := t.TempDir()
		out := run(t, dir, environ(nil, "HOME="+dir, "no_proxy=", "https_proxy=http://"+proxy, "http_proxy=http://"+proxy, "grpc_proxy=http://"+proxy), argv...)
		if out.code != 0 || out.stdout != want {
			t.Errorf("%s: %s\nwant\n%s", strings.Join(argv, " "), out, want)
		}
	}
	t.Run(phase+" Python", func(t *testing.T) { program(clientPython(t), source("python/rpc.py")) })
	t.Run(phase+" Node", func(t *testing.T) {
		program(toolchain("node")(t), made("node/rpc.mjs", "node/node_modules/@grpc/grpc-js")(t))
	})
}

// gRPC works through the proxy: each kind of call, each error with its status,
// while it is recorded and from the recording.
func TestGRPC(t *testing.T) {
	t.Parallel()
	forMakeTest(t)
	secure, plain := rpcServers(t)
	b := ours(t, "")
	b.mustJ(t, b.dir, "proxy", "start", "-m", "record")
	ca := b.certificate(t)
	rpcClients(t, b, "record", ca, secure, rpcOutcome)
	_, saved, ok := strings.Cut(strings.TrimSpace(b.mustJ(t, b.dir, "proxy", "stop")), "Flow saved to: ")
	if !ok {
		t.Fatal("no recording was saved")
	}
	b.mustJ(t, b.dir, "proxy", "start", "-m", "replay", "--replay-file", saved)
	rpcClients(t, b, "replay", ca, secure, rpcOutcome)
	b.mustJ(t, b.dir, "proxy", "restart", "-m", "passthrough")
	rpcClients(t, b, "without TLS", "-", plain, rpcOutcome)
}

// A mock refuses a gRPC call with a status of its own.
func TestGRPCMock(t *testing.T) {
	t.Parallel()
	b := ours(t, `      mocks:
        POST /test.Echo/Unary: {status: 200, content_type: application/grpc, headers: {grpc-status: "14", grpc-message: gone for lunch}}
`, "--start", "mock")
	ca := b.certificate(t)
	_, err := goRPC(t.Context(), ca, "no-such-host.invalid:443", fmt.Sprintf("127.0.0.1:%d", b.port))
	if status.Code(err) != codes.Unavailable || status.Convert(err).Message() != "gone for lunch" {
		t.Errorf("got %v, want code Unavailable and its message", err)
	}
	out := b.mustJ(t, b.dir, "proxy", "capture", "list")
	if !strings.Contains(out, "/test.Echo/Unary") {
		t.Error(out)
	}
}
