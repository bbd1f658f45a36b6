package proxy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// refusedEntry gives the only entry of a journal, which is to be of a refusal.
func (b *bench) refusedEntry() *capture.Entry {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer cancel()
	e, err := b.journal.Wait(ctx, func(e *capture.Entry) bool { return e.Kind == capture.Refused })
	if err != nil {
		b.t.Fatal(err)
	}
	if all := b.journal.Entries(nil); len(all) != 1 {
		b.t.Fatalf("got %d captures, want one refusal", len(all))
	}
	return e
}

// Every refusal of a request over HTTP/1 is one entry that tells who sent it, what
// came, what was answered and why.
func TestRefusalsAreCaptured(t *testing.T) {
	t.Parallel()
	const host = "Host: a.test\r\n"
	long := "GET / HTTP/1.1\r\n" + host + "X: " + strings.Repeat("x", 1<<20)
	for _, c := range []struct {
		name, sent string
		status     int
		why        string // is in the reason
		understood string // method, target, version and authority
	}{
		{"one word", "GARBAGE\r\n\r\n", 400, "request line", "GARBAGE   "},
		{"a bad method", "G(T / HTTP/1.1\r\n" + host + "\r\n", 400, "method: got", "G(T   a.test"},
		{"a bad version", "GET / HTTP/1.x\r\n" + host + "\r\n", 400, "version: got", "GET /  a.test"},
		{"another version", "GET / HTTP/2.0\r\n" + host + "\r\n", 505, "version: got", "GET /  a.test"},
		{"a blank in the target", "GET /a b HTTP/1.1\r\n" + host + "\r\n", 400, "target: got", "GET /a b HTTP/1.1 a.test"},
		{"a NUL in the target", "GET /a\x00b HTTP/1.1\r\n" + host + "\r\n", 400, "target: got", "GET /a\x00b HTTP/1.1 a.test"},
		{"a relative target", "GET a HTTP/1.1\r\n" + host + "\r\n", 400, "target: got", "GET a HTTP/1.1 a.test"},
		{"another scheme", "GET ftp://a.test/ HTTP/1.1\r\n" + host + "\r\n", 400, "scheme: got", "GET ftp://a.test/ HTTP/1.1 a.test"},
		{"a star", "GET * HTTP/1.1\r\n" + host + "\r\n", 400, "OPTIONS", "GET * HTTP/1.1 a.test"},
		{"empty lines", strings.Repeat("\r\n", 100), 400, "empty lines only", "   "},
		{"a CR", "\rGET / HTTP/1.1\r\n\r\n", 400, "got a CR", "   "},
		{"no Host", "GET / HTTP/1.1\r\n\r\n", 400, "Host: got none", "GET / HTTP/1.1 "},
		{"no Host in an old version", "GET / HTTP/1.0\r\n\r\n", 400, "no host header", "GET / HTTP/1.0 "},
		{"two Hosts", "GET / HTTP/1.1\r\n" + host + "Host: b.test\r\n\r\n", 400, "Host: got several", "GET / HTTP/1.1 a.test"},
		{"a blank in a name", "GET / HTTP/1.1\r\n" + host + "Bad Name: x\r\n\r\n", 400, "header line 2", "GET / HTTP/1.1 a.test"},
		{"a NUL in a value", "GET / HTTP/1.1\r\n" + host + "X: a\x00b\r\n\r\n", 400, "header line 2", "GET / HTTP/1.1 a.test"},
		{"both lengths", "POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "both Transfer-Encoding and Content-Length", "POST / HTTP/1.1 a.test"},
		{"two lengths", "POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\nContent-Length: 4\r\n\r\n", 400, "Content-Length: got", "POST / HTTP/1.1 a.test"},
		{"an odd coding", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip\r\n\r\n", 400, "Transfer-Encoding: got", "POST / HTTP/1.1 a.test"},
		{"an odd expectation", "POST / HTTP/1.1\r\n" + host + "Expect: miracles\r\n\r\n", 417, "Expect: got", "POST / HTTP/1.1 a.test"},
		{"half a header", "GET /half HTTP/1.1\r\n" + host + "X-Ha", 400, "ends without an empty line", "   "},
		{"half a line", "GE", 400, "ends without an empty line", "   "},
		{"a header over 1 MiB", long + "\r\n\r\n", 431, "over 1 MiB", "   "},
		{"half a header of 1 MiB", long[:1<<20-100], 400, "ends without an empty line", "   "},
		{"CONNECT without a port", "CONNECT a.test HTTP/1.1\r\n" + host + "\r\n", 400, "port: got none", "CONNECT a.test HTTP/1.1 a.test"},
		{"CONNECT to a path", "CONNECT / HTTP/1.1\r\n" + host + "\r\n", 400, "host:port", "CONNECT / HTTP/1.1 /"},
		{"CONNECT with a body", "CONNECT a.test:443 HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n", 400, "CONNECT with a body", "CONNECT a.test:443 HTTP/1.1 a.test"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			counters := new(Counters)
			b := start(t, echo, func(cfg *Config) { cfg.Counters = counters })
			nc, br := b.dial()
			io.WriteString(nc, c.sent)
			nc.(*net.TCPConn).CloseWrite()
			said := expectStatus(t, br, c.status)
			e := b.refusedEntry()
			if e.Client.String() != nc.LocalAddr().String() || e.Conn == 0 || e.Origin != exchange.FromProxy || e.Start.IsZero() {
				t.Errorf("got client %s, connection %d, %s, %v", e.Client, e.Conn, e.Origin, e.Start)
			}
			if e.Status != c.status || !strings.Contains(e.Error, c.why) || !strings.HasSuffix(said, e.Error) {
				t.Errorf("got %d %q, want %d and %q in it; the device was told %q", e.Status, e.Error, c.status, c.why, said)
			}
			if got := e.Method + " " + e.Target + " " + e.Proto + " " + e.Authority; got != c.understood {
				t.Errorf("understood: got %q, want %q", got, c.understood)
			}
			head := len(strings.TrimRight(c.sent, "\r\n")) // the empty line may be there or not
			got := e.RequestBody
			if len(got.Data) > capture.MaxRefused || !strings.HasPrefix(c.sent, string(got.Data)) || len(got.Data) < min(head, capture.MaxRefused) {
				t.Errorf("what came: got %d bytes, %.100q, want %.100q", len(got.Data), got.Data, c.sent)
			}
			if got.Truncated != (head > capture.MaxRefused) || got.Size > int64(len(c.sent)) || got.Size < int64(min(head, 1<<20-100)) {
				t.Errorf("what came: got size %d, truncated: %v, want %d", got.Size, got.Truncated, len(c.sent))
			}
			if n := counters.RefusedRequests(); n != 1 {
				t.Errorf("counted %d, want 1", n)
			}
		})
	}
}

// A device that goes in the middle of a header, and will never read an answer, is
// captured too; one that says nothing is not.
func TestRefusalOfADeviceThatLeft(t *testing.T) {
	t.Parallel()
	b := start(t, echo)
	for _, sent := range []string{"", "\r\n", "GET /half HTTP/1.1\r\nHost: a"} {
		nc, _ := b.dial()
		io.WriteString(nc, sent)
		nc.Close()
	}
	if e := b.refusedEntry(); string(e.RequestBody.Data) != "GET /half HTTP/1.1\r\nHost: a" {
		t.Errorf("what came: got %q", e.RequestBody.Data)
	}
}

// A refusal is captured where it comes: behind other requests, inside a tunnel,
// inside TLS.
func TestRefusalsOfAllConnections(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"second", "tunnel", "TLS"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			b := start(t, echo)
			var nc net.Conn
			var br *bufio.Reader
			host, port := "", 0
			switch way {
			case "second":
				nc, br = b.dial()
				io.WriteString(nc, "GET http://a.test/first HTTP/1.1\r\nHost: a.test\r\n\r\n")
				expectStatus(t, br, 200)
				b.journal.Clear()
			case "tunnel":
				nc, br = b.tunnel("a.test:8080")
				host, port = "a.test", 8080
			case "TLS":
				nc, br = b.tunnel("a.test:8443")
				nc, br = b.wrap(buffered{nc, br}, "sni.test", "http/1.1")
				host, port = "a.test", 8443
			}
			io.WriteString(nc, "GET /x HTTP/1.1\r\nBad Name: 1\r\n\r\n")
			expectStatus(t, br, 400)
			e := b.refusedEntry()
			if e.Host != host || e.Port != port || string(e.RequestBody.Data) != "GET /x HTTP/1.1\r\nBad Name: 1\r\n" {
				t.Errorf("got %s:%d, %q", e.Host, e.Port, e.RequestBody.Data)
			}
			if secure := way == "TLS"; (e.Scheme == "https") != secure || (e.SNI == "sni.test") != secure || (e.ClientTLS.Version != 0) != secure {
				t.Errorf("got scheme %s, SNI %q, %+v", e.Scheme, e.SNI, e.ClientTLS)
			}
		})
	}
}

