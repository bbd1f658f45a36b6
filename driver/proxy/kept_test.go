package proxy

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// keeper is a server that tells what came on which of its connections.
type keeper struct {
	addr string
	conn atomic.Int32
	mu   sync.Mutex
	seen []string // "connection request-line body-length"
}

// newKeeper serves: f answers each request, and says whether to go on.
func newKeeper(t *testing.T, secure bool, f func(c net.Conn, n int, r *http.Request) bool) *keeper {
	k := &keeper{}
	k.addr = rawListener(t, secure, func(c net.Conn, br *bufio.Reader) {
		id := k.conn.Add(1)
		for n := 1; ; n++ {
			r, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			b, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			k.mu.Lock()
			k.seen = append(k.seen, fmt.Sprintf("%d %s %s %d", id, r.Method, r.URL.Path, len(b)))
			k.mu.Unlock()
			if !f(c, n, r) {
				return
			}
		}
	})
	return k
}

func (k *keeper) requests() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]string(nil), k.seen...)
}

// bare is the socket below a connection.
func bare(c net.Conn) *net.TCPConn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if b, ok := c.(buffered); ok {
		c = b.Conn
	}
	return c.(*net.TCPConn)
}

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// A server that spoils its kept connection after an answer, in whatever way, is
// asked over another one. No request is lost or sent twice.
func TestKeptConnectionIsLookedAt(t *testing.T) {
	t.Parallel()
	spoils := map[string]func(c net.Conn){
		"closes":              func(c net.Conn) { io.WriteString(c, okAnswer); c.Close() },
		"closes the socket":   func(c net.Conn) { io.WriteString(c, okAnswer); bare(c).Close() },
		"resets":              func(c net.Conn) { io.WriteString(c, okAnswer); bare(c).SetLinger(0); bare(c).Close() },
		"half-closes":         func(c net.Conn) { io.WriteString(c, okAnswer); bare(c).CloseWrite() },
		"stray bytes at once": func(c net.Conn) { io.WriteString(c, okAnswer+"stray") },
		"stray bytes later":   func(c net.Conn) { io.WriteString(c, okAnswer); io.WriteString(c, "HTTP/1.1 400 Bad\r\n\r\n") },
		"body of a 204": func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 204 None\r\n\r\n")
			io.WriteString(c, "5\r\nstray\r\n0\r\n\r\n")
		},
		"408 later": func(c net.Conn) {
			io.WriteString(c, okAnswer)
			io.WriteString(c, "HTTP/1.1 408 Timeout\r\nConnection: close\r\n\r\n")
			c.Close()
		},
		"close_notify": func(c net.Conn) {
			io.WriteString(c, okAnswer)
			if t, ok := c.(*tls.Conn); ok {
				t.CloseWrite()
			} else {
				bare(c).CloseWrite()
			}
		},
	}
	for name, spoil := range spoils {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprint(name, "/", secure), func(t *testing.T) {
				t.Parallel()
				spoilt := make(chan struct{}, 100)
				k := newKeeper(t, secure, func(c net.Conn, n int, r *http.Request) bool {
					spoil(c)
					spoilt <- struct{}{}
					return true
				})
				b := start(t, nil, noPanics(t))
				c, br := b.talk(k.addr, secure)
				const posts = 20
				for i := range posts {
					fmt.Fprintf(c, "POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody", i)
					if res, body := wholeAnswer(t, br); res.StatusCode != 204 && (res.StatusCode != 200 || body != "ok") {
						t.Fatalf("request %d: %s %q", i, res.Status, body)
					}
					<-spoilt // the answer may be here before
				}
				if seen := k.requests(); len(seen) != posts || k.conn.Load() != posts {
					t.Errorf("%d connections, requests %q", k.conn.Load(), seen)
				}
			})
		}
	}
}

// A connection that nobody spoils is used again.
func TestKeptConnectionIsUsed(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		k := newKeeper(t, secure, func(c net.Conn, _ int, _ *http.Request) bool {
			_, err := io.WriteString(c, okAnswer)
			return err == nil
		})
		b := start(t, nil)
		c, br := b.talk(k.addr, secure)
		for range 20 {
			fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
			wholeAnswer(t, br)
		}
		if n := k.conn.Load(); n != 1 {
			t.Errorf("secure %v: %d connections, want 1", secure, n)
		}
	}
}

// A connection that carried NTLM or Negotiate is used for no other device.
func TestAuthenticatedConnectionIsItsClients(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"NTLM", "Negotiate"} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprint(scheme, "/", secure), func(t *testing.T) {
				t.Parallel()
				var authenticated sync.Map // by connection
				var open atomic.Int32
				l := rawListener(t, secure, func(c net.Conn, br *bufio.Reader) {
					open.Add(1)
					defer open.Add(-1)
					for {
						r, err := http.ReadRequest(br)
						if err != nil {
							return
						}
						if h := r.Header.Get("Authorization"); strings.HasPrefix(h, scheme+" ") {
							authenticated.Store(c, strings.TrimPrefix(h, scheme+" "))
						}
						if who, ok := authenticated.Load(c); ok {
							fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(who.(string)), who)
						} else {
							fmt.Fprintf(c, "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"x\", %s\r\nContent-Length: 2\r\n\r\nno", scheme)
						}
					}
				})
				b := start(t, nil)
				alice, fromAlice := b.talk(l, secure)
				bob, fromBob := b.talk(l, secure)
				ask := func(c net.Conn, br *bufio.Reader, header, want string) {
					t.Helper()
					fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", header)
					if _, body := wholeAnswer(t, br); body != want {
						t.Errorf("served as %q, want %q", body, want)
					}
				}
				ask(alice, fromAlice, "", "no")
				ask(alice, fromAlice, "Authorization: "+scheme+" alice\r\n", "alice")
				ask(bob, fromBob, "", "no")
				ask(alice, fromAlice, "", "alice")
				ask(bob, fromBob, "Authorization: "+scheme+" bob\r\n", "bob")
				ask(alice, fromAlice, "", "alice")
				// Without a challenge before it, too; and over HTTP/2.
				carol, fromCarol := b.talk(l, secure)
				ask(carol, fromCarol, "Authorization: "+strings.ToLower(scheme)+" x\r\n", "no")
				if secure {
					dave := b.device(l, "a.test")
					for i, want := range []string{"no", "dave", "dave"} {
						fields := []string{":method", "GET", ":path", "/", ":authority", "a.test", ":scheme", "https"}
						if i == 1 {
							fields = append(fields, "authorization", scheme+" dave")
						}
						dave.headers(uint32(2*i+1), true, fields...)
						if got := strings.Join(dave.stream(), " "); !strings.Contains(got, `"`+want+`"`) {
							t.Errorf("over HTTP/2: %s, want %q", got, want)
						}
					}
					dave.c.Close()
				}
				// They go with the device's connection.
				for _, c := range []net.Conn{alice, bob, carol} {
					c.Close()
				}
				eventually(t, "the server's connections are closed", func() bool { return open.Load() == 0 })
			})
		}
	}
}
