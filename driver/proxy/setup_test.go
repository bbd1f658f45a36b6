package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/ca"
	"starproxy/driver/capture"
)

// testCA is one authority for all tests: making one takes a while under the race detector.
var testCA = sync.OnceValues(func() (*ca.Authority, error) {
	dir, err := tempDir()
	if err != nil {
		return nil, err
	}
	return ca.Open(dir)
})

// bench is a proxy under test and what is needed to talk to it.
type bench struct {
	t       testing.TB
	p       *Proxy
	journal *capture.Journal
	roots   *x509.CertPool
}

// start runs a proxy that answers with h, or forwards everything when h is nil.
func start(t testing.TB, h exchange.Handler, change ...func(*Config)) *bench {
	t.Helper()
	a, err := testCA()
	if err != nil {
		t.Fatal(err)
	}
	if h == nil {
		h = exchange.HandlerFunc(func(context.Context, *exchange.Exchange) (*exchange.Response, error) { return nil, nil })
	}
	j := capture.New(capture.Options{SpoolDir: t.TempDir()})
	cfg := Config{Addr: "127.0.0.1:0", CA: a, Handler: h, Journal: j, Insecure: true}
	for _, f := range change {
		f(&cfg)
	}
	b := &bench{t: t, p: New(cfg), journal: j, roots: x509.NewCertPool()}
	b.roots.AddCert(a.Cert())
	if err := b.p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.p.Close(context.Background())
		j.Close()
	})
	return b
}

func (b *bench) addr() string { return b.p.Addr().String() }

// client is an HTTP client behind the proxy.
func (b *bench) client(h2 bool) *http.Client {
	tr := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: b.addr()}),
		TLSClientConfig: &tls.Config{RootCAs: b.roots}, ForceAttemptHTTP2: h2, DisableCompression: true}
	b.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Timeout: 20 * time.Second, Transport: tr,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// dial connects to the proxy for a raw conversation.
func (b *bench) dial() (net.Conn, *bufio.Reader) {
	b.t.Helper()
	c, err := net.Dial("tcp", b.addr())
	if err != nil {
		b.t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(20 * time.Second))
	b.t.Cleanup(func() { c.Close() })
	return c, bufio.NewReader(c)
}

// tunnel connects through the proxy with CONNECT.
func (b *bench) tunnel(target string) (net.Conn, *bufio.Reader) {
	b.t.Helper()
	c, br := b.dial()
	fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target)
	b.expectConnected(br)
	return c, br
}

func (b *bench) expectConnected(br *bufio.Reader) {
	b.t.Helper()
	res, err := http.ReadResponse(br, &http.Request{Method: "CONNECT"})
	if err != nil || res.StatusCode != 200 || len(res.Header["Connection"]) > 0 {
		b.t.Fatal("CONNECT:", res, err)
	}
}

func get(t testing.TB, c *http.Client, url string) (string, *http.Response) {
	t.Helper()
	res, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(url, err)
	}
	return string(body), res
}

// echo answers with what it saw of the request.
var echo = exchange.HandlerFunc(func(_ context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	q := x.Request
	if q.Body != nil {
		if _, err := q.Body.Bytes(64 << 20); err != nil {
			return nil, err
		}
	}
	var n int
	if q.Body != nil {
		b, _ := q.Body.Bytes(64 << 20)
		n = len(b)
	}
	res := exchange.Text(200, fmt.Sprintf("%s %s %s %d", q.Proto, q.Method, q.URL(), n))
	res.Origin = exchange.FromMock
	return res, nil
})

// origin is a real server on loopback.
func origin(t testing.TB, h2 bool, secure bool, f http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(f)
	s.EnableHTTP2 = h2
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}
