package proxy

import (
	"crypto/tls"
	"io"
	"testing"

	"starproxy/driver/handshake"
)

// BenchmarkNewConnection is a CONNECT, a full TLS handshake, one request and its answer,
// with and without the log of handshakes. The log costs less than can be measured.
func BenchmarkNewConnection(b *testing.B) {
	for name, l := range map[string]*handshake.Log{"log": handshake.NewLog(), "none": nil} {
		b.Run(name, func(b *testing.B) {
			p := start(b, echo, func(c *Config) { c.Handshakes, c.Journal = l, nil })
			cfg := &tls.Config{RootCAs: p.roots, ServerName: "a.test"}
			b.ReportAllocs()
			for b.Loop() {
				nc, br := p.tunnel("a.test:443")
				tc := tls.Client(buffered{nc, br}, cfg)
				io.WriteString(tc, "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
				if n, err := io.Copy(io.Discard, tc); n == 0 || err != nil {
					b.Fatal(n, err)
				}
				tc.Close()
			}
		})
	}
}
