package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"starproxy/driver/mock"
)

// Without a protocol in common a handshake comes off all the same, and HTTP
// inside is served.
func TestHTTPWithoutCommonALPN(t *testing.T) {
	t.Parallel()
	b := start(t, echo)
	for _, offers := range [][]string{nil, {"x-unknown"}, {"h3"}, {"http/1.0"}, {"http/0.9", "http/1.0", "http/1.1"}, {"acme", "http/1.1"}} {
		nc, br := b.tunnel("nowhere.invalid:443")
		device := tls.Client(buffered{nc, br}, &tls.Config{RootCAs: b.roots, ServerName: "nowhere.invalid", NextProtos: offers})
		io.WriteString(device, "GET /a HTTP/1.1\r\nHost: nowhere.invalid\r\n\r\n")
		expectBody(t, bufio.NewReader(device), "GET", "HTTP/1.1 GET https://nowhere.invalid/a 0\n")
		want := ""
		for _, o := range offers {
			if isHTTP(o) {
				want = o // the last one is the newest
			}
		}
		if got := device.ConnectionState().NegotiatedProtocol; got != want {
			t.Errorf("offers %q: agreed on %q, want %q", offers, got, want)
		}
	}
}

// A tunnel that begins with the preface of HTTP/2 is served, from mocks and
// from real servers that know it, and so is one inside TLS without ALPN.
func TestPrefaceInTunnel(t *testing.T) {
	t.Parallel()
	server := &http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "real ", r.Proto, r.TLS == nil)
	})}
	server.Protocols.SetUnencryptedHTTP2(true)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	mocks, real := start(t, echo), start(t, nil)
	for _, c := range []struct {
		name   string
		b      *bench
		secure bool
		want   string
	}{
		{"mock", mocks, false, "HTTP/2.0 GET http://" + l.Addr().String() + "/x 0\n"},
		{"mock in TLS", mocks, true, "HTTP/2.0 GET https://" + l.Addr().String() + "/x 0\n"},
		{"forward", real, false, "real HTTP/2.0true"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := &http.Transport{Protocols: new(http.Protocols), DialContext: func(_ context.Context, _, addr string) (net.Conn, error) {
				nc, br := c.b.tunnel(addr)
				if c.secure {
					// Transport would look for ALPN in a *tls.Conn.
					return struct{ net.Conn }{tls.Client(buffered{nc, br}, &tls.Config{InsecureSkipVerify: true})}, nil
				}
				return buffered{nc, br}, nil
			}}
			tr.Protocols.SetUnencryptedHTTP2(true)
			defer tr.CloseIdleConnections()
			client := &http.Client{Transport: tr, Timeout: 20 * time.Second}
			for range 3 {
				if body, res := get(t, client, "http://"+l.Addr().String()+"/x"); body != c.want || res.ProtoMajor != 2 {
					t.Errorf("%s %q, want %q", res.Proto, body, c.want)
				}
			}
		})
	}
}

