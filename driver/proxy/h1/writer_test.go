package h1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"starproxy/builtins/exchange"
)

func TestChunkWriter(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 0x1234)
	for _, c := range []struct {
		writes  []string
		trailer exchange.Header
		want    string
	}{
		{nil, nil, "0\r\n\r\n"},
		{[]string{"hello"}, nil, "5\r\nhello\r\n0\r\n\r\n"},
		{[]string{"", "a", "", "\r\n", ""}, nil, "1\r\na\r\n2\r\n\r\n\r\n0\r\n\r\n"},
		{[]string{long}, exchange.Header{{Name: "Sum", Value: "1"}, {Name: "sum", Value: ""}}, "1234\r\n" + long + "\r\n0\r\nSum: 1\r\nsum: \r\n\r\n"},
	} {
		for _, size := range []int{16, 4096, 64 << 10} {
			var b bytes.Buffer
			w := bufio.NewWriterSize(&b, size)
			cw := ChunkWriter{w}
			for _, s := range c.writes {
				if n, err := cw.Write([]byte(s)); n != len(s) || err != nil {
					t.Errorf("%q: got %d, %v", s, n, err)
				}
			}
			if err := cw.End(c.trailer); err != nil {
				t.Error(err)
			}
			w.Flush()
			if b.String() != c.want {
				t.Errorf("%.20q, buffer %d: got %.80q, want %.80q", c.writes, size, b.String(), c.want)
			}
			var trailer exchange.Header
			r := NewReader(bufio.NewReader(&b)).Body(Framing{Kind: Chunked}, func(h exchange.Header) { trailer = h })
			body, err := io.ReadAll(r)
			if string(body) != strings.Join(c.writes, "") || err != nil || len(trailer) != len(c.trailer) {
				t.Errorf("%.20q: read %.80q, %v, %v", c.writes, body, trailer, err)
			}
		}
	}
}

// The error of a connection reaches who writes.
func TestChunkWriterError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken pipe")
	w := bufio.NewWriterSize(writerFunc(func([]byte) (int, error) { return 0, broken }), 16)
	c := ChunkWriter{w}
	if _, err := c.Write(make([]byte, 100)); err != broken {
		t.Errorf("Write: got %v, want %v", err, broken)
	}
	if err := c.End(nil); err != broken {
		t.Errorf("End: got %v, want %v", err, broken)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestStatusLine(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]Response{
		"HTTP/1.1 200 OK\r\n\r\n":                {Proto: "HTTP/1.1", Status: 200, Reason: "OK"},
		"HTTP/1.0 404 \r\n\r\n":                  {Proto: "HTTP/1.0", Status: 404},
		"HTTP/1.1 999  Much more \r\n\r\n":       {Proto: "HTTP/1.1", Status: 999, Reason: " Much more "},
		"HTTP/1.1 200 OK\r\na: 1\r\nA: \r\n\r\n": {Proto: "HTTP/1.1", Status: 200, Reason: "OK", Header: exchange.Header{{Name: "a", Value: "1"}, {Name: "A"}}},
	} {
		var b strings.Builder
		w := bufio.NewWriter(&b)
		writeResponse(w, &r)
		w.Flush()
		if b.String() != want {
			t.Errorf("got %q, want %q", b.String(), want)
		}
		var again Response
		if err := NewReader(bufio.NewReader(strings.NewReader(want))).Response(&again, "GET"); err != nil || again.Reason != r.Reason {
			t.Errorf("%q: read %+v, %v", want, again, err)
		}
	}
}

var _ io.Writer = writerFunc(nil)

// writeResponse writes the head of a response.
func writeResponse(w *bufio.Writer, r *Response) {
	WriteStatusLine(w, r.Proto, r.Status, r.Reason)
	WriteHeader(w, r.Header)
}
