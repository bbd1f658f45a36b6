package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"starproxy/builtins/exchange"
)

// h2Load is a client of HTTP/2 that does next to nothing.
type h2Load struct {
	b     *testing.B
	c     *tls.Conn
	out   bytes.Buffer
	block bytes.Buffer
	enc   *hpack.Encoder
	fr    *http2.Framer
	id    uint32
}

func newH2Load(b *testing.B, p *bench, config *tls.Config) *h2Load {
	nc, _ := p.tunnel("a.test:443")
	l := &h2Load{b: b, c: tls.Client(nc, config), id: 1}
	if err := l.c.Handshake(); err != nil {
		b.Fatal(err)
	}
	l.fr = http2.NewFramer(&l.out, bufio.NewReaderSize(l.c, 64<<10))
	l.fr.SetReuseFrames()
	l.enc = hpack.NewEncoder(&l.block)
	l.out.WriteString(http2.ClientPreface)
	l.fr.WriteSettings()
	l.fr.WriteWindowUpdate(0, 1<<30)
	return l
}

// ask sends a request, with a body unless that is empty, and reads its answer.
func (l *h2Load) ask(body []byte) {
	l.block.Reset()
	for _, f := range [][2]string{{":method", "POST"}, {":scheme", "https"}, {":authority", "a.test"}, {":path", "/api/v1/status"}, {"accept", "*/*"}} {
		l.enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	l.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: l.id, BlockFragment: l.block.Bytes(), EndStream: len(body) == 0, EndHeaders: true})
	for len(body) > 0 {
		n := min(len(body), 16<<10)
		l.fr.WriteData(l.id, n == len(body), body[:n])
		body = body[n:]
	}
	if _, err := l.c.Write(l.out.Bytes()); err != nil {
		l.b.Fatal(err)
	}
	l.out.Reset()
	for {
		f, err := l.fr.ReadFrame()
		if err != nil {
			l.b.Fatal(err)
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				l.fr.WriteSettingsAck()
			}
		case *http2.GoAwayFrame, *http2.RSTStreamFrame:
			l.b.Fatal(f)
		}
		if f.Header().StreamID == l.id && f.Header().Flags.Has(http2.FlagDataEndStream) {
			l.id += 2
			return
		}
	}
}

// BenchmarkH2 is what requests cost on one connection of HTTP/2, and what such a
// connection costs. The sizes are those of what is uploaded.
func BenchmarkH2(b *testing.B) {
	answer := exchange.HandlerFunc(func(context.Context, *exchange.Exchange) (*exchange.Response, error) {
		res := exchange.Text(200, `{"id":"ada","n":7,"ok":true}`)
		res.Origin = exchange.FromMock
		return res, nil
	})
	p := start(b, answer)
	config := &tls.Config{RootCAs: p.roots, ServerName: "a.test", NextProtos: []string{"h2"}, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	for _, size := range []int{0, 256 << 10} {
		b.Run(fmt.Sprint("request of ", size), func(b *testing.B) {
			l := newH2Load(b, p, config)
			defer l.c.Close()
			body := make([]byte, size)
			b.ReportAllocs()
			for b.Loop() {
				l.ask(body)
			}
		})
	}
	b.Run("connection", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			l := newH2Load(b, p, config)
			l.ask(nil)
			l.c.Close()
		}
	})
}
