package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/ca"
)

func TestMocksNeedNoNetwork(t *testing.T) {
	t.Parallel()
	b := start(t, echo)
	for _, h2 := range []bool{false, true} {
		c := b.client(h2)
		for _, u := range []string{"https://api.example.test:8443/a", "https://api.example.test/a?b=%20c", "https://192.0.2.7:444/", "http://api.example.test:81/a", "http://api.example.test/%2f"} {
			body, res := get(t, c, u)
			proto := "HTTP/1.1"
			if h2 && strings.HasPrefix(u, "https") {
				proto = "HTTP/2.0"
			}
			if want := proto + " GET " + u + " 0\n"; body != want || res.StatusCode != 200 {
				t.Errorf("got %q, want %q", body, want)
			}
		}
	}
	es := b.journal.Entries(nil)
	if len(es) != 10 || es[0].Origin != exchange.FromMock || es[0].Status != 200 || es[0].Client.Addr().String() != "127.0.0.1" {
		t.Errorf("%d entries, first %+v", len(es), es[0])
	}
}

func TestBytesRightBehindConnect(t *testing.T) {
	t.Parallel()
	b := start(t, echo)
	c, br := b.dial()
	fmt.Fprintf(c, "CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\nGET /x HTTP/1.1\r\nHost: a.test\r\n\r\n")
	b.expectConnected(br)
	expectBody(t, br, "GET", "HTTP/1.1 GET http://a.test/x 0\n")

	// A ClientHello in the same segment as the CONNECT.
	c, br = b.dial()
	hello := &firstWrite{Conn: c, prefix: []byte("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n"), br: br}
	tc := tls.Client(hello, &tls.Config{RootCAs: b.roots, ServerName: "a.test"})
	if err := tc.Handshake(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(tc, "GET /y HTTP/1.1\r\nHost: a.test\r\n\r\n")
	expectBody(t, bufio.NewReader(tc), "GET", "HTTP/1.1 GET https://a.test/y 0\n")
}

// firstWrite puts a CONNECT before the first bytes and eats its answer.
type firstWrite struct {
	net.Conn
	prefix []byte
	br     *bufio.Reader
	eaten  bool
}

func (c *firstWrite) Write(b []byte) (int, error) {
	n := len(c.prefix)
	m, err := c.Conn.Write(append(c.prefix, b...))
	c.prefix = nil
	return m - n, err
}

func (c *firstWrite) Read(b []byte) (int, error) {
	if !c.eaten {
		if _, err := http.ReadResponse(c.br, &http.Request{Method: "CONNECT"}); err != nil {
			return 0, err
		}
		c.eaten = true
	}
	return c.br.Read(b)
}

func expectBody(t *testing.T, br *bufio.Reader, method, want string) *http.Response {
	t.Helper()
	res, err := http.ReadResponse(br, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil || string(body) != want {
		t.Errorf("got %q %v, want %q", body, err, want)
	}
	return res
}

func TestPipelinedRequestsAndBodies(t *testing.T) {
	t.Parallel()
	b := start(t, echo)
	c, br := b.dial()
	fmt.Fprintf(c, "POST http://a.test/p HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\n01234\r\n\r\n9"+
		"GET http://a.test/g HTTP/1.1\r\nHost: a.test\r\n\r\n"+
		"CONNECT a.test:81 HTTP/1.1\r\nHost: a.test:81\r\n\r\n")
	expectBody(t, br, "POST", "HTTP/1.1 POST http://a.test/p 10\n")
	expectBody(t, br, "GET", "HTTP/1.1 GET http://a.test/g 0\n")
	b.expectConnected(br) // a CONNECT on a kept connection
	fmt.Fprintf(c, "GET /in HTTP/1.1\r\nHost: a.test:81\r\n\r\n")
	expectBody(t, br, "GET", "HTTP/1.1 GET http://a.test:81/in 0\n")
	for _, s := range []string{"http", "https"} {
		for _, h2 := range []bool{false, true} {
			res, err := b.client(h2).Post(s+"://a.test/big", "x/y", struct{ io.Reader }{bytes.NewReader(make([]byte, 5<<20))})
			if err != nil {
				t.Fatal(err)
			}
			got, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if !bytes.HasSuffix(got, []byte(fmt.Sprint(" ", 5<<20, "\n"))) {
				t.Errorf("%s h2=%v: %q", s, h2, got)
			}
		}
	}
}

func TestBodilessAnswersKeepTheConnection(t *testing.T) {
	t.Parallel()
	b := start(t, exchange.HandlerFunc(func(_ context.Context, x *exchange.Exchange) (*exchange.Response, error) {
		switch x.Request.Path() {
		case "/204":
			return &exchange.Response{Status: 204, Origin: exchange.FromMock}, nil
		case "/304":
			return &exchange.Response{Status: 304, Header: exchange.HeaderOf("Etag", `"x"`), Origin: exchange.FromMock}, nil
		}
		return &exchange.Response{Status: 200, Body: exchange.Bytes("hello"), Origin: exchange.FromMock}, nil
	}))
	c, br := b.dial()
	for _, r := range []struct {
		method, path, body, length string
		status                     int
	}{{"GET", "/204", "", "", 204}, {"GET", "/304", "", "", 304}, {"HEAD", "/", "", "5", 200}, {"GET", "/", "hello", "5", 200}} {
		fmt.Fprintf(c, "%s http://a.test%s HTTP/1.1\r\nHost: a.test\r\n\r\n", r.method, r.path)
		res := expectBody(t, br, r.method, r.body)
		if res.StatusCode != r.status || res.Header.Get("Content-Length") != r.length || res.Close {
			t.Errorf("%s %s: %v", r.method, r.path, res)
		}
	}
}

// An HTTP/1.0 device without keep-alive gets an answer ended by the close.
func TestHTTP10(t *testing.T) {
	t.Parallel()
	b := start(t, echo)
	c, br := b.dial()
	fmt.Fprintf(c, "GET http://a.test/old HTTP/1.0\r\n\r\n")
	expectBody(t, br, "GET", "HTTP/1.0 GET http://a.test/old 0\n")
	if _, err := br.ReadByte(); err != io.EOF {
		t.Error("connection left open:", err)
	}
}

// Some clients write the whole URL inside a tunnel as well.
func TestAbsoluteFormInATunnel(t *testing.T) {
	t.Parallel()
	b := start(t, echo)
	for _, c := range []struct{ target, request, want string }{
		{"a.test:80", "GET http://a.test/x?q=%20 HTTP/1.1\r\nHost: a.test\r\n\r\n", "GET http://a.test/x?q=%20"},
		{"a.test:8080", "GET http://a.test:8080 HTTP/1.1\r\nHost: a.test:8080\r\n\r\n", "GET http://a.test:8080/"},
		{"a.test:80", "GET http://a.test?q HTTP/1.1\r\nHost: other.test\r\n\r\n", "GET http://a.test/?q"},
		{"a.test:443", "GET https://a.test/secure HTTP/1.1\r\nHost: a.test\r\n\r\n", "GET https://a.test/secure"},
	} {
		nc, br := b.tunnel(c.target)
		if strings.HasSuffix(c.target, ":443") {
			tc := tls.Client(buffered{nc, br}, &tls.Config{RootCAs: b.roots, ServerName: "a.test"})
			nc, br = tc, bufio.NewReader(tc)
		}
		io.WriteString(nc, c.request)
		expectBody(t, br, "GET", "HTTP/1.1 "+c.want+" 0\n")
	}
}

func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	b := start(t, echo)
	for _, raw := range []string{"GARBAGE\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nBad Header: x\r\n\r\n",
		"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: x\r\n\r\n"} {
		c, br := b.dial()
		io.WriteString(c, raw)
		res, err := http.ReadResponse(br, nil)
		if err != nil || res.StatusCode != 400 {
			t.Errorf("%q: %v %v, want a 400", raw, res, err)
		}
	}
}

func TestOnboarding(t *testing.T) {
	t.Parallel()
	b := start(t, echo)
	for _, s := range []string{"http", "https"} {
		body, res := get(t, b.client(false), s+"://mitm.it/cert/pem")
		if body != string(b.p.cfg.CA.(*ca.Authority).CertPEM()) || res.Header.Get("Content-Type") != "application/x-x509-ca-cert" {
			t.Errorf("%s: %q %v", s, body, res.Header)
		}
	}
}

// A test that has its answer finds the request captured, whatever the size.
func TestEntryIsThereBeforeTheAnswerEnds(t *testing.T) {
	t.Parallel()
	sizes := []int{0, 10, 1023, 1025, 3000, 5000, 100_000, 1 << 20}
	b := start(t, exchange.HandlerFunc(func(_ context.Context, x *exchange.Exchange) (*exchange.Response, error) {
		var n int
		fmt.Sscan(x.Request.Path()[1:], &n)
		return &exchange.Response{Status: 200, Body: exchange.Bytes(make([]byte, n)), Origin: exchange.FromMock}, nil
	}))
	want := 0
	for _, u := range []string{"http://a.test/", "https://a.test/"} {
		c := b.client(true)
		for range 5 {
			for _, n := range sizes {
				body, _ := get(t, c, fmt.Sprint(u, n))
				want++
				if len(body) != n {
					t.Fatalf("%s%d: %d bytes", u, n, len(body))
				}
				if got := len(b.journal.Entries(nil)); got != want {
					t.Fatalf("%s%d: %d entries, want %d", u, n, got, want)
				}
			}
		}
	}
}

// A mock's header goes out in its order and spelling.
func TestMockHeaderSpelling(t *testing.T) {
	t.Parallel()
	b := start(t, exchange.HandlerFunc(func(context.Context, *exchange.Exchange) (*exchange.Response, error) {
		h := exchange.HeaderOf("ETag", "1", "x-a", "2", "X-B", "3")
		return &exchange.Response{Status: 200, Header: h, Origin: exchange.FromMock}, nil
	}))
	c, br := b.dial()
	fmt.Fprintf(c, "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n")
	for want := range strings.SplitSeq("\r\nETag: 1\r\nx-a: 2\r\nX-B: 3\r\n|\r\nContent-Length: 0\r\n", "|") {
		head, err := br.Peek(br.Buffered())
		for len(head) == 0 && err == nil {
			_, err = br.Peek(1)
			head, _ = br.Peek(br.Buffered())
		}
		if !strings.Contains(string(head), want) {
			t.Errorf("%q is not in %q", want, head)
		}
	}
}

func TestPanicIsAnError(t *testing.T) {
	t.Parallel()
	b := start(t, exchange.HandlerFunc(func(context.Context, *exchange.Exchange) (*exchange.Response, error) { panic("boom") }))
	body, res := get(t, b.client(false), "http://a.test/")
	if res.StatusCode != 500 || !strings.Contains(body, "internal error") {
		t.Error(res.Status, body)
	}
}

func TestStartFailsCleanly(t *testing.T) {
	t.Parallel()
	b := start(t, echo)
	q := New(Config{Addr: b.addr(), Handler: echo})
	if err := q.Start(); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Error(err)
	}
}

