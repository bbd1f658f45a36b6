package proxy

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"starproxy/builtins/exchange"
	"starproxy/driver/mock"
)

// h2Ask sends a request without a body and returns the frames of its answer, the
// header of each without what does not matter here.
func h2Ask(d *framed, method, authority string) string {
	d.headers(1, true, ":method", method, ":path", "/", ":authority", authority, ":scheme", "https")
	frames := d.stream()
	for i, s := range frames {
		words := strings.Split(s, " ")
		if strings.HasPrefix(s, "HEADERS") {
			kept := words[:1]
			for _, w := range words[1:] {
				if name, _, _ := strings.Cut(w, "="); name != "date" && !(len(w) > 0 && name == w) && strings.Contains(":status content-length grpc-status trailer", name) {
					kept = append(kept, w)
				}
			}
			frames[i] = strings.Join(kept, " ")
		}
	}
	return strings.Join(frames, "; ")
}

// An answer without a body is one frame.
func TestH2MocksWithoutABody(t *testing.T) {
	t.Parallel()
	static := func(status int, h exchange.Header, body string) func() *exchange.Response {
		m := mock.NewStatic(status, h, []byte(body), 0)
		return func() *exchange.Response {
			res, err := m.Respond(context.Background(), &exchange.Exchange{Request: &exchange.Request{}})
			if err != nil {
				panic(err)
			}
			return res
		}
	}
	plain := func(status int, h exchange.Header, body exchange.Body) func() *exchange.Response {
		return func() *exchange.Response { return &exchange.Response{Status: status, Header: h, Body: body} }
	}
	for _, c := range []struct {
		name, method string
		answer       func() *exchange.Response
		want         string
	}{
		{"nothing", "GET", plain(200, nil, nil), "HEADERS+END :status=200"},
		{"no bytes", "GET", plain(200, nil, exchange.Bytes(nil)), "HEADERS+END :status=200 content-length=0"},
		{"empty mock", "GET", static(200, nil, ""), "HEADERS+END :status=200"},
		{"empty mock of a POST", "POST", static(201, nil, ""), "HEADERS+END :status=201"},
		{"empty mock of 500", "GET", static(500, nil, ""), "HEADERS+END :status=500"},
		{"length 0", "GET", plain(200, exchange.HeaderOf("Content-Length", "0"), nil), "HEADERS+END :status=200 content-length=0"},
		{"204", "GET", static(204, nil, ""), "HEADERS+END :status=204"},
		{"204 with a body", "GET", static(204, nil, "no"), "HEADERS+END :status=204"},
		{"304", "GET", static(304, exchange.HeaderOf("ETag", "1"), ""), "HEADERS+END :status=304"},
		{"304 with a body", "GET", static(304, nil, "no"), "HEADERS+END :status=304"},
		{"HEAD", "HEAD", static(200, nil, "body"), "HEADERS+END :status=200 content-length=4"},
		{"HEAD of nothing", "HEAD", static(200, nil, ""), "HEADERS+END :status=200"},
		{"HEAD of a stream", "HEAD", plain(200, nil, &exchange.Reader{R: io.NopCloser(strings.NewReader("abc")), N: -1}), "HEADERS+END :status=200"},
		{"gRPC status", "POST", plain(200, exchange.HeaderOf("Content-Type", "application/grpc", "grpc-status", "5"), nil), "HEADERS+END :status=200 grpc-status=5"},
		{"a body", "GET", static(200, nil, "abc"), `HEADERS :status=200 content-length=3; DATA+END "abc"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, exchange.HandlerFunc(func(context.Context, *exchange.Exchange) (*exchange.Response, error) {
				res := c.answer()
				res.Origin = exchange.FromMock
				return res, nil
			}))
			if got := h2Ask(b.device("a.test:443", "a.test"), c.method, "a.test"); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// So is that of a server that speaks HTTP/1.1.
func TestH2AnswersOfH1WithoutABody(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, method, answer, want string }{
		{"length 0", "GET", "200 OK\r\nContent-Length: 0\r\n\r\n", "HEADERS+END :status=200 content-length=0"},
		{"204", "GET", "204 No Content\r\n\r\n", "HEADERS+END :status=204"},
		{"304", "GET", "304 Not Modified\r\nContent-Length: 7\r\n\r\n", "HEADERS+END :status=304 content-length=7"},
		{"HEAD", "HEAD", "200 OK\r\nContent-Length: 7\r\n\r\n", "HEADERS+END :status=200 content-length=7"},
		{"HEAD of chunks", "HEAD", "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HEADERS+END :status=200"},
		{"no chunks", "GET", "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HEADERS+END :status=200"},
		{"no chunks, with trailers", "GET", "200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: grpc-status\r\n\r\n0\r\ngrpc-status: 5\r\n\r\n", "HEADERS :status=200 trailer=grpc-status; HEADERS+END grpc-status=5"},
		{"a chunk", "GET", "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", `HEADERS :status=200; DATA "abc"; DATA+END ""`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			addr := rawListener(t, true, func(nc net.Conn, br *bufio.Reader) {
				if _, err := http.ReadRequest(br); err == nil {
					io.WriteString(nc, "HTTP/1.1 "+c.answer)
				}
				nc.Close()
			})
			b := start(t, nil)
			if got := h2Ask(b.device(addr, "a.test"), c.method, addr); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
