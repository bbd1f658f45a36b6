package proxy

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"starproxy/builtins/exchange"
)

// Devices with a request under way are told that the proxy stops, and get their
// answer.
func TestH2CloseSaysGoAway(t *testing.T) {
	t.Parallel()
	asked, going := make(chan bool), make(chan bool)
	b := start(t, exchange.HandlerFunc(func(context.Context, *exchange.Exchange) (*exchange.Response, error) {
		close(asked)
		<-going
		return exchange.Text(200, "last words"), nil
	}))
	d := b.device("a.test:443", "a.test")
	d.begin(1, true)
	<-asked
	closed := make(chan error)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		closed <- b.p.Close(ctx)
	}()
	for {
		fr, err := d.fr.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if fr, ok := fr.(*http2.GoAwayFrame); ok {
			if fr.ErrCode != http2.ErrCodeNo {
				t.Error(fr)
			}
			break
		}
	}
	close(going)
	if got := fmt.Sprint(d.stream()); !strings.Contains(got, `DATA+END "last words`) {
		t.Error(got)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if got := b.refusals(); len(got) != 0 {
		t.Error(errorsOf(got))
	}
}

// Prior knowledge of HTTP/2 is served and refused as what ALPN agreed on.
func TestH2PriorKnowledge(t *testing.T) {
	t.Parallel()
	b := start(t, echo)
	plain, _ := b.dial()
	tunnel, _ := b.tunnel("a.test:80")
	for _, d := range []*framed{greet(t, plain), greet(t, tunnel)} {
		fields := []string{":method", "GET", ":path", "/x|y", ":authority", "a.test", ":scheme", "http"}
		d.headers(1, true, fields...)
		if got := fmt.Sprint(d.stream()); !strings.Contains(got, `"HTTP/2.0 GET http://a.test/x|y 0\n"`) {
			t.Error(got)
		}
		d.headers(3, true, append(fields, "Upper", "x")...)
		d.headers(5, true, append(fields, "upgrade", "x")...)
		for range 2 {
			d.stream()
		}
		got := b.refusals()
		b.journal.Clear()
		if len(got) != 2 {
			t.Fatal(errorsOf(got))
		}
		for _, e := range got {
			if e.Host != "a.test" || e.Port != 80 || e.Scheme != "http" || e.Target != "/x|y" || e.Method != "GET" {
				t.Errorf("%s of %s://%s:%d%s: %s", e.Method, e.Scheme, e.Host, e.Port, e.Target, e.Error)
			}
		}
	}
	// A preface that goes wrong.
	c, _ := b.dial()
	io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r!")
	io.Copy(io.Discard, c)
	if got := b.refusals(); len(got) != 1 || !strings.Contains(got[0].Error, "want the preface") {
		t.Error(errorsOf(got))
	}
}

// Frames are followed wherever they are cut.
func TestH2FramesInPieces(t *testing.T) {
	t.Parallel()
	sent := http2.ClientPreface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00" + "\x00\x00\x03\x00\x00\x00\x00\x00\x07abc" + "\x00\x00\x00\x04\x01\x00\x00\x00\x00" + "\x00\x00\x05\x01\x04\x00\x00\x00\x09head!"
	frames := strings.TrimPrefix(sent, http2.ClientPreface)
	for size := 1; size <= len(sent); size++ {
		var in inFrames
		for rest := sent; rest != ""; {
			n := min(size, len(rest))
			if in.follow([]byte(rest[:n])) {
				t.Fatalf("pieces of %d: no preface", size)
			}
			rest = rest[n:]
		}
		if c := in.came(); string(c.frames) != frames || c.size != len(frames) || !c.whole || in.head.stream() != 9 {
			t.Errorf("pieces of %d: %+v", size, in)
		}
		counters := new(Counters)
		s := &h2Session{p: New(Config{Handler: echo, Counters: counters}), cl: &client{}}
		answers := "\x00\x00\x04\x03\x00\x00\x00\x00\x07\x00\x00\x00\x01" + "\x00\x00\x01\x01\x05\x00\x00\x00\x09\x8c" + "\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x09\x00\x00\x00\x00"
		s.own400.Store(1)
		for rest := answers; rest != ""; {
			n := min(size, len(rest))
			s.out.follow([]byte(rest[:n]), s)
			rest = rest[n:]
		}
		if len(s.out.reset) != 1 || s.out.reset[0] != 7 || s.own400.Load() != 0 || !s.told.Load() || counters.RefusedRequests() != 1 {
			t.Errorf("pieces of %d: %+v", size, s.out)
		}
	}
}

// The status of a header block is told from its beginning.
func TestBlockStatus(t *testing.T) {
	t.Parallel()
	for block, want := range map[string]int{
		"": -1, "\x88": -1, "\x8c": 400, "\x8d\xbe": -1, "\xbe": 0, "\xff\x01": 0, "\x20\x8c": 400, "\x3f\xe1\x1f\x8c": 400, "\x20\x3f\xe1\xff\x03\x8c": 400, "\x3f\xe1": -1,
		"\x48\x03431": 431, "\x4e\x03431\x88": 431, "\x08\x03431": 431, "\x0e\x03431": 431, "\x4e\x03430": -1, "\x4e\x03": -1, "\x4f\x03431": -1, "\x40\x03431": -1, "\x20\x4e\x03431": 431,
	} {
		if got := blockStatus([]byte(block)); got != want {
			t.Errorf("%q: %d, want %d", block, got, want)
		}
	}
}
