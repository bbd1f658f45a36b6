package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"starproxy/driver/capture"
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
		return a.Certificate(h, "server.test", nil)
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
