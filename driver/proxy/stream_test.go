package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"starproxy/driver/capture"
	"starproxy/driver/mock"
)

// streams runs a proxy that keeps what streams carry.
func streams(t testing.TB, change ...func(*Config)) (*bench, *capture.Sockets) {
	t.Helper()
	var sockets *capture.Sockets
	b := start(t, echo, append(change, func(c *Config) {
		sockets = capture.NewSockets(c.Journal, capture.Options{})
		c.Sockets = sockets
	})...)
	return b, sockets
}

// streamEnd waits for the stream with the number seq to end.
func streamEnd(t testing.TB, sockets *capture.Sockets, seq uint64) *capture.Entry {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	e, err := sockets.Wait(ctx, func(e *capture.Entry) bool { return e.Kind == capture.SocketEnd && e.Socket == seq })
	if err != nil {
		t.Fatal("no end of the stream is journaled:", err)
	}
	return e
}

// streamEntry waits for the entry of a stream.
func streamEntry(t testing.TB, b *bench) *capture.Entry {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	e, err := b.journal.Wait(ctx, func(e *capture.Entry) bool { return e.Kind == capture.TCP })
	if err != nil {
		t.Fatal("no stream is journaled:", err)
	}
	return e
}

// said puts together what each side of a stream said.
func said(sockets *capture.Sockets, seq uint64) (up, down string) {
	pieces, _ := sockets.Stream(seq)
	return string(capture.Bytes(pieces, true, 1<<20).Data), string(capture.Bytes(pieces, false, 1<<20).Data)
}

// peer is a server of bytes: it greets, and answers each line with the same in
// upper case until the device has said all.
func peer(t testing.TB, secure *tls.Config, greeting string, heard func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if secure != nil {
					s := tls.Server(c, secure)
					if s.Handshake() != nil {
						return
					}
					c = s
				}
				if heard != nil {
					heard(c)
				}
				io.WriteString(c, greeting)
				lines := bufio.NewReader(c)
				for {
					line, err := lines.ReadString('\n')
					io.WriteString(c, strings.ToUpper(line))
					if err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// serverTLS is the configuration of a server that chooses among protos.
func serverTLS(t testing.TB, protos ...string) *tls.Config {
	t.Helper()
	a, err := testCA()
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{NextProtos: protos, GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		return a.Certificate(h, "server.test")
	}}
}

// What is not HTTP inside TLS reaches the real server, with the device's SNI
// and ALPN, and the device is told the server's choice.
func TestStreamInsideTLS(t *testing.T) {
	t.Parallel()
	connect := "\x10\x12\x00\x04MQTT\x04\x02\x00\x3c\x00\x06device\n"
	for _, c := range []struct {
		name          string
		offers, knows []string
		greeting      string
		says          string
		agreed        string
	}{
		{name: "no ALPN", says: connect},
		{name: "mqtt", offers: []string{"mqtt"}, knows: []string{"mqtt"}, says: connect, agreed: "mqtt"},
		{name: "AWS", offers: []string{"x-amzn-mqtt-ca"}, knows: []string{"x-amzn-mqtt-ca", "mqtt"}, says: connect, agreed: "x-amzn-mqtt-ca"},
		{name: "the server's second choice", offers: []string{"a", "mqtt"}, knows: []string{"mqtt"}, says: connect, agreed: "mqtt"},
		{name: "a server without ALPN", offers: []string{"mqtt"}, says: connect},
		{name: "IMAPS", greeting: "* OK ready\r\n", says: "a1 capability\r\n"},
		{name: "ALPN imap", offers: []string{"imap"}, knows: []string{"imap"}, greeting: "* OK ready\r\n", says: "a1 noop\r\n", agreed: "imap"},
		{name: "SSH", greeting: "SSH-2.0-server\r\n", says: "SSH-2.0-client one two\r\n"},
		{name: "Redis", says: "GET /key\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var state tls.ConnectionState
			addr := peer(t, serverTLS(t, c.knows...), c.greeting, func(nc net.Conn) {
				mu.Lock()
				defer mu.Unlock()
				state = nc.(*tls.Conn).ConnectionState()
			})
			b, sockets := streams(t)
			nc, br := b.tunnel(addr)
			device := tls.Client(buffered{nc, br}, &tls.Config{RootCAs: b.roots, ServerName: "broker.example.test", NextProtos: c.offers})
			if err := device.Handshake(); err != nil {
				t.Fatal(err)
			}
			if got := device.ConnectionState().NegotiatedProtocol; got != c.agreed {
				t.Errorf("the device was told protocol %q, want %q", got, c.agreed)
			}
			read := bufio.NewReader(device)
			if c.greeting != "" {
				if got, err := read.ReadString('\n'); got != c.greeting {
					t.Fatalf("greeting %q %v, want %q", got, err, c.greeting)
				}
			}
			io.WriteString(device, c.says)
			want := strings.ToUpper(c.says)
			got := make([]byte, len(want))
			if _, err := io.ReadFull(read, got); string(got) != want {
				t.Fatalf("answer %q %v, want %q", got, err, want)
			}
			mu.Lock()
			if state.ServerName != "broker.example.test" || state.NegotiatedProtocol != c.agreed {
				t.Errorf("server saw SNI %q and protocol %q, want broker.example.test and %q", state.ServerName, state.NegotiatedProtocol, c.agreed)
			}
			mu.Unlock()
			// It is seen while it goes on.
			e := streamEntry(t, b)
			if up, down := said(sockets, e.Seq); up != c.says || down != c.greeting+want {
				t.Errorf("journaled %q and %q, want %q and %q", up, down, c.says, c.greeting+want)
			}
			if e.URL() != "tls://"+addr || e.SNI != "broker.example.test" || e.ClientTLS.ALPN != c.agreed || !e.Server.Addr.IsValid() {
				t.Errorf("entry %+v", e)
			}
			device.Close()
			end := streamEnd(t, sockets, e.Seq)
			if !end.FromClient || end.Error != "" || end.RequestBody.Size != int64(len(c.says)) || end.ResponseBody.Size != int64(len(c.greeting+want)) {
				t.Errorf("end %+v", end)
			}
		})
	}
}

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

