package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"starproxy/builtins/exchange"
)

// noPanics fails a test whose proxy logs an error: net/http's panics are such.
func noPanics(t *testing.T) func(*Config) {
	var mu sync.Mutex
	var log bytes.Buffer
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		if log.Len() > 0 {
			t.Errorf("the log has errors:\n%s", log.String())
		}
	})
	w := writerFunc(func(b []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return log.Write(b)
	})
	return func(c *Config) {
		c.Log = slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelError}))
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// readHead reads a header block and returns it.
func readHead(br *bufio.Reader) (string, error) {
	var head strings.Builder
	for {
		line, err := br.ReadString('\n')
		head.WriteString(line)
		if err != nil || strings.TrimSpace(line) == "" {
			return head.String(), err
		}
	}
}

// talk opens a connection to a server through the proxy, with TLS inside the
// tunnel or without.
func (b *bench) talk(target string, secure bool) (net.Conn, *bufio.Reader) {
	c, br := b.tunnel(target)
	if !secure {
		return c, br
	}
	tc := tls.Client(buffered{c, br}, &tls.Config{RootCAs: b.roots, ServerName: "127.0.0.1"})
	return tc, bufio.NewReader(tc)
}

// A server may answer before it has the whole request. The device has its whole
// answer while it is still sending, whatever the server does then.
func TestEarlyAnswers(t *testing.T) {
	t.Parallel()
	answers := map[string]string{
		"413 with length":  "HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nlong",
		"413 and close":    "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 4\r\n\r\nlong",
		"200 chunked":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nlong\r\n0\r\n\r\n",
		"200 with trailer": "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nlong\r\n0\r\nX-Sum: 1\r\n\r\n",
		"204":              "HTTP/1.1 204 No Content\r\n\r\n",
		"103 before":       "HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 401 No\r\nContent-Length: 4\r\n\r\nlong",
	}
	after := map[string]func(net.Conn, *bufio.Reader){
		"closes": func(net.Conn, *bufio.Reader) {},
		"resets": func(c net.Conn, _ *bufio.Reader) {
			if l, ok := c.(*net.TCPConn); ok {
				l.SetLinger(0)
			}
		},
		"reads on": func(c net.Conn, br *bufio.Reader) { io.Copy(io.Discard, br) },
	}
	uploads := map[string]string{
		"length":  "Content-Length: 300000\r\n\r\n0123456789",
		"chunked": "Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n",
		"expect":  "Expect: 100-continue\r\nContent-Length: 300000\r\n\r\n",
	}
	for _, secure := range []bool{false, true} {
		for does, then := range after {
			for answer, text := range answers {
				for kind, upload := range uploads {
					t.Run(fmt.Sprint(answer, "/", does, "/", kind, "/", secure), func(t *testing.T) {
						t.Parallel()
						target := rawListener(t, secure, func(c net.Conn, br *bufio.Reader) {
							if _, err := readHead(br); err == nil {
								io.WriteString(c, text)
								then(c, br)
							}
						})
						b := start(t, nil, noPanics(t))
						c, br := b.talk(target, secure)
						fmt.Fprintf(c, "POST /up HTTP/1.1\r\nHost: a\r\n%s", upload)
						res, body := wholeAnswer(t, br)
						if does == "resets" && res.StatusCode == 502 {
							return // the reset has destroyed the answer
						}
						if body != "long" && res.StatusCode != 204 {
							t.Errorf("got %s %q, want the server's answer", res.Status, body)
						}
						if e, _ := b.journal.Wait(t.Context(), nil); e == nil || e.Error != "" || e.Status < 200 {
							t.Errorf("the entry: %+v", e)
						}
						c.Close()
					})
				}
			}
		}
	}
}

// wholeAnswer reads the final answer with its body.
func wholeAnswer(t *testing.T, br *bufio.Reader) (*http.Response, string) {
	t.Helper()
	for {
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode < 200 {
			continue
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(res.Status, err)
		}
		return res, string(body)
	}
}