// What is refused over HTTP/2 is captured too.
func TestRefusalsOverHTTP2AreCaptured(t *testing.T) {
	t.Parallel()
	for name, fields := range map[string][]string{
		"a relative path": {":method", "GET", ":path", "a", ":authority", "a.test", ":scheme", "https"},
		"two hosts":       {":method", "GET", ":path", "/", ":authority", "a.test", ":scheme", "https", "host", "b.test"},
		"a bad method":    {":method", "G T", ":path", "/", ":authority", "a.test", ":scheme", "https"},
		"CONNECT":         {":method", "CONNECT", ":authority", "b.test:443"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(t, echo)
			d := b.device("a.test:443", "a.test")
			d.headers(1, true, fields...)
			d.stream()
			e := b.refusedEntry()
			if e.Error == "" || e.Proto != "HTTP/2.0" || e.Method != fields[1] || e.Scheme != "https" || e.SNI != "a.test" || e.Conn == 0 || !e.Client.IsValid() {
				t.Errorf("got %+v", e)
			}
		})
	}
}

// The credentials of a device at the proxy are not in the capture of a refusal,
// however they are written.
func TestRefusalsHideCredentials(t *testing.T) {
	t.Parallel()
	m := NewDemux(nil).Join("127.0.0.1", 0, selected(t, "user ann"), 0)
	l, err := m.Listen(0)
	if err != nil {
		t.Fatal(err)
	}
	b := start(t, echo, func(c *Config) { c.Listener = l })
	const good = "YW5uOnNlY3JldA==" // ann:secret
	bad := base64.StdEncoding.EncodeToString([]byte("eve:passphrase"))
	begin := func() (net.Conn, *bufio.Reader) {
		nc, br := b.dial()
		io.WriteString(nc, "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nProxy-Authorization: Basic "+good+"\r\n\r\n")
		expectStatus(t, br, 200)
		b.journal.Clear()
		return nc, br
	}
	const head = "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n"
	for _, c := range []struct {
		sent   string
		status int
		want   string // came
	}{
		{head + "Proxy-Authorization: Basic " + bad + "\r\nX: y\r\n\r\n", 407, head + "Proxy-Authorization: Basic hidden\r\nX: y"},
		{head + "PROXY-authorization:\t" + bad + "\r\n\r\n", 407, head + "PROXY-authorization: hidden"},
		{head + "Proxy-Authorization: Basic " + bad + "\r\nBad Name: x\r\n\r\n", 400, head + "Proxy-Authorization: Basic hidden\r\nBad Name: x"},
		{head + "Proxy-Authorization : Basic " + bad + "\r\nX: y\r\n\r\n", 400, head + "Proxy-Authorization : Basic hidden\r\nX: y"},
		{head + "Proxy-Authorization Basic " + bad + "\r\nX: y\r\n\r\n", 400, head + "Proxy-Authorization Basic hidden\r\nX: y"},
		{head + "Proxy-Authorization:: Basic " + bad + "\r\nX: y\r\n\r\n", 407, head + "Proxy-Authorization: : Basic hidden\r\nX: y"},
		{head + "Proxy-Authorization:\r\n Basic " + bad + "\r\nX: y\r\n\r\n", 407, head + "Proxy-Authorization: Basic hidden\r\nX: y"},
		{head + "Proxy-Authorization:\r\n Basic " + bad + "\r\nX:\x00y\r\n\r\n", 400, head + "Proxy-Authorization:\r\n Basic hidden\r\nX:\x00y"},
		{head + "Proxy-Authorization: Basic\r\n " + bad + "\r\n\t" + bad + "\r\nX:\x00y\r\n\r\n", 400, head + "Proxy-Authorization: hidden\r\nX:\x00y"},
		{head + "Proxy-Authorization: Basic\r" + bad + "\r\nX: y\r\n\r\n", 400, head + "Proxy-Authorization: hidden\r\nX: y"},
		{"GET http://a.test/\rProxy-Authorization: Basic " + bad + " HTTP/1.1\r\nX: y\r\n\r\n", 400, "GET http://a.test/\rProxy-Authorization: Basic hidden\r\nX: y"},
		{head + "Proxy-Authorization: \r\nX:\x00y\r\n\r\n", 400, head + "Proxy-Authorization: \r\nX:\x00y"},
		{head + "Proxy-Authorization: Basic " + strings.Repeat(bad, 300) + "\r\nBad Name: x\r\n\r\n", 400, head + "Proxy-Authorization: Basic hidden"},
	} {
		nc, br := begin()
		io.WriteString(nc, c.sent)
		expectStatus(t, br, c.status)
		e := b.refusedEntry()
		if got := strings.TrimRight(string(e.RequestBody.Data), "\r\n"); got != c.want {
			t.Errorf("%.200q: got %q, want %q", c.sent, got, c.want)
		}
		if text := fmt.Sprintf("%+v", e); strings.Contains(text, bad[:8]) || strings.Contains(text, "passphrase") {
			t.Errorf("%.200q: the capture is %s", c.sent, text)
		}
		nc.Close()
	}
}

