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
	"slices"
	"starproxy/driver/capture"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Requests of several users on one connection go each to the user's own proxy:
// plain ones, one with a body, those inside TLS to the proxy, and the CONNECT at
// the end.
func TestDemuxJudgesEachRequest(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls=%v", secure), func(t *testing.T) {
			t.Parallel()
			d := NewDemux(nil)
			ann := open(t, d.Join("127.0.0.1", 0, selected(t, "user ann"), 0), "ann")
			bob := open(t, d.Join("127.0.0.1", 0, selected(t, "user bob"), 0), "bob")
			c, err := device{}.dial(ann.bench)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(20 * time.Second))
			if secure {
				c = tls.Client(c, &tls.Config{RootCAs: ann.roots, ServerName: "127.0.0.1"})
			}
			br := bufio.NewReader(c)
			for i, step := range []struct{ user, send, want string }{
				{"ann", "GET http://h.test/1 HTTP/1.1\r\nHost: h.test\r\n\r\n", "200 ann HTTP/1.1 GET http://h.test/1 0"},
				{"ann", "GET http://h.test/2 HTTP/1.1\r\nHost: h.test\r\n\r\n", "200 ann HTTP/1.1 GET http://h.test/2 0"},
				{"bob", "GET http://h.test/3 HTTP/1.1\r\nhOST: h.test\r\nx-b: 1\r\nX-A: 2\r\nx-b: 3\r\n\r\n", "200 bob HTTP/1.1 GET http://h.test/3 0"},
				{"ann", "POST http://h.test/4 HTTP/1.1\r\nHost: h.test\r\nContent-Length: 5\r\n\r\nhello", "200 ann HTTP/1.1 POST http://h.test/4 5"},
				{"bob", "POST http://h.test/5 HTTP/1.1\r\nHost: h.test\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n", "200 bob HTTP/1.1 POST http://h.test/5 3"},
				{"", "GET http://h.test/6 HTTP/1.1\r\nHost: h.test\r\n\r\n", "407 proxy user: got none, want one that an export at this address has in listen.users, with the scheme Basic"},
				{"bob", "GET http://h.test/7 HTTP/1.1\r\nHost: h.test\r\n\r\n", "200 bob HTTP/1.1 GET http://h.test/7 0"},
				{"ann", "POST http://h.test/8 HTTP/1.1\r\nHost: h.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", "200 ann HTTP/1.1 POST http://h.test/8 5"},
			} {
				fmt.Fprint(c, strings.Replace(step.send, "\r\n", "\r\n"+device{user: step.user}.credentials(), 1))
				res, err := http.ReadResponse(br, nil)
				for err == nil && res.StatusCode == http.StatusContinue {
					res, err = http.ReadResponse(br, nil)
				}
				if err != nil {
					t.Fatalf("request %d: %v", i+1, err)
				}
				body, _ := io.ReadAll(res.Body)
				if got := fmt.Sprintf("%d %s", res.StatusCode, bytes.TrimSpace(body)); got != step.want {
					t.Errorf("request %d: got %s, want %s", i+1, got, step.want)
				}
			}
			// A tunnel belongs to whom its CONNECT did.
			fmt.Fprintf(c, "CONNECT h.test:80 HTTP/1.1\r\nHost: h.test:80\r\n%s\r\n", device{user: "bob"}.credentials())
			ann.expectConnected(br)
			fmt.Fprintf(c, "GET /9 HTTP/1.1\r\nHost: h.test\r\n%s\r\n", device{user: "ann"}.credentials())
			expectBody(t, br, "GET", "bob HTTP/1.1 GET http://h.test/9 0\n")

			e := bob.journal.Entries(nil)
			refused := slices.DeleteFunc(slices.Clone(e), func(e *capture.Entry) bool { return e.Kind != capture.Refused })
			if e = slices.DeleteFunc(e, func(e *capture.Entry) bool { return e.Kind == capture.Refused }); len(refused) != 1 || refused[0].Status != 407 {
				t.Errorf("refused: got %d captures, want one with 407", len(refused))
			}
			if len(e) != 4 || len(ann.journal.Entries(nil)) != 4 {
				t.Fatalf("got %d captures of bob and %d of ann, want 4 and 4", len(e), len(ann.journal.Entries(nil)))
			}
			if got := strings.Join(e[0].RequestHeader.Names(), " "); !strings.HasPrefix(got, "Proxy-Authorization hOST x-b") {
				t.Errorf("order of the header: got %s", got)
			}
			if got := e[1].RequestTrailer.Get("X-T"); got != "1" {
				t.Errorf("trailer: got %q, want 1", got)
			}
		})
	}
}

// A connection that speaks HTTP/2 to the proxy stays with the proxy that it began
// with; a request of another proxy's user is refused, not answered by the wrong
// one.
func TestDemuxJudgesHTTP2(t *testing.T) {
	t.Parallel()
	d := NewDemux(nil)
	ann := open(t, d.Join("127.0.0.1", 0, selected(t, "user ann"), 0), "ann")
	bob := open(t, d.Join("127.0.0.1", 0, selected(t, "user bob"), 0), "bob")
	tr := &http.Transport{Protocols: new(http.Protocols), DialContext: func(context.Context, string, string) (net.Conn, error) { return device{}.dial(ann.bench) }}
	tr.Protocols.SetUnencryptedHTTP2(true)
	defer tr.CloseIdleConnections()
	for _, tt := range []struct {
		user, want string
	}{
		{"ann", "200 ann HTTP/2.0 GET http://h.test/ 0"},
		{"bob", "403 proxy user: got that of another export, want HTTP/1.1"},
		{"", "407 proxy user: got none"},
		{"ann", "200 ann HTTP/2.0 GET http://h.test/ 0"},
	} {
		r, err := http.NewRequest("GET", "http://h.test/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if line := (device{user: tt.user}).credentials(); line != "" {
			_, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			r.Header.Set("Proxy-Authorization", value)
		}
		res, err := tr.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if got := fmt.Sprintf("%d %s", res.StatusCode, body); !strings.HasPrefix(got, tt.want) {
			t.Errorf("user %q: got %s, want %s", tt.user, got, tt.want)
		}
	}
	if n := len(bob.journal.Entries(nil)); n > 0 {
		t.Errorf("got %d captures of bob, want none", n)
	}
}

// What devices tell of their users reaches neither servers nor captures, at a
// shared address and elsewhere.
func TestProxyCredentialsStay(t *testing.T) {
	t.Parallel()
	var seen atomic.Value
	o := origin(t, false, false, func(w http.ResponseWriter, r *http.Request) {
		seen.Store(fmt.Sprint(r.Header))
		io.WriteString(w, "ok")
	})
	m := NewDemux(nil).Join("127.0.0.1", 0, selected(t, "user ann"), 0)
	l, err := m.Listen(0)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*bench{
		"shared": start(t, nil, func(c *Config) { c.Listener = l }),
		"alone":  start(t, nil),
	} {
		if got := (device{user: "ann"}).ask(t, b, o.URL, false); got != "200 HTTP/1.1 ok" {
			t.Errorf("%s: got %s", name, got)
		}
		if text := seen.Load().(string); strings.Contains(text, "Proxy-") {
			t.Errorf("%s: the server got %s", name, text)
		}
		e := b.journal.Entries(nil)
		if len(e) != 1 || e[0].RequestHeader.Get("Proxy-Authorization") != "Basic hidden" {
			t.Errorf("%s: got the captures %+v, want one with Basic hidden", name, e)
		}
	}
}