// A server that answers early and does not close gets the whole body all the
// same, and the device may go on with its connection.
func TestEarlyAnswerThenUpload(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		for _, chunked := range []bool{false, true} {
			got := make(chan string, 1)
			target := rawListener(t, secure, func(c net.Conn, br *bufio.Reader) {
				for {
					r, err := http.ReadRequest(br)
					if err != nil {
						return
					}
					io.WriteString(c, "HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok")
					body, _ := io.ReadAll(r.Body)
					got <- string(body)
				}
			})
			b := start(t, nil, noPanics(t))
			c, br := b.talk(target, secure)
			const size = 300_000
			for i := range 3 {
				if chunked {
					fmt.Fprintf(c, "POST /%d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", i)
				} else {
					fmt.Fprintf(c, "POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", i, size)
				}
				if res, body := wholeAnswer(t, br); res.StatusCode != 202 || body != "ok" {
					t.Fatal(res.Status, body)
				}
				want := strings.Repeat(fmt.Sprint(i), size)
				if chunked {
					fmt.Fprintf(c, "%x\r\n%s\r\n0\r\n\r\n", size, want)
				} else {
					io.WriteString(c, want)
				}
				if body := <-got; body != want {
					t.Errorf("secure %v, chunked %v: the server got %d bytes, want %d", secure, chunked, len(body), size)
				}
			}
		}
	}
}

// The same over HTTP/2, to servers of both versions.
func TestEarlyAnswersHTTP2(t *testing.T) {
	t.Parallel()
	for _, h2 := range []bool{false, true} {
		o := origin(t, h2, true, func(w http.ResponseWriter, r *http.Request) {
			http.NewResponseController(w).EnableFullDuplex() // else HTTP/1.1 waits for the body
			w.WriteHeader(413)
			io.WriteString(w, "long")
		})
		b := start(t, nil, noPanics(t))
		c := b.client(true)
		for i := range 5 {
			pr, pw := io.Pipe() // nothing more comes
			go io.WriteString(pw, "0123456789")
			res, err := c.Post(o.URL, "text/plain", pr)
			if err != nil {
				t.Fatal(i, err)
			}
			body, err := io.ReadAll(res.Body)
			if string(body) != "long" || res.StatusCode != 413 || err != nil {
				t.Errorf("h2 %v: %s %q %v", h2, res.Status, body, err)
			}
			res.Body.Close()
			pw.Close()
		}
	}
}

// A server that breaks an upload off is told of at once; the rest of the body
// is nobody's business, and no goroutine meets another at it.
func TestUploadBrokenOff(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"reset", "close"} {
		for _, secure := range []bool{false, true} {
			target := rawListener(t, false, func(c net.Conn, br *bufio.Reader) {
				if secure {
					br = bufio.NewReader(tls.Server(c, originTLS(t)))
				}
				readHead(br)
				io.CopyN(io.Discard, br, 100_000)
				if way == "reset" {
					c.(*net.TCPConn).SetLinger(0)
				}
			})
			b := start(t, nil, noPanics(t))
			for i := range 10 {
				c, br := b.talk(target, secure)
				fmt.Fprintf(c, "POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n", i)
				io.WriteString(c, strings.Repeat("x", 200_000))
				if res, body := wholeAnswer(t, br); res.StatusCode != 502 || !strings.Contains(body, "the server ") {
					t.Errorf("%s, secure %v: %s %q, want 502 and the server's fault", way, secure, res.Status, body)
				}
				if i%2 == 0 { // some send on, some leave
					io.WriteString(c, strings.Repeat("x", 300_000))
					fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: mitm.it\r\n\r\n")
					if res, _ := wholeAnswer(t, br); res.StatusCode != 200 {
						t.Errorf("%s, secure %v: the next request: %s", way, secure, res.Status)
					}
				}
				c.Close()
			}
		}
	}
}

