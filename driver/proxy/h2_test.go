package proxy

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// What HTTP/2 carries and HTTP/1.1 can't write is refused, and reaches no
// server; what both can goes on as it is.
func TestH2RequestsAreUnambiguousAsH1(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 1)
	addr := rawListener(t, true, func(c net.Conn, br *bufio.Reader) {
		for {
			r, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			body, _ := io.ReadAll(r.Body)
			seen <- fmt.Sprintf("%s %s %s %d %d", r.Method, r.RequestURI, r.Host, len(r.TransferEncoding), len(body))
			io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
		}
	})
	b := start(t, nil)
	ask := func(method, path, authority, scheme string, more ...string) string {
		d := b.device(addr, "a.test")
		end := true
		if len(more) > 0 && more[0] == "data" {
			end, more = false, more[1:]
		}
		d.headers(1, end, append([]string{":method", method, ":path", path, ":authority", authority, ":scheme", scheme}, more...)...)
		if !end {
			d.fr.WriteData(1, true, []byte("five!"))
		}
		frames := d.stream()
		if strings.HasPrefix(frames[0], "HEADERS") {
			frames[0] = strings.TrimPrefix(strings.Fields(frames[0])[1], ":status=")
		}
		return frames[0]
	}
	for _, c := range []struct {
		args []string
		want string // what the server sees, or "" for nothing
	}{
		{[]string{"GET", "/a?b=c", "a.test", "https"}, "GET /a?b=c a.test 0 0"},
		{[]string{"GET", "//a//b", "a.test", "https"}, "GET //a//b a.test 0 0"},
		{[]string{"GET", "/a", "a.test", "https", "host", "A.test:443"}, "GET /a a.test 0 0"},
		{[]string{"GET", "/\xc3\xa4", "a.test", "https"}, "GET /\xc3\xa4 a.test 0 0"},
		{[]string{"POST", "/a", "a.test", "https", "data", "content-length", "5"}, "POST /a a.test 0 5"},
		{[]string{"POST", "/a", "a.test", "https", "data"}, "POST /a a.test 1 5"},
		{[]string{"OPTIONS", "*", "a.test", "https"}, "OPTIONS * a.test 0 0"},
		{[]string{"G ET", "/", "a.test", "https"}, ""},
		{[]string{"GET\t", "/", "a.test", "https"}, ""},
		{[]string{"GÉT", "/", "a.test", "https"}, ""},
		{[]string{"GET / HTTP/1.1\r\nX: y", "/", "a.test", "https"}, ""},
		{[]string{"GET:", "/", "a.test", "https"}, ""},
		{[]string{"GET", "/ HTTP/1.1", "a.test", "https"}, ""},
		{[]string{"GET", "/a\tb", "a.test", "https"}, ""},
		{[]string{"GET", "/a\r\nX: y", "a.test", "https"}, ""},
		{[]string{"GET", "/a\x00", "a.test", "https"}, ""},
		{[]string{"GET", "/a\x7f", "a.test", "https"}, ""},
		{[]string{"GET", "a", "a.test", "https"}, ""},
		{[]string{"GET", "/", "a.test b", "https"}, ""},
		{[]string{"GET", "/", "a.test/x", "https"}, ""},
		{[]string{"GET", "/", "u@a.test", "https"}, ""},
		{[]string{"GET", "/", "ä.test", "https"}, ""},
		{[]string{"GET", "/", "a.test", "https "}, ""},
		{[]string{"GET", "/", "a.test", "gopher"}, ""},
		{[]string{"GET", "/", "a.test", "https", "host", "b.test"}, ""},
		{[]string{"GET", "/", "a.test", "https", "host", "a.test", "host", "b.test"}, ""},
		{[]string{"GET", "/", "a.test", "https", "host", "a.test:8443"}, ""},
		{[]string{"GET", "/", "a.test", "https", "transfer-encoding", "chunked"}, ""},
		{[]string{"GET", "/", "a.test", "https", "connection", "close"}, ""},
		{[]string{"GET", "/", "a.test", "https", "content-length", "5"}, ""},
		{[]string{"POST", "/", "a.test", "https", "data", "content-length", "4"}, ""},
		{[]string{"POST", "/", "a.test", "https", "data", "content-length", "6"}, ""},
		{[]string{"POST", "/", "a.test", "https", "data", "content-length", "+5"}, ""},
		{[]string{"POST", "/", "a.test", "https", "data", "content-length", "5", "content-length", "5"}, ""},
		{[]string{"POST", "/", "a.test", "https", "data", "content-length", "5, 5"}, ""},
		{[]string{"GET", "/", "a.test", "https", "x y", "z"}, ""},
		{[]string{"GET", "/", "a.test", "https", "x", "y\r\nz: 1"}, ""},
	} {
		got := ask(c.args[0], c.args[1], c.args[2], c.args[3], c.args[4:]...)
		select {
		case s := <-seen:
			if s != c.want || got != "204" {
				t.Errorf("%q: answered %s, the server saw %q, want %q", c.args, got, s, c.want)
			}
		default:
			if c.want != "" || got == "204" || got == "200" {
				t.Errorf("%q: answered %s, the server saw nothing, want %q", c.args, got, c.want)
			}
		}
	}
}