// Hidden texts are in no capture of a refusal and no log, however they are escaped,
// and not even in part where what is kept ends.
func TestRefusalsHideSecrets(t *testing.T) {
	t.Parallel()
	const secret = "tok3n-of-the-page"
	hide := new(Hidden)
	defer hide.Add(secret)()
	log := &record{}
	b := start(t, echo, func(c *Config) { c.Hidden = hide }, log.config)
	const bad = "Host: a.test\r\nBad Name: x\r\n\r\n"
	pad := strings.Repeat("x", capture.MaxRefused-len("GET / HTTP/1.1\r\nX: "+secret[:10]))
	for sent, want := range map[string]string{
		"GET /?token=" + secret + " HTTP/1.1\r\n" + bad:                     "/?token=hidden HTTP",
		"GET /?token=%74ok3n-of-the-page HTTP/1.1\r\n" + bad:                "/?hidden HTTP",
		"GET /?x=%zz&token=%74ok3n-of-the-page HTTP/1.1\r\n" + bad:          "/?hidden HTTP",
		"GET /?token=" + secret + " nonsense HTTP/1.1\r\n" + bad:            "/?token=hidden nonsense",
		"GET /?token=%74ok3n-of-the-page nonsense HTTP/1.1\r\n" + bad:       "/?hidden nonsense",
		"GET /?token=" + secret + "\r\n" + bad:                              "GET /?token=hidden\r\n",
		"GET / HTTP/1.1\r\nCookie: session=" + secret + "\r\n" + bad:        "Cookie: session=hidden\r\n",
		"GET / HTTP/1.1\r\nX: " + pad + secret + "\r\n" + bad:               "xxx",
		"GET " + secret + " HTTP/1.1\r\nHost: a.test\r\n\r\n":               "GET hidden HTTP",
		"GET / HTTP/1.1\r\nHost: " + secret + "/x\r\n\r\n":                  "Host: hidden/x",
		"CONNECT " + secret + "/ HTTP/1.1\r\nHost: a.test\r\n\r\n":          "CONNECT hidden/ HTTP",
		"GET /?a=100%&b=" + secret + " HTTP/1.1\r\nCookie: %\r\n" + bad:     "/?a=100%&b=hidden HTTP",
		"POST / HTTP/1.1\r\nHost: a.test\r\nExpect: " + secret + "\r\n\r\n": "Expect: hidden",
	} {
		nc, br := b.dial()
		io.WriteString(nc, sent)
		res, err := io.ReadAll(br)
		if err != nil || !strings.HasPrefix(string(res), "HTTP/1.1 4") {
			t.Errorf("%.100q: answered %.100q, %v", sent, res, err)
		}
		e := b.refusedEntry()
		if got := e.RequestBody.Data; !strings.Contains(string(got), want) || bytes.HasSuffix(got, []byte(secret[:1])) {
			t.Errorf("%.100q: got %q, want %q in it", sent, got, want)
		}
		text := fmt.Sprintf("%+v", e) + string(e.RequestBody.Data) + log.String()
		for _, part := range []string{secret, "%74ok3n", secret[:10]} {
			if strings.Contains(text, part) {
				t.Errorf("%.100q: %q is in %.2000s", sent, part, text)
			}
		}
		b.journal.Clear()
		nc.Close()
	}
}
