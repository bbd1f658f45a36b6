package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"starproxy/builtins/exchange"
)

// silence is a real server that takes connections, never says anything, and
// closes none before the test is over. It counts them.
func silence(t testing.TB, count *atomic.Int32) string {
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
			t.Cleanup(func() { c.Close() })
			count.Add(1)
		}
	}()
	return l.Addr().String()
}

// lasting answers with what lasts: a stream that never comes, a socket that
// never ends.
var lasting = exchange.HandlerFunc(func(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	wait := func(ctx context.Context, c exchange.Conn) error {
		<-ctx.Done()
		return ctx.Err()
	}
	switch x.Request.Path() {
	case "/stream":
		return &exchange.Response{Status: 200, Origin: exchange.FromMock, Body: exchange.Stream(wait)}, nil
	case "/wait":
		<-ctx.Done()
		return nil, ctx.Err()
	case "/endless":
		return &exchange.Response{Status: 200, Origin: exchange.FromMock, Body: exchange.Stream(func(ctx context.Context, c exchange.Conn) error {
			for b := make([]byte, 64<<10); ; {
				if _, err := c.Write(b); err != nil {
					return err
				}
			}
		})}, nil
	case "/socket":
		return &exchange.Response{Status: 101, Origin: exchange.FromMock, Body: exchange.Socket(func(ctx context.Context, c exchange.Conn) error {
			ws, err := exchange.AcceptWebSocket(ctx, x.Request, c)
			if err != nil {
				return err
			}
			_, _, err = ws.Read(ctx)
			return err
		})}, nil
	case "/forward":
		return nil, nil
	}
	return exchange.Text(200, "ok"), nil
})