// A device that connects by address and names a host reaches a server that
// speaks nothing but HTTP/2, and the request has the frames that it came in.
func TestH2ServerByAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		fields []string
		data   []string // of the device
		want   []string // at the server
	}{
		{"GET", []string{":method", "GET", ":path", "/%2F/ä?x=%41"}, nil,
			[]string{"HEADERS+END :authority=host.test:PORT :method=GET :path=/%2F/ä?x=%41 :scheme=https x-a=1"}},
		{"GET of two slashes", []string{":method", "GET", ":path", "//x//y"}, nil,
			[]string{"HEADERS+END :authority=host.test:PORT :method=GET :path=//x//y :scheme=https x-a=1"}},
		{"HEAD", []string{":method", "HEAD", ":path", "/"}, nil,
			[]string{"HEADERS+END :authority=host.test:PORT :method=HEAD :path=/ :scheme=https x-a=1"}},
		{"empty POST", []string{":method", "POST", ":path", "/", "content-length", "0"}, nil,
			[]string{"HEADERS+END :authority=host.test:PORT :method=POST :path=/ :scheme=https x-a=1 content-length=0"}},
		{"POST of no data", []string{":method", "POST", ":path", "/", "content-length", "0"}, []string{""},
			[]string{"HEADERS+END :authority=host.test:PORT :method=POST :path=/ :scheme=https x-a=1 content-length=0"}},
		{"POST that ends with its header", []string{":method", "POST", ":path", "/"}, nil, // net/http adds the length
			[]string{"HEADERS+END :authority=host.test:PORT :method=POST :path=/ :scheme=https x-a=1 content-length=0"}},
		{"DELETE", []string{":method", "DELETE", ":path", "/"}, nil,
			[]string{"HEADERS+END :authority=host.test:PORT :method=DELETE :path=/ :scheme=https x-a=1"}},
		{"PUT of length 0", []string{":method", "PUT", ":path", "/", "content-length", "0"}, nil,
			[]string{"HEADERS+END :authority=host.test:PORT :method=PUT :path=/ :scheme=https x-a=1 content-length=0"}},
		{"POST", []string{":method", "POST", ":path", "/", "content-length", "5"}, []string{"he", "llo"},
			[]string{"HEADERS :authority=host.test:PORT :method=POST :path=/ :scheme=https x-a=1 content-length=5", "DATA+END \"hello\""}},
		{"te", []string{":method", "GET", ":path", "/", "te", "trailers"}, nil,
			[]string{"HEADERS+END :authority=host.test:PORT :method=GET :path=/ :scheme=https te=trailers x-a=1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			frames := make(chan []string, 1)
			names := make(chan string, 1)
			addr := h2Origin(t, true, func(o *framed) {
				names <- o.c.(*tls.Conn).ConnectionState().ServerName
				got := o.stream()
				frames <- got
				o.headers(1, true, ":status", "204")
				o.stream()
			})
			_, port, _ := net.SplitHostPort(addr)
			b := start(t, nil)
			d := b.device(addr, "sni.test")
			d.headers(1, len(c.data) == 0, append(append([]string{":authority", "host.test:" + port, ":scheme", "https"}, c.fields...), "x-a", "1")...)
			for i, s := range c.data {
				d.fr.WriteData(1, i == len(c.data)-1, []byte(s))
			}
			if got := d.stream(); len(got) != 1 || got[0] != "HEADERS+END :status=204" {
				t.Error("device:", got)
			}
			got := strings.ReplaceAll(strings.Join(<-frames, "; "), "host.test:"+port, "host.test:PORT")
			words, want := strings.Fields(got), strings.Fields(strings.Join(c.want, "; "))
			slices.Sort(words)
			slices.Sort(want)
			if !slices.Equal(words, want) {
				t.Errorf("the server got %q, want %q", words, want)
			}
			if sni := <-names; sni != "sni.test" {
				t.Errorf("server name %q, want the device's", sni)
			}
		})
	}
}