// Bytes in a tunnel without TLS are journaled, too.
func TestStreamInTunnel(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, greeting, says string }{
		{"the server first", "220 mail\r\n", "ehlo a\r\n"},
		{"SSH", "", "SSH-2.0-OpenSSH_9.2p1 Debian\r\n"},
		{"binary", "", "\x00\x01\x02\xff\n"},
		{"RTSP", "", "options rtsp://h/ RTSP/1.0\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, sockets := streams(t)
			addr := peer(t, nil, c.greeting, nil)
			nc, br := b.tunnel(addr)
			if c.greeting != "" {
				if got, err := br.ReadString('\n'); got != c.greeting {
					t.Fatal(got, err)
				}
			}
			io.WriteString(nc, c.says)
			nc.(*net.TCPConn).CloseWrite()
			want := strings.ToUpper(c.says)
			if rest, err := io.ReadAll(br); string(rest) != want {
				t.Errorf("answer %q %v, want %q", rest, err, want)
			}
			e := streamEntry(t, b)
			streamEnd(t, sockets, e.Seq)
			if up, down := said(sockets, e.Seq); up != c.says || down != c.greeting+want {
				t.Errorf("journaled %q and %q", up, down)
			}
			if e.URL() != "tcp://"+addr {
				t.Error("URL", e.URL())
			}
		})
	}
}

// Where nothing may be connected, and where nobody answers, that is captured,
// with what the device said.
func TestStreamRefused(t *testing.T) {
	t.Parallel()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	isolated := func(c *Config) { c.Isolated = true }
	for _, c := range []struct {
		name   string
		secure bool
		change func(*Config)
		why    string
	}{
		{"isolated", false, isolated, "refused"},
		{"isolated with TLS", true, isolated, "refused"},
		{"out of reach", false, func(*Config) {}, "connection refused"},
		{"out of reach with TLS", true, func(*Config) {}, "connection refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, sockets := streams(t, c.change)
			nc, br := b.tunnel(gone.Addr().String())
			device := net.Conn(buffered{nc, br})
			if c.secure {
				device = tls.Client(device, &tls.Config{RootCAs: b.roots, ServerName: "a.test", NextProtos: []string{"mqtt"}})
			}
			io.WriteString(device, "\x10\x00")
			if rest, _ := io.ReadAll(device); len(rest) > 0 {
				t.Errorf("got %q", rest)
			}
			e := streamEntry(t, b)
			end := streamEnd(t, sockets, e.Seq)
			if !strings.Contains(e.Error, c.why) || end.Error != e.Error || e.Origin.String() != "proxy" {
				t.Errorf("error %q of origin %s, at the end %q, want %q", e.Error, e.Origin, end.Error, c.why)
			}
			if up, down := said(sockets, e.Seq); up != "\x10\x00" || down != "" {
				t.Errorf("journaled %q and %q", up, down)
			}
		})
	}
}

