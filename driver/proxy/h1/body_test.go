package h1

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// pieces gives one text a read, and tells how many were asked for.
type pieces struct {
	texts []string
	reads int
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.reads == len(p.texts) {
		return 0, io.EOF
	}
	p.reads++
	return copy(b, p.texts[p.reads-1]), nil
}

// A chunked body is given as it comes: a read that has some of it does not wait
// for more of the chunk, for the next one or for the trailers.
func TestChunksDoNotWait(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		texts []string
		want  string
		reads int
	}{
		{[]string{"a\r\nhello", "there\r\n0\r\n\r\n"}, "hello", 1},
		{[]string{"5\r\nhello", "\r\n0\r\n\r\n"}, "hello", 1},
		{[]string{"5\r\nhello\r\n", "0\r\n\r\n"}, "hello", 1},
		{[]string{"5\r\nhello\r\n0", "\r\n\r\n"}, "hello", 1},
		{[]string{"5\r\nhello\r\n0\r\n", "\r\n"}, "hello", 1},
		{[]string{"5\r\nhello\r\n0\r\nSum: ", "1\r\n\r\n"}, "hello", 1},
		{[]string{"5\r\nhello\r\n5\r\nthere\r\n", "0\r\n\r\n"}, "hellothere", 1},
		{[]string{"5", "\r\nhello\r\n", "0\r\n\r\n"}, "hello", 2},
	} {
		src := &pieces{texts: c.texts}
		r := NewReader(bufio.NewReader(src)).Body(Framing{Kind: Chunked}, nil)
		b := make([]byte, 100)
		n, err := r.Read(b)
		if string(b[:n]) != c.want || err != nil || src.reads != c.reads {
			t.Errorf("%q: got %q, %v after %d reads, want %q after %d", c.texts, b[:n], err, src.reads, c.want, c.reads)
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			t.Errorf("%q: got %v, want the end", c.texts, err)
		}
	}
}

// A connection that breaks within a body is told as that, again and again.
func TestBrokenBody(t *testing.T) {
	t.Parallel()
	reset := errors.New("connection reset")
	for text, f := range map[string]Framing{
		"hel":                           {Kind: Length, N: 5},
		"5\r\nhel":                      {Kind: Chunked},
		"5\r\nhello":                    {Kind: Chunked},
		"5\r\nhello\r\n0\r\n":           {Kind: Chunked},
		"5\r\nhello\r\n0\r\nSum: 1\r\n": {Kind: Chunked},
	} {
		for _, c := range []struct{ end, want error }{{io.EOF, io.ErrUnexpectedEOF}, {reset, reset}} {
			src := io.MultiReader(strings.NewReader(text), iotest.ErrReader(c.end))
			r := NewReader(bufio.NewReader(src)).Body(f, nil)
			for range 2 {
				if _, err := io.ReadAll(r); err != c.want {
					t.Errorf("%q: got %v, want %v", text, err, c.want)
				}
			}
		}
	}
}
