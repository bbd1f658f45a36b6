package way

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
)

// told is an upstream proxy that answers with some bytes.
type told struct {
	asked  bytes.Buffer
	answer bytes.Buffer
}

func (p *told) Write(b []byte) (int, error) { return p.asked.Write(b) }
func (p *told) Read(b []byte) (int, error)  { return p.answer.Read(b) }

func TestParentAnswers(t *testing.T) {
	t.Parallel()
	parent := NewParent(&url.URL{Scheme: "http", Host: "proxy.test:3128", User: url.UserPassword("bench", "tiger")}, nil)
	for answer, want := range map[string]string{
		"HTTP/1.1 200 OK\r\nVia: x\r\n\r\nserver":            "",
		"HTTP/1.0 204 \n\nserver":                            "",
		"HTTP/1.1 407 Who\r\n\r\nserver":                     "it asks for another user or password",
		"HTTP/1.1 403 No\r\n\r\nserver":                      `it answers "403 No" to a CONNECT for car.test:443`,
		"HTTP/1.1 2\r\n\r\nserver":                           `it answers "2"`,
		"SSH-2.0-x\r\n\r\nserver":                            "it does not answer as an HTTP proxy",
		"HTTP/1.1 200 OK\r\n":                                "EOF",
		"HTTP/1.1 200 " + strings.Repeat("x", maxParentHead): "over 16 KiB",
	} {
		p := &told{}
		p.answer.WriteString(answer)
		err := parent.connectHTTP(p, "car.test:443")
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v, want %q", answer, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "tiger") {
			t.Errorf("%.40q: got the password in %v", answer, err)
		}
		if strings.HasSuffix(answer, "server") && p.answer.String() != "server" {
			t.Errorf("%.40q: got %q left to read, want the server's bytes", answer, p.answer.String())
		}
		if ask := p.asked.String(); ask != "CONNECT car.test:443 HTTP/1.1\r\nHost: car.test:443\r\nProxy-Authorization: Basic YmVuY2g6dGlnZXI=\r\n\r\n" {
			t.Errorf("got the request %q", ask)
		}
	}
}

func TestParentUses(t *testing.T) {
	t.Parallel()
	p := NewParent(&url.URL{Scheme: "socks5", Host: "proxy.test:1080"}, []string{"lab", ".corp", "*.vendor.example", "10.0.0.0/8", "fd00::/8", "x.example:8443"})
	for addr, want := range map[string]bool{
		"car.test:443": true, "127.0.0.1:80": false, "localhost:80": false, "lab:80": false, "a.lab:80": false, "corp:80": true, "a.corp:80": false,
		"a.vendor.example:443": false, "vendor.example:443": true, "10.1.2.3:443": false, "11.1.2.3:443": true, "[fd00::7]:443": false,
		"x.example:8443": false, "x.example:443": true,
	} {
		if got := p.Uses(addr); got != want {
			t.Errorf("%s: got through the proxy %t, want %t", addr, got, want)
		}
	}
	if NewParent(p.url, []string{"*"}).Uses("car.test:443") || (*Parent)(nil).Uses("car.test:443") {
		t.Error("got car.test through the proxy, want it asked directly")
	}
}

// FuzzParent holds that whatever an upstream proxy answers, over HTTP or SOCKS5, ends in
// a connection or an error, and that no byte behind the header of an HTTP answer is
// read.
func FuzzParent(f *testing.F) {
	for _, s := range []string{"HTTP/1.1 200 OK\r\n\r\nx", "HTTP/1.1 407 \n\n", "\x05\x00\x05\x00\x00\x01\x01\x02\x03\x04\x00\x50x", "\x05\x02\x01\x00\x05\x05\x00"} {
		f.Add([]byte(s))
	}
	http := NewParent(&url.URL{Scheme: "http", Host: "proxy.test:3128"}, nil)
	socks := NewParent(&url.URL{Scheme: "socks5", Host: "proxy.test:1080", User: url.UserPassword("a", "b")}, nil)
	f.Fuzz(func(t *testing.T, answer []byte) {
		p := &told{}
		p.answer.Write(answer)
		err := http.connectHTTP(p, "car.test:443")
		head := answer[:len(answer)-p.answer.Len()]
		if len(head) > maxParentHead || err == nil && !bytes.HasSuffix(head, []byte("\n\r\n")) && !bytes.HasSuffix(head, []byte("\n\n")) {
			t.Fatalf("%q: got %d bytes read, %v", answer, len(head), err)
		}
		near, far := net.Pipe()
		defer near.Close()
		go func() {
			go io.Copy(io.Discard, far)
			far.Write(answer)
			far.Close()
		}()
		_ = socks.Connect(context.Background(), near, "car.test:443")
	})
}
