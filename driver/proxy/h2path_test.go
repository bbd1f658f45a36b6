package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// targets are paths that readers of HTTP like to change.
var targets = []string{
	"/", "//", "//a//b", "/a//", "///?//", "/./../a/..", "/a/%2e%2e/b", "/%2F", "/%2f", "/%41", "/%e4", "/%C3%A4", "/a%20b", "/a+b",
	"/a|b", `/"q"`, "/^", "/`", "/{a}", "/<a>", "/[a]", `/a\b`, "/'", "/~", "/;a=b", "/a:b@c", "/a,b", "/ä", "/\xe4", "/\xff\xfe", "/日本",
	"/a?", "/?", "/?a", "/a??", "/a?b?c", "/?a=%zz", "/?%", `/?q=|"^{}[]\<>` + "`", "/?ä=\xe4", "/?a=b;c&d", "/?a=//b", "/?a=http://b/c", "/a#b", "/#", "/?#",
	"/" + strings.Repeat("a|", 5000),
}

// The path of a request over HTTP/2 is matched, captured and forwarded as it was
// sent, to servers of either version, under the name and at the address that the
// device asked for.
func TestH2PathsAreRaw(t *testing.T) {
	t.Parallel()
	type seen struct{ path, name string }
	at := make(chan seen, 1)
	servers := map[string]string{
		"h2": h2Origin(t, true, func(o *framed) {
			for id := uint32(1); ; id += 2 {
				head := o.next()
				if !strings.HasPrefix(head, "HEADERS+END") {
					return
				}
				_, path, _ := strings.Cut(head, ":path=")
				path, _, _ = strings.Cut(path, " :")
				at <- seen{path, o.c.(*tls.Conn).ConnectionState().ServerName}
				o.headers(id, true, ":status", "204")
			}
		}),
		"http/1.1": rawListener(t, true, func(c net.Conn, br *bufio.Reader) {
			for {
				line, err := br.ReadString('\n')
				if err != nil {
					return
				}
				for field := ""; field != "\r\n" && err == nil; field, err = br.ReadString('\n') {
				}
				_, path, _ := strings.Cut(strings.TrimSuffix(line, " HTTP/1.1\r\n"), " ")
				at <- seen{path, c.(*tls.Conn).ConnectionState().ServerName}
				fmt.Fprint(c, "HTTP/1.1 204 No Content\r\n\r\n")
			}
		}),
	}
	for name, addr := range servers {
		t.Run(name, func(t *testing.T) {
			var handler string
			b := start(t, exchange.HandlerFunc(func(_ context.Context, x *exchange.Exchange) (*exchange.Response, error) {
				handler = x.Request.Target
				return nil, nil
			}))
			d := b.device(addr, "sni.test")
			id := uint32(1)
			ask := func(method, path string) {
				t.Helper()
				d.headers(id, true, ":method", method, ":path", path, ":authority", "host.test", ":scheme", "https")
				got := d.stream()
				id += 2
				if len(got) != 1 || got[0] != "HEADERS+END :status=204" {
					t.Fatalf("%.100q: %.200q", path, got)
				}
				if s := <-at; s.path != path || s.name != "sni.test" {
					t.Errorf("the server saw %.100q under the name %q, want %.100q", s.path, s.name, path)
				}
				last := b.journal.Entries(func(*capture.Entry) bool { return true })
				if e := last[len(last)-1]; handler != path || e.Target != path {
					t.Errorf("the handler saw %.100q, the journal %.100q, want %.100q", handler, e.Target, path)
				}
			}
			for _, path := range targets {
				ask("GET", path)
			}
			ask("OPTIONS", "*")
		})
	}
}

// A path that no reader of HTTP/1.1 would take for one is refused.
func TestH2PathsThatAreNone(t *testing.T) {
	t.Parallel()
	b := start(t, echo)
	d := b.device("a.test:443", "a.test")
	paths := []string{"/%", "/%zz", "/a%2", "a", "a/b", "?", "", "/a b", "/a\tb", "/a\x7f", "/a\x01", "*", "http://b.test/x", "https://a.test/x", "http:/x", "a.test:443"}
	for i, path := range paths {
		d.headers(uint32(2*i+1), true, ":method", "GET", ":path", path, ":authority", "a.test", ":scheme", "https")
		if got := d.stream(); !strings.HasPrefix(got[0], "RST") && !strings.Contains(got[0], ":status=400") {
			t.Errorf("%q: got %q", path, got)
		}
	}
	got := b.refusals()
	if len(got) != len(paths) || len(b.journal.Entries(func(*capture.Entry) bool { return true })) != len(paths) {
		t.Fatalf("%d refusals, want %d: %s", len(got), len(paths), errorsOf(got))
	}
	for i, e := range got {
		if e.Target != paths[i] {
			t.Errorf("refused %q, want %q", e.Target, paths[i])
		}
	}
}
