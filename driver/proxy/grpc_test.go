package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// grpcService answers to texts: "status N" with that status, before anything
// else is said; "late N" after a header; "wait" never; others with themselves.
var grpcService = &grpc.ServiceDesc{
	ServiceName: "test.Echo", HandlerType: (*any)(nil),
	Streams: []grpc.StreamDesc{{StreamName: "Talk", ClientStreams: true, ServerStreams: true, Handler: grpcTalk}},
}

func grpcTalk(_ any, s grpc.ServerStream) error {
	md, _ := metadata.FromIncomingContext(s.Context())
	s.SetTrailer(metadata.Pairs("saw-bin", strings.Join(md["key-bin"], "|")))
	for {
		var m wrapperspb.StringValue
		if err := s.RecvMsg(&m); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		var code int
		switch {
		case m.Value == "wait":
			<-s.Context().Done()
			return s.Context().Err()
		case strings.HasPrefix(m.Value, "late "):
			s.SendHeader(metadata.Pairs("began", "yes"))
			fallthrough
		case strings.HasPrefix(m.Value, "status "):
			fmt.Sscanf(m.Value[strings.IndexByte(m.Value, ' ')+1:], "%d", &code)
			return status.Error(codes.Code(code), "no, ä: "+m.Value)
		}
		if err := s.SendMsg(&m); err != nil {
			return err
		}
	}
}

// grpcBench is a gRPC server and a client that reaches it through the proxy.
func grpcBench(t *testing.T, b *bench, secure bool) *grpc.ClientConn {
	t.Helper()
	a, err := testCA()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const large = 32 << 20
	creds, up := insecure.NewCredentials(), insecure.NewCredentials()
	if secure {
		up = credentials.NewTLS(&tls.Config{NextProtos: []string{"h2"},
			GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) { return a.Certificate(h, "grpc.test", nil) }})
		creds = credentials.NewTLS(&tls.Config{RootCAs: b.roots, ServerName: "grpc.test"})
	}
	s := grpc.NewServer(grpc.Creds(up), grpc.MaxRecvMsgSize(large))
	s.RegisterService(grpcService, nil)
	go s.Serve(l)
	t.Cleanup(s.Stop)
	return grpcClient(t, b, l.Addr().String(), creds)
}

func grpcClient(t *testing.T, b *bench, target string, creds credentials.TransportCredentials) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient("passthrough:///"+target, grpc.WithTransportCredentials(creds),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(32<<20)),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, "tcp", b.addr())
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", addr, addr)
			res, err := http.ReadResponse(bufio.NewReader(io.LimitReader(c, 1<<10)), &http.Request{Method: "CONNECT"})
			if err == nil && res.StatusCode != 200 {
				err = errors.New(res.Status)
			}
			return c, err
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// talkTo says some texts and collects the answers.
func talkTo(ctx context.Context, c *grpc.ClientConn, words ...string) (got []string, header, trailer metadata.MD, err error) {
	s, err := c.NewStream(ctx, &grpcService.Streams[0], "/test.Echo/Talk")
	if err != nil {
		return nil, nil, nil, err
	}
	for _, w := range words {
		if s.SendMsg(wrapperspb.String(w)) != nil {
			break // RecvMsg has the reason
		}
		var m wrapperspb.StringValue
		if err = s.RecvMsg(&m); err != nil {
			break
		}
		got = append(got, m.Value)
	}
	if err == nil {
		s.CloseSend()
		if err = s.RecvMsg(new(wrapperspb.StringValue)); err == io.EOF {
			err = nil
		}
	}
	header, _ = s.Header()
	return got, header, s.Trailer(), err
}

