package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"starproxy/builtins/exchange"
)

// places are the places where a device can send a header to us as its proxy.
var places = map[string]func(b *bench) (net.Conn, *bufio.Reader){
	"first": func(b *bench) (net.Conn, *bufio.Reader) { return b.dial() },
	"kept": func(b *bench) (net.Conn, *bufio.Reader) {
		c, br := b.dial()
		fmt.Fprintf(c, "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n")
		expectStatus(b.t, br, 200)
		return c, br
	},
	"TLS to the proxy": func(b *bench) (net.Conn, *bufio.Reader) {
		c, _ := b.dial()
		return b.wrap(c, "127.0.0.1")
	},
	"intercepted TLS": func(b *bench) (net.Conn, *bufio.Reader) {
		c, br := b.tunnel("a.test:443")
		return b.wrap(buffered{c, br}, "a.test", "http/1.1")
	},
}

// record is a log that is looked at.
type record struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *record) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(b)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.String()
}

func (r *record) config(c *Config) { c.Log = slog.New(slog.NewTextHandler(r, nil)) }

// TestConnectTargets checks that a CONNECT is served or refused with the
// reason, wherever it comes.
func TestConnectTargets(t *testing.T) {
	t.Parallel()
	for way, open := range places {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			log := &record{}
			b := start(t, echo, log.config)
			for target, why := range map[string]string{
				"": "want host:port", "a.test": "port: got none", "a.test:": "port: got none", ":443": "host: got", "a.test:0": "port: got", "a.test:65536": "port: got",
				"a.test:99999999999999999999": "port: got", "a.test:abc": "port: got", "a.test:+80": "port: got", "a.test:-1": "port: got", "a.test:443:443": "brackets",
				"::1:443": "brackets", "::1": "brackets", "[::1]": "port: got none", "[::1": "]", "[::1]443": "port: got", "[1.2.3.4]:443": "IPv6", "[x]:443": "IPv6", "[::1%eth0]:443": "",
				"u:secret@a.test:443": "user information", "u@a.test:443": "user information", "http://a.test:443": "host:port", "a.test:443/": "host:port", "/": "host:port", "*": "host: got",
				"*.a.test:443": "host: got", "a..test:443": "label", ".a.test:443": "label", "a!b:443": "host: got", "a%20b:443": "host: got", "\xfc.test:443": "UTF-8", "a.test..:443": "label",
				strings.Repeat("a", 64) + ".test:443": "label", strings.Repeat("a.", 127) + "test:443": "253", "-:443": "", "a?b:443": "host: got", "a#b:443": "host: got",
			} {
				c, br := open(b)
				fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: a.test\r\n\r\n", target)
				if why == "" { // both are right
					c.Close()
					continue
				}
				if got := expectStatus(t, br, 400); !strings.Contains(got, why) || strings.Contains(got, "secret") {
					t.Errorf("CONNECT %.100q: %q, want %q in it", target, got, why)
				}
				c.Close()
			}
			if text := log.String(); strings.Contains(text, "secret") || !strings.Contains(text, "client=127.0.0.1:") {
				t.Errorf("the log is %.2000s", text)
			}
		})
	}
}

// TestOddNamesAreServed checks names that are odd and right all the same, from
// the CONNECT to the certificate and the exchange.
func TestOddNamesAreServed(t *testing.T) {
	t.Parallel()
	for way, open := range places {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			b := start(t, echo)
			for target, host := range map[string]string{
				"a.test.:443": "a.test", "A.TEST:443": "a.test", "my_host.a-b.test:443": "my_host.a-b.test", "bücher.example:443": "xn--bcher-kva.example",
				"BÜCHER.example.:443": "xn--bcher-kva.example", "xn--bcher-kva.example:443": "xn--bcher-kva.example", "127.0.0.1:443": "127.0.0.1",
				"[::1]:443": "::1", "[2001:DB8:0::1]:00443": "2001:db8::1", "[fe80::1%25eth0]:443": "fe80::1%eth0", "localhost:443": "localhost",
				strings.Repeat("a.", 124) + "test:443": strings.Repeat("a.", 124) + "test",
			} {
				// Host is that of another server: the target counts.
				for _, head := range []string{"Host: b.test", "Host: b.test\r\nUpgrade: websocket\r\nConnection: Upgrade", "Host: b.test\r\nContent-Length: 0", "Host: b.test\r\nProxy-Connection: keep-alive"} {
					c, br := open(b)
					fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\n%s\r\n\r\n", target, head)
					b.expectConnected(br)
					name, _, _ := strings.Cut(host, "%")
					in := tls.Client(buffered{c, br}, &tls.Config{RootCAs: b.roots, ServerName: name})
					if err := in.Handshake(); err != nil {
						t.Errorf("%.100q: %v", target, err)
						continue
					}
					fmt.Fprintf(in, "GET / HTTP/1.0\r\n\r\n")
					url := host
					if strings.Contains(host, ":") {
						url = "[" + host + "]"
					}
					expectBody(t, bufio.NewReader(in), "GET", "HTTP/1.0 GET https://"+url+"/ 0\n")
					in.Close()
				}
			}
		})
	}
}

