package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

// overHTTP2 is a client that speaks HTTP/2 on c.
func overHTTP2(c net.Conn) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	dial := func(context.Context, string, string) (net.Conn, error) { return c, nil }
	return &http.Transport{Protocols: protocols, DialTLSContext: dial}
}

// eventually polls until ok holds, for up to 20 seconds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never came: " + what)
		}
	}
}

// open counts the connections that the proxy holds.
func (b *bench) open() int {
	b.p.mu.Lock()
	defer b.p.mu.Unlock()
	return len(b.p.conns)
}

// openSockets counts the sockets of this process.
func openSockets(t testing.TB) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc: ", err)
	}
	n := 0
	for _, fd := range fds {
		if to, _ := os.Readlink("/proc/self/fd/" + fd.Name()); strings.HasPrefix(to, "socket:") || strings.HasPrefix(to, "pipe:") {
			n++
		}
	}
	return n
}

// wrap does a TLS handshake over c and offers the protocols given.
func (b *bench) wrap(c net.Conn, name string, protos ...string) (*tls.Conn, *bufio.Reader) {
	b.t.Helper()
	t := tls.Client(c, &tls.Config{RootCAs: b.roots, ServerName: name, NextProtos: protos})
	if err := t.Handshake(); err != nil {
		b.t.Fatal(err)
	}
	return t, bufio.NewReader(t)
}

// connect does a CONNECT on an open connection.
func (b *bench) connect(c net.Conn, br *bufio.Reader, target string) net.Conn {
	b.t.Helper()
	fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target)
	b.expectConnected(br)
	return buffered{c, br}
}

func ask(t *testing.T, c net.Conn, br *bufio.Reader, target, want string) {
	t.Helper()
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: a.test\r\n\r\n", target)
	expectBody(t, br, "GET", want)
}

// TestTLSToTheProxyPort checks that TLS to the proxy port carries what a plain
// connection carries: plain requests, CONNECT, TLS inside, CONNECT later.
func TestTLSToTheProxyPort(t *testing.T) {
	t.Parallel()
	b := start(t, echo)
	c, _ := b.dial()
	for _, name := range []string{"127.0.0.1", "proxy.example"} { // without and with SNI
		out, outBr := b.wrap(c, name, "h2", "http/1.1")
		if p := out.ConnectionState().NegotiatedProtocol; p != "http/1.1" {
			t.Errorf("ALPN %q", p)
		}
		ask(t, out, outBr, "http://a.test/1", "HTTP/1.1 GET http://a.test/1 0\n")
		ask(t, out, outBr, "http://b.test:81/2", "HTTP/1.1 GET http://b.test:81/2 0\n")
		ask(t, out, outBr, "/3-direct", "HTTP/1.1 GET https://a.test/3-direct 0\n") // for the server itself
		in, inBr := b.wrap(b.connect(out, outBr, "a.test:8443"), "a.test", "http/1.1")
		ask(t, in, inBr, "/3", "HTTP/1.1 GET https://a.test:8443/3 0\n")
		in.Close()
		c, _ = b.dial()
	}
	// A CONNECT as the first request, plain HTTP inside.
	out, outBr := b.wrap(c, "127.0.0.1")
	in := b.connect(out, outBr, "a.test:81")
	ask(t, in, outBr, "/4", "HTTP/1.1 GET http://a.test:81/4 0\n")
	for i, e := range b.journal.Entries(nil) {
		if scheme := e.Scheme == "https"; scheme != strings.HasPrefix(e.Target, "/3") || !e.Client.IsValid() {
			t.Errorf("entry %d: %+v", i, e)
		}
	}
}

// TestTLSForTheServer checks that a device which speaks TLS to the proxy port as to the
// server reaches the server with TLS: its hosts file may say that we are the server.
func TestTLSForTheServer(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	u := origin(t, false, true, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.TLS.ServerName+" "+r.Host) }).URL
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(u, "https://"))
	host := "localhost:" + port
	c, _ := b.dial()
	out, br := b.wrap(c, "localhost")
	fmt.Fprintf(out, "GET /a HTTP/1.1\r\nHost: %s\r\n\r\n", host)
	expectBody(t, br, "GET", "localhost "+host)
	if e := b.last(1); e.URL() != "https://"+host+"/a" || e.SNI != "localhost" || e.ClientTLS.Version == 0 {
		t.Errorf("got %s, SNI %q, TLS %+v, want the server's URL and the handshake", e.URL(), e.SNI, e.ClientTLS)
	}
}