// gRPC works through the proxy as without it: statuses, metadata, streams both
// ways, large messages, deadlines and calls that are given up, over TLS and with
// prior knowledge in a plain tunnel.
func TestGRPC(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{true, false} {
		t.Run(map[bool]string{true: "TLS", false: "plain"}[secure], func(t *testing.T) {
			t.Parallel()
			b := start(t, nil)
			c := grpcBench(t, b, secure)
			ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
			defer cancel()
			for code := codes.Code(1); code <= codes.Unauthenticated; code++ {
				for _, how := range []string{"status", "late"} {
					word := fmt.Sprint(how, " ", int(code))
					_, header, trailer, err := talkTo(metadata.AppendToOutgoingContext(ctx, "key-bin", "\x00\xff"), c, word)
					if st := status.Convert(err); st.Code() != code || st.Message() != "no, ä: "+word {
						t.Errorf("%s: got %v %q", word, st.Code(), st.Message())
					}
					if fmt.Sprint(trailer["saw-bin"]) != "[\x00\xff]" || (how == "late") != (len(header["began"]) == 1) {
						t.Errorf("%s: header %v, trailer %q", word, header, trailer)
					}
				}
			}
			got, _, _, err := talkTo(ctx, c, "a", "b", "c")
			if err != nil || fmt.Sprint(got) != "[a b c]" {
				t.Error("both ways:", got, err)
			}
			if got, _, _, err := talkTo(ctx, c); err != nil || len(got) != 0 {
				t.Error("nothing said:", got, err)
			}
			if got, _, _, err := talkTo(ctx, c, "a", "status 9"); status.Code(err) != 9 || len(got) != 1 {
				t.Error("status in the middle:", got, err)
			}
			large := strings.Repeat("x", 6<<20)
			if got, _, _, err := talkTo(ctx, c, large); err != nil || len(got) != 1 || got[0] != large {
				t.Error("large message:", len(got), err)
			}
			short, stop := context.WithTimeout(ctx, 100*time.Millisecond)
			defer stop()
			// The server knows the deadline, too. If it is the first to act on it, its
			// reset of the stream is a 502 to the client.
			if _, _, _, err := talkTo(short, c, "wait"); status.Code(err) != codes.DeadlineExceeded && !strings.Contains(fmt.Sprint(err), "502 (Bad Gateway)") {
				t.Error("deadline:", err)
			}
			given, up := context.WithCancel(ctx)
			time.AfterFunc(50*time.Millisecond, up)
			if _, _, _, err := talkTo(given, c, "wait"); status.Code(err) != codes.Canceled {
				t.Error("given up:", err)
			}
			e, err := b.journal.Wait(ctx, func(e *capture.Entry) bool { return e.Path() == "/test.Echo/Talk" })
			if err != nil || e.Proto != "HTTP/2.0" || e.Status != 200 || e.Scheme != map[bool]string{true: "https", false: "http"}[secure] {
				t.Errorf("journal: %v %+v", err, e)
			}
		})
	}
}

// A mock gives any status: with trailers, or with none as one frame.
func TestGRPCMock(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{true, false} {
		b := start(t, exchange.HandlerFunc(func(_ context.Context, x *exchange.Exchange) (*exchange.Response, error) {
			h := exchange.HeaderOf("Content-Type", "application/grpc", "Grpc-Status", "5", "Grpc-Message", "gone")
			return &exchange.Response{Status: 200, Header: h, Origin: exchange.FromMock}, nil
		}))
		creds := insecure.NewCredentials()
		if secure {
			creds = credentials.NewTLS(&tls.Config{RootCAs: b.roots})
		}
		c := grpcClient(t, b, "grpc.test:443", creds)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		for range 3 {
			if _, _, _, err := talkTo(ctx, c, "a"); status.Code(err) != codes.NotFound || status.Convert(err).Message() != "gone" {
				t.Error(secure, err)
			}
		}
	}
	b := start(t, exchange.HandlerFunc(func(_ context.Context, x *exchange.Exchange) (*exchange.Response, error) {
		return &exchange.Response{Status: 200, Header: exchange.HeaderOf("Content-Type", "application/grpc"), Origin: exchange.FromMock,
			Body: exchange.Bytes{}, Trailer: func() exchange.Header { return exchange.HeaderOf("Grpc-Status", "7") }}, nil
	}))
	d := b.device("grpc.test:443", "grpc.test")
	d.headers(1, true, ":method", "POST", ":path", "/x", ":authority", "grpc.test", ":scheme", "https")
	if got := d.stream(); len(got) != 2 || !strings.HasPrefix(got[0], "HEADERS :status=200") || got[1] != "HEADERS+END grpc-status=7" {
		t.Errorf("%q", got)
	}
}