// TestOddServerNames checks that whatever a device asks for by SNI, its
// handshake gets a certificate of the host it connected to.
func TestOddServerNames(t *testing.T) {
	t.Parallel()
	b := start(t, echo)
	for _, sni := range []string{"", "bücher.example", "*.a.test", "a b", "\xff\xfe", "a\x00b", strings.Repeat("a", 300), "a_b.test", "..", "-"} {
		c, br := b.tunnel("a.test:443")
		in := tls.Client(buffered{c, br}, &tls.Config{InsecureSkipVerify: true, ServerName: sni})
		if err := in.Handshake(); err != nil {
			t.Errorf("SNI %.40q: %v", sni, err)
			continue
		}
		cert := in.ConnectionState().PeerCertificates[0]
		if err := cert.VerifyHostname("a.test"); err != nil {
			t.Errorf("SNI %.40q: %v", sni, err)
		}
		fmt.Fprintf(in, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
		expectBody(t, bufio.NewReader(in), "GET", "HTTP/1.1 GET https://a.test/ 0\n")
	}
}

// TestRequestsThatCannotBe checks that requests which are no exchange are
// refused with the reason, and that the log has it.
func TestRequestsThatCannotBe(t *testing.T) {
	t.Parallel()
	log := &record{}
	b := start(t, echo, log.config)
	for head, why := range map[string]string{
		"GET ftp://a.test/x HTTP/1.1\r\nHost: a.test":        `"ftp"`,
		"GET FTP://a.test/x HTTP/1.1\r\nHost: a.test":        `"ftp"`,
		"GET ws://a.test/x HTTP/1.1\r\nHost: a.test":         `"ws"`,
		"GET file:///etc/passwd HTTP/1.1\r\nHost: a.test":    `"file"`,
		"GET gopher:x HTTP/1.1\r\nHost: a.test":              `"gopher"`,
		"connect a.test:443 HTTP/1.1\r\nHost: a.test":        "target:",
		"GET a.test:80/x HTTP/1.1\r\nHost: a.test":           "target:",
		"GET http:/x HTTP/1.1\r\nHost: a.test":               "host: got none",
		"GET http:///x HTTP/1.1\r\nHost: a.test":             "host: got none",
		"GET http://a.test:0/ HTTP/1.1\r\nHost: a.test":      "port: got",
		"GET http://a.test:65536/ HTTP/1.1\r\nHost: a.test":  "port: got",
		"GET http://a.test:x/ HTTP/1.1\r\nHost: a.test":      "port",
		"GET http://a..test/ HTTP/1.1\r\nHost: a.test":       "label",
		"GET http://*.test/ HTTP/1.1\r\nHost: a.test":        "host: got",
		"GET http://[::1/ HTTP/1.1\r\nHost: a.test":          "]",
		"GET http://::1/ HTTP/1.1\r\nHost: a.test":           "",
		"GET http://u:secret@a.test:x/ HTTP/1.1\r\nHost: a":  "port",
		"GET / HTTP/1.1\r\nHost: a.test:x":                   "port",
		"GET / HTTP/1.1\r\nHost: a.test:0":                   "port",
		"GET / HTTP/1.1\r\nHost: a.test, b.test":             "Host: got",
		"GET / HTTP/1.1\r\nHost: b\xfccher.test":             "ost",
		"GET / HTTP/1.1":                                     "ost",
		"GET / HTTP/1.0":                                     "host",
		"GET x HTTP/1.1\r\nHost: a.test":                     "target",
		"GET http://a.test/":                                 "request line",
		"GET http://a.test/ HTTX/1.1\r\nHost: a.test":        "version",
		"G(T http://a.test/ HTTP/1.1\r\nHost: a.test":        "method",
		"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nx y": "header line 2",
	} {
		for _, way := range []string{"first", "kept", "TLS to the proxy"} {
			c, br := places[way](b)
			io.WriteString(c, head+"\r\n\r\n")
			if got := expectStatus(t, br, 400); !strings.Contains(got, why) || len(got) < len("400 Bad Request: x") {
				t.Errorf("%s: %q: %q, want %q in it", way, head, got, why)
			}
			c.Close()
		}
	}
	if n := strings.Count(log.String(), "request refused"); n != 28*3 || strings.Contains(log.String(), "secret") {
		t.Errorf("%d lines in the log, want %d:\n%s", n, 28*3, log)
	}
}

// TestHostsOfPlainRequests checks that one host is one host, however spelt.
func TestHostsOfPlainRequests(t *testing.T) {
	t.Parallel()
	b := start(t, echo)
	c, br := b.dial()
	for target, want := range map[string]string{
		"http://A.Test./x": "http://a.test/x", "http://a.test:80/x": "http://a.test/x", "http://a.test:/x": "http://a.test/x", "HTTP://a.test/x": "http://a.test/x",
		"http://my_host:081/x": "http://my_host:81/x", "http://[::0:1]:81/x": "http://[::1]:81/x", "https://a.test./x": "https://a.test/x", "http://u:p@a.test/x": "http://a.test/x",
	} {
		ask(t, c, br, target, "HTTP/1.1 GET "+want+" 0\n")
	}
}

// TestAbsoluteFormReachesServers checks that a URL whose host is odd and right is
// served whole, to the Host header of the real server, and that one whose host
// is none is refused, inside a tunnel as outside.
func TestAbsoluteFormReachesServers(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host) }))
	defer server.Close()
	at := strings.TrimPrefix(server.URL, "http://")
	_, port, _ := net.SplitHostPort(at)
	b := start(t, exchange.HandlerFunc(func(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) { return x.Forward(ctx) }))
	for target, want := range map[string]string{
		"http://bücher.example:81/x": "xn--bcher-kva.example:81", "http://BÜCHER.example/x": "xn--bcher-kva.example", "http://127。0。0。1:" + port + "/x": at,
		"http://a..test/": "", "http://a<b/": "", "http://\"x\"/": "", "http://b\xfccher.example/": "", "http://a.test:99999/": "", "http://%ff/": "",
	} {
		for _, way := range []string{"plain", "tunnel"} {
			c, br := b.dial()
			if way == "tunnel" {
				c.Close()
				c, br = b.tunnel(at)
			} else if want != "" && want != at {
				continue // no such server
			}
			fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: a.test\r\n\r\n", target)
			if want == "" {
				expectStatus(t, br, 400)
			} else {
				expectBody(t, br, "GET", want)
			}
			c.Close()
		}
	}
}

// FuzzAuthority holds that a target that is taken is taken again as it is, and
// that both places of taking an authority apart agree.
func FuzzAuthority(f *testing.F) {
	for _, s := range []string{"a.test:443", "[::1]:443", "[fe80::1%25x]:1", "::1:1", "b\u00fccher:1", "a:0", "@", "a:1:2", "[]:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		lenient, port := exchange.SplitAuthority(s, 80)
		target, err := connectTarget(s)
		if err != nil {
			return
		}
		if again, err := connectTarget(target); err != nil || again != target {
			t.Errorf("%q becomes %q, that %q, %v", s, target, again, err)
		}
		if host, p := exchange.SplitAuthority(target, 80); host != lenient || p != port {
			t.Errorf("%q: %s %d and %s %d", s, lenient, port, host, p)
		}
		if _, err := exchange.HostName(lenient); err != nil {
			t.Error(err)
		}
	})
}
