package proxy

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// framed is one end of an HTTP/2 connection whose frames a test sees.
type framed struct {
	t  testing.TB
	c  net.Conn
	fr *http2.Framer

	out bytes.Buffer
	enc *hpack.Encoder
}

func newFramed(t testing.TB, c net.Conn) *framed {
	f := &framed{t: t, c: c, fr: http2.NewFramer(c, c)}
	f.fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	f.fr.AllowIllegalWrites = true
	f.enc = hpack.NewEncoder(&f.out)
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return f
}

// device connects through the proxy by CONNECT, and speaks HTTP/2 inside of TLS.
func (b *bench) device(target, sni string) *framed {
	b.t.Helper()
	c, _ := b.tunnel(target)
	t := tls.Client(c, &tls.Config{RootCAs: b.roots, ServerName: sni, NextProtos: []string{"h2"}})
	if err := t.Handshake(); err != nil {
		b.t.Fatal(err)
	}
	return greet(b.t, t)
}

// greet begins HTTP/2 on a connection.
func greet(t testing.TB, c net.Conn) *framed {
	f := newFramed(t, c)
	io.WriteString(c, http2.ClientPreface)
	f.fr.WriteSettings()
	return f
}

// headers sends a header of names and values.
func (f *framed) headers(stream uint32, end bool, fields ...string) {
	f.t.Helper()
	f.out.Reset()
	for i := 0; i < len(fields); i += 2 {
		f.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	const most = 500_000 // in a frame
	block := f.out.Bytes()
	first := block[:min(len(block), most)]
	block = block[len(first):]
	if err := f.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: first, EndHeaders: len(block) == 0, EndStream: end}); err != nil {
		f.t.Fatal(err)
	}
	for len(block) > 0 {
		more := block[:min(len(block), most)]
		block = block[len(more):]
		if err := f.fr.WriteContinuation(stream, len(block) == 0, more); err != nil {
			f.t.Fatal(err)
		}
	}
}

// next is the next frame of a stream, in words; frames of the connection are
// answered and left out.
func (f *framed) next() string {
	f.t.Helper()
	for {
		fr, err := f.fr.ReadFrame()
		if err != nil {
			return "ended: " + err.Error()
		}
		switch fr := fr.(type) {
		case *http2.SettingsFrame:
			if !fr.IsAck() {
				f.fr.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !fr.IsAck() {
				f.fr.WritePing(true, fr.Data)
			}
		case *http2.MetaHeadersFrame:
			var words []string
			for _, h := range fr.Fields {
				words = append(words, h.Name+"="+h.Value)
			}
			return "HEADERS" + ended(fr.StreamEnded()) + " " + strings.Join(words, " ")
		case *http2.DataFrame:
			return fmt.Sprintf("DATA%s %q", ended(fr.StreamEnded()), fr.Data())
		case *http2.RSTStreamFrame:
			return "RST " + fr.ErrCode.String()
		}
	}
}

// stream lists the frames of a stream until its end.
func (f *framed) stream() (frames []string) {
	f.t.Helper()
	for {
		s := f.next()
		frames = append(frames, s)
		if strings.Contains(strings.SplitN(s, " ", 2)[0], "+END") || strings.HasPrefix(s, "RST") || strings.HasPrefix(s, "ended") {
			return frames
		}
	}
}

func ended(end bool) string {
	if end {
		return "+END"
	}
	return ""
}

// h2Origin is a real server that speaks nothing but HTTP/2; f has a connection
// to itself once the preface has come.
func h2Origin(t testing.TB, secure bool, f func(*framed)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	a, err := testCA()
	if err != nil {
		t.Fatal(err)
	}
	cfg := &tls.Config{NextProtos: []string{"h2"}, GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) { return a.Certificate(h, "origin.test", nil) }}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if secure {
					c = tls.Server(c, cfg)
				}
				preface := make([]byte, len(http2.ClientPreface))
				if _, err := io.ReadFull(c, preface); err != nil || string(preface) != http2.ClientPreface {
					return
				}
				o := newFramed(t, c)
				o.fr.WriteSettings()
				f(o)
			}()
		}
	}()
	return l.Addr().String()
}
