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

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

func TestRawTunnels(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				fmt.Fprint(c, "220 hi\n")
				io.Copy(c, c)
			}()
		}
	}()
	b := start(t, nil)
	// The server speaks first.
	c, br := b.tunnel(l.Addr().String())
	if s, err := br.ReadString('\n'); s != "220 hi\n" {
		t.Fatal(s, err)
	}
	fmt.Fprint(c, "\x00ping\n")
	if s, err := br.ReadString('\n'); s != "\x00ping\n" {
		t.Fatal(s, err)
	}
	c.(*net.TCPConn).CloseWrite()
	if rest, err := io.ReadAll(br); len(rest) > 0 || err != nil {
		t.Errorf("%q %v", rest, err)
	}
	// The client speaks first.
	c, br = b.tunnel(l.Addr().String())
	fmt.Fprint(c, "\x01\x02first\n")
	c.(*net.TCPConn).CloseWrite()
	if all, err := io.ReadAll(br); string(all) != "220 hi\n\x01\x02first\n" {
		t.Errorf("%q %v", all, err)
	}
	// Isolated: refused.
	iso := start(t, nil, func(c *Config) { c.Isolated = true })
	c, br = iso.tunnel(l.Addr().String())
	fmt.Fprint(c, "\x01\x02first\n")
	if all, _ := io.ReadAll(br); len(all) > 0 {
		t.Errorf("isolated: %q", all)
	}
}

// A device that only opens a tunnel early and speaks TLS later is intercepted.
func TestLateTLS(t *testing.T) {
	t.Parallel()
	o := origin(t, false, true, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "real") })
	b := start(t, echo)
	c, br := b.tunnel(o.Listener.Addr().String())
	// Wait for the proxy to give up waiting and connect; the server then waits, too.
	time.Sleep(speakFirst + 200*time.Millisecond)
	tc := tls.Client(buffered{c, br}, &tls.Config{InsecureSkipVerify: true})
	fmt.Fprintf(tc, "GET /late HTTP/1.1\r\nHost: a.test\r\n\r\n")
	expectBody(t, bufio.NewReader(tc), "GET", fmt.Sprintf("HTTP/1.1 GET https://a.test:%d/late 0\n", o.Listener.Addr().(*net.TCPAddr).Port))
}

// A device that does not trust the CA leaves a trace.
func TestHandshakeFailureIsCaptured(t *testing.T) {
	t.Parallel()
	b := start(t, echo)
	c, br := b.tunnel("api.example.test:8443")
	err := tls.Client(buffered{c, br}, &tls.Config{ServerName: "sni.example.test"}).Handshake()
	if err == nil {
		t.Fatal("trusted")
	}
	c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	e, err := b.journal.Wait(ctx, func(e *capture.Entry) bool { return e.Kind == capture.TLSError })
	if err != nil || e.SNI != "sni.example.test" || e.Host != "api.example.test" || e.Port != 8443 || !strings.Contains(e.Error, "bad certificate") {
		t.Errorf("%+v %v", e, err)
	}
}

// The Host header names the server where a CONNECT only has its address.
func TestConnectByAddress(t *testing.T) {
	t.Parallel()
	o := origin(t, false, true, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "real ", r.Host, r.TLS.ServerName) })
	b := start(t, exchange.HandlerFunc(func(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
		if x.Request.Host != "api.example.test" {
			t.Errorf("host %q", x.Request.Host)
		}
		return x.Forward(ctx)
	}))
	c, br := b.tunnel(o.Listener.Addr().String())
	tc := tls.Client(buffered{c, br}, &tls.Config{RootCAs: b.roots, ServerName: "api.example.test"})
	fmt.Fprintf(tc, "GET / HTTP/1.1\r\nHost: api.example.test\r\n\r\n")
	expectBody(t, bufio.NewReader(tc), "GET", "real api.example.testapi.example.test")
}

// The two facts of gomitmproxy that the hand-over rests on.
func TestHandOverOfEveryConnection(t *testing.T) {
	t.Parallel()
	b := start(t, echo)
	for _, first := range []string{"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n"} {
		c, br := b.dial()
		io.WriteString(c, first)
		if strings.HasPrefix(first, "CONNECT") { // what answers in the tunnel has it
			b.expectConnected(br)
			io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
		}
		if _, err := br.ReadByte(); err != nil {
			t.Fatal(err)
		}
		b.p.mu.Lock()
		for k := range b.p.conns {
			if fc, ok := k.(*frontConn); ok && fc.RemoteAddr().String() == c.LocalAddr().String() {
				t.Errorf("%q: gomitmproxy still has the connection", first)
			}
		}
		b.p.mu.Unlock()
		c.Close()
	}
}