// TestEveryStateHasABound leaves connections alone in every state in which they
// can be: each is closed, on both sides, and no goroutine keeps a descriptor.
func TestEveryStateHasABound(t *testing.T) {
	const bound = 1500 * time.Millisecond
	b := start(t, lasting, func(c *Config) { c.Idle, c.TunnelIdle = bound, bound })
	var held atomic.Int32
	quiet := silence(t, &held)
	talker := rawListener(t, false, func(c net.Conn, br *bufio.Reader) {
		io.WriteString(c, "220 hello\r\n")
		io.Copy(io.Discard, br)
	})
	sockets := origin(t, false, false, func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, nil)
		if err == nil {
			ws.Read(r.Context())
			ws.CloseNow()
		}
	})
	quietSocket := "http://" + rawListener(t, false, func(c net.Conn, br *bufio.Reader) {
		http.ReadRequest(br)
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		held.Add(1)
		<-t.Context().Done()
	})
	say := func(c net.Conn, text string) { io.WriteString(c, text) }
	inTLS := func(target string, protos ...string) (*tls.Conn, *bufio.Reader) {
		c, br := b.tunnel(target)
		return b.wrap(buffered{c, br}, "a.test", protos...)
	}
	upgrade := "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	before := openSockets(t)
	conns := map[string]net.Conn{}
	for name, open := range map[string]func() net.Conn{
		"nothing at all":       func() net.Conn { c, _ := b.dial(); return c },
		"a header that stops":  func() net.Conn { c, _ := b.dial(); say(c, "GET http://a.test/ HTTP/1.1\r\nHo"); return c },
		"after an answer":      func() net.Conn { c, br := b.dial(); ask(t, c, br, "http://a.test/", "ok\n"); return c },
		"a later header stops": func() net.Conn { c, br := b.dial(); ask(t, c, br, "http://a.test/", "ok\n"); say(c, "GET "); return c },
		"a body that stops": func() net.Conn {
			c, _ := b.dial()
			say(c, "POST http://"+quiet+"/forward HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1")
			return c
		},
		"a server that waits": func() net.Conn {
			c, _ := b.dial()
			say(c, "GET http://"+quiet+"/forward HTTP/1.1\r\nHost: x\r\n\r\n")
			return c
		},
		"a mock that waits": func() net.Conn {
			c, _ := b.dial()
			say(c, "GET http://a.test/wait HTTP/1.1\r\nHost: x\r\n\r\n")
			return c
		},
		"a stream that waits": func() net.Conn {
			c, _ := b.dial()
			say(c, "GET http://a.test/stream HTTP/1.1\r\nHost: x\r\n\r\n")
			return c
		},
		"an answer nobody reads": func() net.Conn {
			c, _ := b.dial()
			say(c, "GET http://a.test/endless HTTP/1.1\r\nHost: x\r\n\r\n")
			return c
		},
		"a script's socket": func() net.Conn {
			c, _ := b.dial()
			say(c, "GET http://a.test/socket HTTP/1.1\r\nHost: x\r\n"+upgrade)
			return c
		},
		"a server's socket": func() net.Conn {
			c, _ := b.dial()
			say(c, "GET "+sockets.URL+"/forward HTTP/1.1\r\nHost: x\r\n"+upgrade)
			return c
		},
		"a tunnel, both silent":  func() net.Conn { c, _ := b.tunnel(quiet); return c },
		"a tunnel to nowhere":    func() net.Conn { c, _ := b.tunnel("a.invalid:443"); return c },
		"a tunnel, server spoke": func() net.Conn { c, br := b.tunnel(talker); br.ReadString('\n'); return c },
		"a tunnel, device spoke": func() net.Conn { c, _ := b.tunnel(quiet); say(c, "\x00\x01\x02\x03"); return c },
		"a tunnel, half open":    func() net.Conn { c, _ := b.tunnel(quiet); say(c, "\x00\x01"); c.(*net.TCPConn).CloseWrite(); return c },
		"a server's socket, half open": func() net.Conn {
			c, br := b.dial()
			say(c, "GET "+quietSocket+"/forward HTTP/1.1\r\nHost: x\r\n"+upgrade)
			if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 101 {
				t.Fatal(res, err)
			}
			c.(*net.TCPConn).CloseWrite()
			return c
		},
		"a tunnel, part of a word": func() net.Conn { c, _ := b.tunnel(quiet); say(c, "GE"); return c },
		"half a handshake":         func() net.Conn { c, _ := b.tunnel(quiet); say(c, "\x16\x03\x01\x00"); return c },
		"TLS, nothing inside":      func() net.Conn { c, _ := inTLS(quiet, "http/1.1"); return c },
		"TLS, no ALPN":             func() net.Conn { c, _ := inTLS("a.invalid:443"); return c },
		"TLS, after an answer":     func() net.Conn { c, br := inTLS("a.test:443"); ask(t, c, br, "/", "ok\n"); return c },
		"TLS, a stream that waits": func() net.Conn {
			c, _ := inTLS("a.test:443")
			say(c, "GET /stream HTTP/1.1\r\nHost: a.test\r\n\r\n")
			return c
		},
		"TLS, a script's socket": func() net.Conn {
			c, _ := inTLS("a.test:443")
			say(c, "GET /socket HTTP/1.1\r\nHost: a.test\r\n"+upgrade)
			return c
		},
		"HTTP/2, nothing": func() net.Conn { c, _ := inTLS("a.test:443", "h2"); return c },
		"HTTP/2, a stream": func() net.Conn {
			c, _ := inTLS("a.test:443", "h2")
			r, _ := http.NewRequest("GET", "https://a.test/stream", nil)
			go overHTTP2(c).RoundTrip(r)
			return c
		},
		"TLS to the proxy":                  func() net.Conn { c, _ := b.dial(); t, _ := b.wrap(c, "127.0.0.1"); return t },
		"TLS to the proxy, silent tunnel":   func() net.Conn { c, _ := b.dial(); t, br := b.wrap(c, "127.0.0.1"); return b.connect(t, br, quiet) },
		"TLS to the proxy, half a header":   func() net.Conn { c, _ := b.dial(); t, _ := b.wrap(c, "127.0.0.1"); say(t, "GET "); return t },
		"TLS to the proxy, half the hello":  func() net.Conn { c, _ := b.dial(); say(c, "\x16\x03\x01\x02\x00\x01\x00"); return c },
		"a tunnel in a tunnel, both silent": func() net.Conn { c, br := b.tunnel("a.test:80"); return b.connect(c, br, quiet) },
	} {
		conns[name] = open()
	}
	for name, c := range conns {
		c.SetDeadline(time.Now().Add(headerTimeout + 30*time.Second))
		if name == "an answer nobody reads" {
			eventually(t, name+": closed", func() bool { _, err := c.Write([]byte("x")); return err != nil })
		} else if _, err := io.Copy(io.Discard, c); os.IsTimeout(err) {
			t.Error(name, "is left open")
		}
		c.Close()
	}
	eventually(t, "all closed", func() bool { return b.open() == 0 && openSockets(t) <= before+int(held.Load()) })
}

// TestWhatMovesStaysOpen checks that a connection with some bytes now and then
// outlives the bounds many times over.
func TestWhatMovesStaysOpen(t *testing.T) {
	t.Parallel()
	b := start(t, lasting)
	echoes := rawListener(t, false, func(c net.Conn, br *bufio.Reader) { io.Copy(c, br) })
	c, br := b.tunnel(echoes)
	silent, _ := b.tunnel(silence(t, new(atomic.Int32)))
	now := time.Now()
	one := make([]byte, 1)
	for i := range 50 {
		c.Write([]byte{byte(i)})
		if _, err := io.ReadFull(br, one); err != nil || one[0] != byte(i) {
			t.Fatal(i, one, err)
		}
		now = now.Add(DefaultTunnelIdle / 2)
		b.p.sweep(now)
	}
	if _, err := io.Copy(io.Discard, silent); os.IsTimeout(err) {
		t.Error("the silent one is left open")
	}
}
