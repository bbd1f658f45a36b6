package proxy

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"starproxy/builtins/exchange"
)

// headServer is a real server that tells the header that it got, and answers
// with what it is given.
func headServer(t *testing.T, secure bool, answer string) (string, chan string) {
	heads := make(chan string, 1)
	return rawListener(t, secure, func(c net.Conn, br *bufio.Reader) {
		head := ""
		for !strings.HasSuffix(head, "\r\n\r\n") {
			line, err := br.ReadString('\n')
			if err != nil {
				return
			}
			head += line
		}
		heads <- head
		io.WriteString(c, answer)
	}), heads
}

// TestHTTP10GoesOn checks that a device of HTTP/1.0 is one to the real server,
// too, and that its request names the server that it meant.
func TestHTTP10GoesOn(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		for host, want := range map[string]string{"": "", "Host: x.test\r\n": "x.test"} {
			addr, heads := headServer(t, secure, "HTTP/1.0 200 OK\r\n\r\nall of it")
			if want == "" {
				want = addr
			}
			b := start(t, nil)
			c, br := b.tunnel(addr)
			if secure {
				// curl --http1.0 offers nothing else.
				in, inBr := b.wrap(buffered{c, br}, "127.0.0.1", "http/1.0")
				if p := in.ConnectionState().NegotiatedProtocol; p != "http/1.0" {
					t.Errorf("ALPN %q", p)
				}
				c, br = in, inBr
			}
			fmt.Fprintf(c, "POST /x HTTP/1.0\r\n%sContent-Length: 2\r\n\r\nhi", host)
			expectBody(t, br, "POST", "all of it")
			if head := <-heads; !strings.HasPrefix(head, "POST /x HTTP/1.0\r\nHost: "+want+"\r\n") || !strings.Contains(head, "\r\nContent-Length: 2\r\n") {
				t.Errorf("the server got %q", head)
			}
		}
	}
	// The scheme's own port is not written.
	q := &exchange.Request{Scheme: "https", Host: "::1", Port: 443, Target: "/a://b"}
	if got := authorityOf(q); got != "[::1]" {
		t.Errorf("the Host field is %q", got)
	}
}

// TestWrongHandshakesAreNotMended checks that a real server sees the mistakes of
// a device's WebSocket handshake, and that the capture tells of them.
func TestWrongHandshakesAreNotMended(t *testing.T) {
	t.Parallel()
	const right = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	for _, c := range []struct{ name, line, head, note string }{
		{"right", "GET / HTTP/1.1", right, ""},
		{"no Connection", "GET / HTTP/1.1", strings.Replace(right, "Connection: keep-alive, Upgrade\r\n", "", 1), "Connection: got"},
		{"another Connection", "GET / HTTP/1.1", strings.Replace(right, "keep-alive, Upgrade", "keep-alive", 1), "Connection: got"},
		{"HTTP/1.0", "GET / HTTP/1.0", right, "version: got HTTP/1.0"},
		{"POST", "POST / HTTP/1.1", right, "method: got"},
		{"version", "GET / HTTP/1.1", strings.Replace(right, "13", "8", 1), "Sec-WebSocket-Version: got"},
		{"no key", "GET / HTTP/1.1", strings.Replace(right, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 1), "Sec-WebSocket-Key: want"},
		{"short key", "GET / HTTP/1.1", strings.Replace(right, "dGhlIHNhbXBsZSBub25jZQ==", "aGk=", 1), "Sec-WebSocket-Key: want"},
	} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprint(c.name, secure), func(t *testing.T) {
				t.Parallel()
				addr, heads := headServer(t, secure, "HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno")
				b := start(t, nil)
				d, br := b.tunnel(addr)
				if secure {
					in := tls.Client(buffered{d, br}, &tls.Config{RootCAs: b.roots, ServerName: "127.0.0.1"})
					d, br = in, bufio.NewReader(in)
				}
				fmt.Fprintf(d, "%s\r\nHost: x.test\r\n%s\r\n", c.line, c.head)
				res, err := http.ReadResponse(br, nil)
				if err != nil || res.StatusCode != 400 {
					t.Fatal(res, err)
				}
				head := <-heads
				if !strings.HasPrefix(head, c.line+"\r\n") || !strings.Contains(head, "\r\nUpgrade: websocket\r\n") {
					t.Errorf("the server got %q", head)
				}
				if asked := strings.Contains(head, "\r\nConnection: Upgrade\r\n"); asked != strings.Contains(c.head, "Upgrade\r\nUpgrade") {
					t.Errorf("the server got %q", head)
				}
				notes := fmt.Sprint(b.journal.Entries(nil)[0].Notes)
				if c.note == "" && notes != "[]" || !strings.Contains(notes, c.note) {
					t.Errorf("notes %s, want %q", notes, c.note)
				}
			})
		}
	}
}

// TestServerNameWithADot checks that a handshake which crypto/tls can't serve
// tells why.
func TestServerNameWithADot(t *testing.T) {
	t.Parallel()
	b := start(t, echo)
	c, br := b.tunnel("a.test.:443")
	// crypto/tls takes the dot off; so a name of the same length gets one on the way.
	in := tls.Client(&edited{buffered{c, br}, "a.testX", "a.test."}, &tls.Config{InsecureSkipVerify: true, ServerName: "a.testX"})
	if err := in.Handshake(); err == nil || !strings.Contains(err.Error(), "decod") {
		t.Errorf("the handshake ends with %v", err)
	}
	eventually(t, "an entry", func() bool { return len(b.journal.Entries(nil)) == 1 })
	if e := b.journal.Entries(nil)[0]; e.SNI != "a.test." || !strings.Contains(e.Error, `"a.test."`) || !strings.Contains(e.Error, "dot") {
		t.Errorf("SNI %q: %s", e.SNI, e.Error)
	}
}

// edited writes another text in the place of one.
type edited struct {
	buffered
	from, to string
}

func (c *edited) Write(b []byte) (int, error) {
	if _, err := c.buffered.Write([]byte(strings.ReplaceAll(string(b), c.from, c.to))); err != nil {
		return 0, err
	}
	return len(b), nil
}