// Connections to a server are shared by requests with the same address and
// name, and by no others.
func TestH2ConnectionsAreKeptByAddressAndName(t *testing.T) {
	t.Parallel()
	conns := make(chan string, 10)
	addr := h2Origin(t, true, func(o *framed) {
		conns <- o.c.(*tls.Conn).ConnectionState().ServerName
		for id := uint32(1); strings.HasPrefix(o.next(), "HEADERS"); id += 2 {
			o.headers(id, true, ":status", "204")
		}
	})
	b := start(t, nil)
	for _, sni := range []string{"a.test", "b.test", "a.test"} {
		d := b.device(addr, sni)
		for id := uint32(1); id < 6; id += 2 {
			d.headers(id, true, ":method", "GET", ":path", "/", ":authority", sni, ":scheme", "https")
			if got := d.stream(); got[0] != "HEADERS+END :status=204" {
				t.Fatal(got)
			}
		}
	}
	if a, b := <-conns, <-conns; a != "a.test" || b != "b.test" || len(conns) != 0 {
		t.Error(a, b, len(conns), "more")
	}
}

// A server that speaks HTTP/1.1 only is asked so, over the connection that was
// made to find out, by devices that speak HTTP/2.
func TestH2DeviceAndH1Server(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, authority string
		protocols       []string
	}{{"no ALPN", "", nil}, {"http/1.1", "", []string{"http/1.1"}}, {"by address", "x.test", nil}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				fmt.Fprint(w, r.Proto, " ", len(body))
			}))
			var opened atomic.Int32
			s.Config.ConnState = func(_ net.Conn, st http.ConnState) {
				if st == http.StateNew {
					opened.Add(1)
				}
			}
			s.TLS = &tls.Config{NextProtos: c.protocols}
			s.StartTLS()
			t.Cleanup(s.Close)
			addr := s.Listener.Addr().String()
			if c.authority == "" {
				c.authority = addr
			}
			b := start(t, nil)
			d := b.device(addr, "x.test")
			for id := uint32(1); id < 8; id += 2 {
				d.headers(id, false, ":method", "POST", ":path", "/", ":authority", c.authority, ":scheme", "https")
				d.fr.WriteData(id, true, []byte("12345"))
				if got := strings.Join(d.stream(), " "); !strings.Contains(got, `"HTTP/1.1 5"`) {
					t.Error(got)
				}
			}
			if n := opened.Load(); n != 1 {
				t.Error(n, "connections")
			}
		})
	}
}