// TestHTTPSProxyClients checks net/http as the client of an HTTPS proxy, over
// HTTP/1.1 and HTTP/2 inside, with bodies large enough to be moved by pages.
func TestHTTPSProxyClients(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("0123456789abcdef", 1<<16)
	for _, secure := range []bool{false, true} {
		b := start(t, nil)
		u := origin(t, true, secure, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(big)))
			io.WriteString(w, big)
		}).URL
		tr := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "https", Host: b.addr()}),
			TLSClientConfig: &tls.Config{RootCAs: b.roots}, ForceAttemptHTTP2: secure}
		t.Cleanup(tr.CloseIdleConnections)
		body, res := get(t, &http.Client{Transport: tr, Timeout: 20 * time.Second}, u)
		if body != big || secure != (res.ProtoMajor == 2) {
			t.Errorf("secure=%v: %d bytes over %s", secure, len(body), res.Proto)
		}
	}
}

// TestNoConnectionLeaks makes odd sequences a hundred times each and counts.
func TestNoConnectionLeaks(t *testing.T) {
	b := start(t, echo)
	inTLS := func() (net.Conn, *bufio.Reader) {
		c, br := b.tunnel("a.test:443")
		return b.wrap(buffered{c, br}, "a.test", "http/1.1")
	}
	for name, f := range map[string]func() net.Conn{
		"CONNECT inside intercepted TLS": func() net.Conn {
			c, br := inTLS()
			return b.connect(c, br, "b.test:443")
		},
		"a bad CONNECT inside intercepted TLS": func() net.Conn {
			c, br := inTLS()
			fmt.Fprintf(c, "CONNECT b.test HTTP/1.1\r\nHost: b.test\r\n\r\n")
			expectStatus(t, br, 400)
			return c
		},
		"CONNECT inside TLS inside TLS to the proxy": func() net.Conn {
			c, _ := b.dial()
			out, br := b.wrap(c, "127.0.0.1")
			in, inBr := b.wrap(b.connect(out, br, "a.test:443"), "a.test")
			return b.connect(in, inBr, "b.test:81")
		},
		"CONNECTs too deep": func() net.Conn {
			c, br := b.tunnel("a.test:80")
			for range maxDepth - 1 {
				b.connect(c, br, "b.test:80")
			}
			fmt.Fprintf(c, "CONNECT b.test:80 HTTP/1.1\r\nHost: b.test:80\r\n\r\n")
			expectStatus(t, br, 400)
			return c
		},
		"CONNECT over HTTP/2": func() net.Conn {
			c, br := b.tunnel("a.test:443")
			tc, _ := b.wrap(buffered{c, br}, "a.test", "h2")
			res, err := overHTTP2(tc).RoundTrip(&http.Request{Method: "CONNECT", URL: &url.URL{Scheme: "https", Host: "b.test:443"}, Host: "b.test:443", Header: http.Header{}})
			if err != nil || res.StatusCode != 400 {
				t.Errorf("CONNECT over HTTP/2: %v %v", res, err)
			}
			return tc
		},
		"TLS to the proxy that breaks off": func() net.Conn {
			c, _ := b.dial()
			c.Write([]byte{recordHandshake, 3, 1, 0, 200, 1})
			return c
		},
		"TLS inside a tunnel that breaks off": func() net.Conn {
			c, _ := b.tunnel("a.test:443")
			c.Write([]byte{recordHandshake, 3, 1, 0, 200, 1})
			return c
		},
		"a header that breaks off": func() net.Conn {
			c, _ := b.dial()
			io.WriteString(c, "GET http://a.test/ HT")
			return c
		},
	} {
		f().Close()
		eventually(t, name+": first closed", func() bool { return b.open() == 0 })
		before := openSockets(t)
		for range 100 {
			f().Close()
		}
		eventually(t, name+": all closed", func() bool { return b.open() == 0 && openSockets(t) <= before })
	}
}

func expectStatus(t testing.TB, br *bufio.Reader, want int) string {
	t.Helper()
	res, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != want {
		t.Errorf("%s %s, want %d", res.Status, body, want)
	}
	return strings.TrimSpace(string(body))
}