// Sessions are resumed although each handshake has a configuration of its own.
func TestSessionTickets(t *testing.T) {
	t.Parallel()
	b := start(t, echo)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		cfg := &tls.Config{RootCAs: b.roots, ServerName: "a.test", MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
		for i := range 2 {
			nc, br := b.tunnel("a.test:443")
			device := tls.Client(buffered{nc, br}, cfg)
			io.WriteString(device, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
			expectBody(t, bufio.NewReader(device), "GET", "HTTP/1.1 GET https://a.test/ 0\n")
			if resumed := device.ConnectionState().DidResume; resumed != (i == 1) {
				t.Errorf("%s, handshake %d: resumed %v", tls.VersionName(version), i, resumed)
			}
		}
	}
}

// Offers of protocols that would take HTTP out of sight do not reach the real
// server; what follows an upgrade that nobody knows is journaled.
func TestUpgradeOffers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ offer, want string }{
		{"h2c", ""}, {"H2C", ""}, {"TLS/1.0", ""}, {"tls/1.0, http/1.1", ""}, {"HTTP/2.0, SHTTP/1.3, IRC/6.9", "SHTTP/1.3, IRC/6.9"},
		{"spdy/3", ""}, {"h2c, websocket", "websocket"}, {"x-custom", "x-custom"}, {"", ""}, {" , ", ""}, {"WebSocket", "WebSocket"},
	} {
		if got := offered(strings.Split(c.offer, ";")); got != c.want {
			t.Errorf("offered(%q) = %q, want %q", c.offer, got, c.want)
		}
	}
	addr := rawListener(t, false, func(nc net.Conn, br *bufio.Reader) {
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		up := req.Header.Get("Upgrade")
		if up == "" || up == "h2c" {
			text := fmt.Sprintf("%q %q %q", up, req.Header.Get("Connection"), req.Header.Get("Http2-Settings"))
			fmt.Fprintf(nc, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
			return
		}
		fmt.Fprintf(nc, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\nhello\n", up)
		io.Copy(nc, br)
	})
	b, sockets := streams(t, func(c *Config) { c.Handler = mock.Forward })
	nc, br := b.dial()
	fmt.Fprintf(nc, "GET http://%s/ HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", addr, addr)
	expectBody(t, br, "GET", `"" "" ""`)
	nc, br = b.dial()
	fmt.Fprintf(nc, "GET http://%s/up HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: x-custom/1\r\n\r\n", addr, addr)
	res, err := http.ReadResponse(br, nil)
	if err != nil || res.StatusCode != 101 || res.Header.Get("Upgrade") != "x-custom/1" {
		t.Fatal(res, err)
	}
	io.WriteString(nc, "GET /hidden HTTP/1.1\r\n\r\n")
	nc.(*net.TCPConn).CloseWrite()
	if rest, err := io.ReadAll(br); string(rest) != "hello\nGET /hidden HTTP/1.1\r\n\r\n" {
		t.Errorf("%q %v", rest, err)
	}
	e := streamEntry(t, b)
	if end := streamEnd(t, sockets, e.Seq); end.Error != "" {
		t.Error("the stream ended with", end.Error)
	}
	if up, down := said(sockets, e.Seq); up != "GET /hidden HTTP/1.1\r\n\r\n" || down != "hello\n"+up {
		t.Errorf("journaled %q and %q", up, down)
	}
}

// A server that changes to a protocol which it was not offered is at fault: the
// device must not go on with it past mocks and captures.
func TestSwitchThatWasNotOffered(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		offer, answer string
		status        int
	}{
		{"", "h2c", 502}, {"", "x-custom", 502}, {"", "", 502},
		{"h2c", "h2c", 502}, {"TLS/1.0", "TLS/1.0", 502}, {"x-custom, h2c", "h2c", 502}, {"x-custom", "x-other", 502},
		{"websocket, x-custom", "x-custom", 502}, {"x-custom", "x-custom, h2c", 502},
		{"x-custom", "x-custom", 101}, {"x-custom/1", "X-Custom/1.1", 101}, {"x-a, x-b/2", "x-b", 101}, {"x-custom", "", 101},
		{"websocket", "WebSocket", 101}, {"h2c, websocket", "websocket", 101},
	} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprint(c.offer, "/", c.answer, "/", secure), func(t *testing.T) {
				t.Parallel()
				addr := rawListener(t, secure, func(nc net.Conn, br *bufio.Reader) {
					if _, err := http.ReadRequest(br); err != nil {
						return
					}
					head := "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
					if c.answer != "" {
						head += "Upgrade: " + c.answer + "\r\n"
					}
					io.WriteString(nc, head+"\r\n")
					io.Copy(nc, br)
				})
				b := start(t, nil, noPanics(t))
				nc, br := b.talk(addr, secure)
				head := "GET / HTTP/1.1\r\nHost: a\r\n"
				if c.offer != "" {
					head += "Connection: Upgrade\r\nUpgrade: " + c.offer + "\r\n"
				}
				io.WriteString(nc, head+"\r\n")
				res, err := http.ReadResponse(br, nil)
				if err != nil || res.StatusCode != c.status {
					t.Fatal(res, err)
				}
				if c.status == 101 {
					return
				}
				if text, _ := io.ReadAll(res.Body); !strings.Contains(string(text), "the server's answer is malformed: 101 Switching Protocols") {
					t.Errorf("%q", text)
				}
			})
		}
	}
}