// Close ends all kinds of open connections at once.
func TestClose(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	b := start(t, exchange.HandlerFunc(func(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
		if x.Request.Path() == "/hang" {
			close(hang)
			<-ctx.Done()
		}
		return exchange.Text(200, "ok"), nil
	}))
	var conns []net.Conn
	for range 5 {
		c, _ := b.dial()
		conns = append(conns, c)
		c, _ = b.tunnel("a.test:443")
		conns = append(conns, c)
	}
	get(t, b.client(true), "https://a.test/")
	c, _ := b.dial()
	conns = append(conns, c)
	fmt.Fprintf(c, "GET http://a.test/hang HTTP/1.1\r\nHost: a.test\r\n\r\n")
	<-hang
	b.p.Close(context.Background())
	for _, c := range conns {
		if _, err := io.ReadAll(c); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Error("left open:", err)
		}
	}
	if _, err := net.Dial("tcp", b.addr()); err == nil {
		t.Error("still listening")
	}
}

// Connections without a request are closed in time, busy ones are not.
func TestIdleConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	b := start(t, exchange.HandlerFunc(func(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
		if x.Request.Path() == "/busy" {
			close(entered)
			<-leave
		}
		return exchange.Text(200, "ok"), nil
	}))
	idle, br := b.dial()
	fmt.Fprintf(idle, "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n")
	expectBody(t, br, "GET", "ok\n")
	fmt.Fprintf(idle, "GET http://a.test/ HT") // a header that never ends counts as idle
	busy, busyBr := b.dial()
	fmt.Fprintf(busy, "GET http://a.test/busy HTTP/1.1\r\nHost: a.test\r\n\r\n")
	<-entered
	// The server marks a connection idle after its answer is out.
	for closed := false; !closed; {
		b.p.sweep(time.Now().Add(DefaultIdle + time.Second))
		idle.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		_, err := br.ReadByte()
		closed = err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
	}
	close(leave)
	expectBody(t, busyBr, "GET", "ok\n")
}