// An answer has the frames that the server sent: one that ends with its header
// is one HEADERS frame, whatever its status.
func TestH2AnswersKeepTheirFrames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		method string
		answer func(*framed)
		want   []string
	}{
		{"gRPC status", "POST", func(o *framed) {
			o.headers(1, true, ":status", "200", "content-type", "application/grpc", "grpc-status", "5", "grpc-message", "no such thing")
		}, []string{"HEADERS+END :status=200 content-type=application/grpc grpc-message=no such thing grpc-status=5"}},
		{"announced trailers that don't come", "POST", func(o *framed) {
			o.headers(1, true, ":status", "200", "trailer", "grpc-status", "grpc-status", "5")
		}, []string{"HEADERS+END :status=200 grpc-status=5"}},
		{"header, then trailers", "POST", func(o *framed) {
			o.headers(1, false, ":status", "200", "content-type", "application/grpc")
			o.headers(1, true, "grpc-status", "7")
		}, []string{"HEADERS :status=200 content-type=application/grpc", "HEADERS+END grpc-status=7"}},
		{"length 0, then trailers", "POST", func(o *framed) {
			o.headers(1, false, ":status", "200", "content-length", "0")
			o.headers(1, true, "grpc-status", "7")
		}, []string{"HEADERS :status=200 content-length=0", "HEADERS+END grpc-status=7"}},
		{"length 0, then an empty frame", "GET", func(o *framed) {
			o.headers(1, false, ":status", "200", "content-length", "0")
			o.fr.WriteData(1, true, nil)
		}, []string{"HEADERS+END :status=200 content-length=0"}},
		{"data and trailers", "POST", func(o *framed) {
			o.headers(1, false, ":status", "200")
			o.fr.WriteData(1, false, []byte("abc"))
			o.headers(1, true, "grpc-status", "0")
		}, []string{"HEADERS :status=200", `DATA "abc"`, "HEADERS+END grpc-status=0"}},
		{"sized", "GET", func(o *framed) {
			o.headers(1, false, ":status", "200", "content-length", "3")
			o.fr.WriteData(1, true, []byte("abc"))
		}, []string{"HEADERS :status=200 content-length=3", `DATA+END "abc"`}},
		{"204", "GET", func(o *framed) { o.headers(1, true, ":status", "204") }, []string{"HEADERS+END :status=204"}},
		{"204, then an empty frame", "GET", func(o *framed) {
			o.headers(1, false, ":status", "204")
			o.fr.WriteData(1, true, nil)
		}, []string{"HEADERS+END :status=204"}},
		{"304", "GET", func(o *framed) { o.headers(1, true, ":status", "304", "content-length", "7") },
			[]string{"HEADERS+END :status=304 content-length=7"}},
		{"HEAD", "HEAD", func(o *framed) { o.headers(1, true, ":status", "200", "content-length", "7") },
			[]string{"HEADERS+END :status=200 content-length=7"}},
		{"500 without a word", "GET", func(o *framed) { o.headers(1, true, ":status", "500") }, []string{"HEADERS+END :status=500"}},
		{"length that is none", "GET", func(o *framed) { o.headers(1, true, ":status", "200", "content-length", "x") },
			[]string{"HEADERS :status=200", `DATA+END ""`}},
		{"length that is none, and data", "GET", func(o *framed) {
			o.headers(1, false, ":status", "200", "content-length", "x")
			o.fr.WriteData(1, true, []byte("abc"))
		}, []string{"HEADERS :status=200", `DATA "abc"`, `DATA+END ""`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			addr := h2Origin(t, true, func(o *framed) {
				o.stream()
				c.answer(o)
				o.stream()
			})
			b := start(t, nil)
			d := b.device(addr, "a.test")
			d.headers(1, true, ":method", c.method, ":path", "/", ":authority", addr, ":scheme", "https", "te", "trailers")
			got := d.stream()
			for i := range got {
				if words := strings.Split(got[i], " "); words[0] != "DATA" && words[0] != "DATA+END" {
					slices.Sort(words[1:])
					got[i] = strings.Join(words, " ")
				}
			}
			for i, w := range c.want {
				words := strings.Split(w, " ")
				if words[0] != "DATA" && words[0] != "DATA+END" {
					slices.Sort(words[1:])
					c.want[i] = strings.Join(words, " ")
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