// What is kept of a stream is bounded, and what is not is counted.
func TestStreamIsBounded(t *testing.T) {
	t.Parallel()
	b, sockets := streams(t)
	nc, br := b.tunnel(peer(t, nil, "", nil))
	const size = 5 << 20
	line := append(bytes.Repeat([]byte{'a'}, 8<<10-1), '\n')
	go func() {
		nc.Write([]byte{0})
		for n := 0; n < size; n += len(line) {
			nc.Write(line)
		}
		nc.(*net.TCPConn).CloseWrite()
	}()
	n, err := io.Copy(io.Discard, br)
	if n != size+1 || err != nil {
		t.Fatalf("%d bytes came back, %v", n, err)
	}
	e := streamEntry(t, b)
	end := streamEnd(t, sockets, e.Seq)
	if end.RequestBody.Size != size+1 || !end.RequestBody.Truncated || end.ResponseBody.Size != size+1 || !end.ResponseBody.Truncated {
		t.Errorf("end %+v %+v", end.RequestBody, end.ResponseBody)
	}
	pieces, _ := sockets.Stream(e.Seq)
	for _, fromClient := range []bool{true, false} {
		if kept := capture.Bytes(pieces, fromClient, size); len(kept.Data) == 0 || len(kept.Data) > maxStream {
			t.Errorf("%d bytes are kept, want at most %d", len(kept.Data), maxStream)
		}
	}
}

// A stream that goes on when the proxy stops ends in the journal.
func TestStreamEndsWithTheProxy(t *testing.T) {
	t.Parallel()
	b, sockets := streams(t)
	nc, br := b.tunnel(peer(t, nil, "", nil))
	io.WriteString(nc, "\x00hi\n")
	if got, err := br.ReadString('\n'); got != "\x00HI\n" {
		t.Fatal(got, err)
	}
	b.p.Close(context.Background())
	e := streamEntry(t, b)
	if _, over := sockets.Over(e.Seq); !over {
		t.Error("the stream has no end")
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

// A device that is silent first and then speaks TLS has its stream connected
// with TLS, although the server was connected without in the meantime.
func TestLateStreamInsideTLS(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	connected := make(chan bool, 2)
	secure := serverTLS(t)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			connected <- true
			go func() {
				defer c.Close()
				s := tls.Server(c, secure)
				io.Copy(s, s)
			}()
		}
	}()
	b, _ := streams(t)
	nc, br := b.tunnel(l.Addr().String())
	<-connected
	device := tls.Client(buffered{nc, br}, &tls.Config{RootCAs: b.roots, ServerName: "a.test"})
	io.WriteString(device, "\x10\x00")
	got := make([]byte, 2)
	if _, err := io.ReadFull(device, got); string(got) != "\x10\x00" {
		t.Errorf("%q %v", got, err)
	}
}

// A side that resets the connection is named; the device may.
func TestStreamReset(t *testing.T) {
	t.Parallel()
	for _, byDevice := range []bool{true, false} {
		b, sockets := streams(t)
		addr := peer(t, nil, "", func(c net.Conn) {
			if !byDevice {
				io.ReadFull(c, make([]byte, 3))
				c.(*net.TCPConn).SetLinger(0)
				c.Close()
			}
		})
		nc, br := b.tunnel(addr)
		io.WriteString(nc, "\x00a\n")
		if byDevice {
			br.ReadString('\n')
			nc.(*net.TCPConn).SetLinger(0)
			nc.Close()
		}
		end := streamEnd(t, sockets, streamEntry(t, b).Seq)
		if byDevice && (end.Error != "" || end.CloseReason != "the device reset the connection") {
			t.Errorf("by the device: %q %q", end.Error, end.CloseReason)
		}
		if !byDevice && end.Error != "the server reset the connection" {
			t.Errorf("by the server: %q %q", end.Error, end.CloseReason)
		}
	}
}
