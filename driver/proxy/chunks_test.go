package proxy

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/http/httputil"
	"strings"
	"testing"
	"testing/iotest"
)

func readChunks(r io.Reader) (string, http.Header, error) {
	var trailer http.Header
	b, err := io.ReadAll(&chunks{br: bufio.NewReaderSize(r, 4<<10), trailer: func(h http.Header) { trailer = h }})
	return string(b), trailer, err
}

func TestChunks(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", 10_000)
	for in, want := range map[string]string{
		"0\r\n\r\n":             "",
		"3\r\nabc\r\n0\r\n\r\n": "abc",
		"3;a=b\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n": "abc0123456789",
		"003 \r\nabc\r\n000\r\nX-Sum: 1\r\n\r\n":       "abc",
		"2710\r\n" + big + "\r\n0\r\n\r\n":             big,
	} {
		for name, r := range map[string]io.Reader{"whole": strings.NewReader(in), "by bytes": iotest.OneByteReader(strings.NewReader(in)),
			"with its end": iotest.DataErrReader(strings.NewReader(in))} {
			got, trailer, err := readChunks(r)
			if got != want || err != nil || strings.Contains(in, "X-Sum") != (trailer.Get("X-Sum") == "1") {
				t.Errorf("%s, %.40q: got %.40q %v %v, want %.40q", name, in, got, trailer, err, want)
			}
		}
	}
	for in, want := range map[string]error{
		"":                         io.ErrUnexpectedEOF,
		"3":                        io.ErrUnexpectedEOF,
		"3\r\nab":                  io.ErrUnexpectedEOF,
		"3\r\nabc":                 io.ErrUnexpectedEOF,
		"3\r\nabc\r\n":             io.ErrUnexpectedEOF,
		"3\r\nabc\r\n0\r\n":        io.ErrUnexpectedEOF,
		"3\r\nabcd\r\n":            errChunkEnd,
		"3\r\nabc\n\n0\r\n\r\n":    errChunkEnd,
		"\r\n":                     errChunkLength,
		"-1\r\n":                   errChunkLength,
		"0x3\r\nabc\r\n":           errChunkLength,
		" 3\r\nabc\r\n":            errChunkLength,
		"0\r\nA: " + big:           errTrailer,
		"3 z\r\nabc\r\n":           errChunkLength,
		"3\nabc\r\n":               errChunkLine,
		"11111111111111111\r\n":    errChunkLarge,
		"3;" + big + "\r\nabc\r\n": errChunkLine,
	} {
		if got, _, err := readChunks(strings.NewReader(in)); err != want {
			t.Errorf("%.40q: got %.40q %v, want %v", in, got, err, want)
		}
	}
}

// FuzzChunks compares the bodies with those of net/http's reader.
func FuzzChunks(f *testing.F) {
	f.Add([]byte("3\r\nabc\r\n0\r\n\r\n"), 1)
	f.Add([]byte("3;x\r\nabc\r\n1\r\nd\r\n0\r\nA: b\r\n\r\n"), 5)
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		got, _, err := readChunks(&dribble{b: in, n: max(1, size%100)})
		want, e := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(in)))
		if e != nil || err != nil {
			// Ours is stricter in places, and knows trailers.
			if err == nil && e != nil {
				t.Errorf("%q: taken, where net/http says %v", in, e)
			}
			return
		}
		if got != string(want) {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	})
}

// dribble gives a text n bytes at a time.
type dribble struct {
	b []byte
	n int
}

func (p *dribble) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.n)], p.b)
	p.b = p.b[n:]
	return n, nil
}