func originTLS(t *testing.T) *tls.Config {
	a, err := testCA()
	if err != nil {
		t.Error(err)
	}
	return &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) { return a.Certificate(h, "127.0.0.1", nil) }}
}

// A handler that forwards again after a failure sends the whole body or none.
func TestForwardTwice(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, framing, body string
		want                string // of the second forward
	}{
		{"small", "Content-Length: 10\r\n\r\n", "0123456789", "10"},
		{"small chunked", "Transfer-Encoding: chunked\r\n\r\n", "a\r\n0123456789\r\n0\r\n\r\n", "10"},
		{"large", "Content-Length: 200000\r\n\r\n", strings.Repeat("x", 200_000), exchange.ErrBodySpent.Error()},
		{"large chunked", "Transfer-Encoding: chunked\r\n\r\n", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", 200_000, strings.Repeat("x", 200_000)), exchange.ErrBodySpent.Error()},
	} {
		for _, first := range []string{"refuses", "resets", "answers"} {
			t.Run(c.name+"/"+first, func(t *testing.T) {
				t.Parallel()
				bad := rawListener(t, false, func(c net.Conn, br *bufio.Reader) {
					readHead(br)
					if br.Peek(1); first == "resets" { // a byte of the body is on its way
						c.(*net.TCPConn).SetLinger(0)
						return
					}
					io.WriteString(c, "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
					io.Copy(io.Discard, br)
				})
				if first == "refuses" {
					bad = closedPort(t)
				}
				good := origin(t, false, false, func(w http.ResponseWriter, r *http.Request) {
					n, err := io.Copy(io.Discard, r.Body)
					fmt.Fprint(w, n)
					if err != nil || r.ContentLength >= 0 && r.ContentLength != n {
						t.Errorf("the server got %d bytes of %d: %v", n, r.ContentLength, err)
					}
				})
				h := exchange.HandlerFunc(func(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
					x.Request.DialAddr = bad
					res, err := x.Forward(ctx)
					if err == nil && res.Body != nil {
						t.Error("an answer with a body")
					}
					x.Request.DialAddr = good.Listener.Addr().String()
					res, err = x.Forward(ctx)
					if errors.Is(err, exchange.ErrBodySpent) {
						return exchange.Text(200, err.Error()), nil
					}
					return res, err
				})
				b := start(t, h, noPanics(t))
				conn, br := b.tunnel("a.test:80")
				fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: a.test\r\n%s%s", c.framing, c.body)
				want := c.want
				if first == "refuses" && want != "10" {
					want = "200000" // nothing of it was read
				}
				if _, body := wholeAnswer(t, br); strings.TrimSpace(body) != want {
					t.Errorf("got %q, want %q", body, want)
				}
			})
		}
	}
}

// closedPort is an address that refuses connections.
func closedPort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A protocol is switched when the whole request has come.
func TestUpgradeWithUpload(t *testing.T) {
	t.Parallel()
	target := rawListener(t, false, func(c net.Conn, br *bufio.Reader) {
		readHead(br)
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		io.CopyN(io.Discard, br, 200_000)
		io.Copy(c, br)
	})
	b := start(t, nil, noPanics(t))
	c, br := b.tunnel(target)
	fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\nContent-Length: 200000\r\n\r\n")
	io.WriteString(c, strings.Repeat("x", 200_000))
	if head, err := readHead(br); !strings.Contains(head, " 101 ") {
		t.Fatal(head, err)
	}
	io.WriteString(c, "ping\n")
	if line, err := br.ReadString('\n'); line != "ping\n" {
		t.Errorf("%q %v", line, err)
	}
}

// The bounds that end an upload which stands still.
func TestUploadWait(t *testing.T) {
	t.Parallel()
	up := &upload{done: make(chan struct{})}
	up.wait(t.Context(), time.Millisecond)
	if up.over() {
		t.Error("over")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	up.wait(ctx, time.Hour)
	close(up.done)
	if up.wait(t.Context(), time.Hour); !up.over() {
		t.Error("not over")
	}
}
