package h1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
)

// fixed reads a body of known length.
type fixed struct {
	br *bufio.Reader
	n  int64 // still to come
}

func (f *fixed) Read(p []byte) (int, error) {
	if f.n <= 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > f.n {
		p = p[:f.n]
	}
	n, err := f.br.Read(p)
	if f.n -= int64(n); f.n == 0 && err == nil {
		err = io.EOF
	}
	if f.n > 0 {
		err = noEOF(err)
	}
	return n, err
}

// chunks reads a chunked body (RFC 9112 section 7.1). It returns what has come
// and does not wait until a chunk is whole. Extensions are dropped, but bounded.
type chunks struct {
	br      *bufio.Reader
	n       uint64 // bytes of the chunk that are still to come
	behind  bool   // the line end behind a chunk is still to come
	last    bool   // the last chunk has come, and the trailers are next
	lenient bool   // trailers are read as the header of a response
	extra   int64  // bytes of extensions over those of the body
	err     error
	trailer func(exchange.Header)
}

// maxChunkLine bounds a line with a chunk's size and extensions, and maxExtra
// what extensions may have over the body, in bytes: a body that is all extensions
// costs us and shows nothing.
const (
	maxChunkLine = 4 << 10
	maxExtra     = 16 << 10
)

func (c *chunks) Read(p []byte) (int, error) {
	total := 0
	for c.err == nil && total < len(p) {
		// Some of the body is there, and reading on could wait.
		switch {
		case total > 0 && (c.last || c.n == 0 && !c.lineIsHere() || c.br.Buffered() == 0):
			return total, nil
		case c.last:
			c.end()
			continue
		case c.n == 0:
			c.begin()
			continue
		}
		left := p[total:]
		if uint64(len(left)) > c.n {
			left = left[:c.n]
		}
		n, err := c.br.Read(left)
		c.err = noEOF(err)
		total += n
		if c.n -= uint64(n); c.n == 0 {
			c.behind = true
		}
	}
	if total > 0 && c.err != nil {
		return total, nil // the error comes next
	}
	return total, c.err
}

// lineIsHere reports whether the next chunk's size can be read without waiting.
func (c *chunks) lineIsHere() bool {
	b, _ := c.br.Peek(c.br.Buffered())
	if c.behind {
		b = b[min(len("\r\n"), len(b)):]
	}
	return bytes.IndexByte(b, '\n') >= 0
}

// begin reads the size of the next chunk.
func (c *chunks) begin() {
	if c.behind {
		end, err := c.br.Peek(2)
		switch {
		case len(end) > 0 && end[0] != '\r' || len(end) > 1 && end[1] != '\n':
			c.err = bad("chunk: got more bytes than its size, want CR LF behind it")
			return
		case err != nil:
			c.err = noEOF(err)
			return
		}
		c.br.Discard(2)
		c.behind = false
	}
	line, err := c.line()
	if err != nil {
		c.err = err
		return
	}
	if c.n, c.err = chunkSize(line); c.err != nil {
		return
	}
	c.last = c.n == 0
	if i := bytes.IndexByte(line, ';'); i >= 0 {
		c.extra += int64(len(line) - i)
	}
	c.extra = max(0, c.extra-int64(c.n))
	if c.extra > maxExtra {
		c.err = bad("chunk extensions: got over 16 KiB more than the body has, want less")
	}
}

// line reads a line that has to end in CR LF, without its end.
func (c *chunks) line() ([]byte, error) {
	for n := 1; ; n = c.br.Buffered() + 1 {
		_, err := c.br.Peek(n)
		b, _ := c.br.Peek(c.br.Buffered())
		if k := bytes.IndexByte(b, '\n'); k >= 0 {
			line, ok := bytes.CutSuffix(b[:k], []byte{'\r'})
			if !ok || bytes.IndexByte(line, '\r') >= 0 || k > maxChunkLine {
				return nil, bad("chunk size: got " + excerpt.QuoteASCII(string(b[:k])) + ", want digits and CR LF")
			}
			c.br.Discard(k + 1)
			return line, nil
		}
		switch {
		case len(b) > maxChunkLine || errors.Is(err, bufio.ErrBufferFull):
			return nil, bad("chunk size: got a line of over 4 KiB")
		case err != nil:
			return nil, noEOF(err)
		}
	}
}

// chunkSize returns the size in a chunk's first line.
func chunkSize(line []byte) (n uint64, err error) {
	size, _, _ := bytes.Cut(line, []byte{';'})
	size = bytes.TrimRight(size, " \t")
	if len(size) == 0 || len(size) > 16 || len(size) == 16 && size[0] > '7' {
		return 0, bad("chunk size: got " + excerpt.QuoteASCII(string(size)) + ", want 1 to 16 hexadecimal digits")
	}
	for _, x := range size {
		switch {
		case '0' <= x && x <= '9':
			x -= '0'
		case 'a' <= x && x <= 'f':
			x -= 'a' - 10
		case 'A' <= x && x <= 'F':
			x -= 'A' - 10
		default:
			return 0, bad("chunk size: got " + excerpt.QuoteASCII(string(size)) + ", want hexadecimal digits")
		}
		n = n<<4 | uint64(x)
	}
	return n, nil
}

// end reads the trailers (RFC 9112 section 7.1.2). Their lines end in CR LF as
// those of chunks do.
func (c *chunks) end() {
	start, err := c.br.Peek(1)
	if len(start) > 0 && start[0] == '\r' {
		start, err = c.br.Peek(len("\r\n"))
	}
	if string(start) == "\r\n" {
		c.br.Discard(len(start))
		c.err = io.EOF
		return
	}
	if err != nil {
		c.err = noEOF(err)
		return
	}
	if start[0] == '\n' {
		c.err = bad("trailers: got an empty line that ends in LF, want CR LF")
		return
	}
	lines, err := block(c.br, true)
	if err == nil {
		err = c.take(lines)
	}
	var refusal *Error
	if errors.As(err, &refusal) {
		err = &Error{refusal.Status, strings.Replace(refusal.Reason, "header", "trailers", 1)}
	}
	if c.err = noEOF(err); err == nil {
		c.err = io.EOF
	}
}

// take passes the trailers on. Errors call them a header. A trailer on which the end
// or the way of a message depends is refused or left out: a server may join trailers
// to the header (RFC 9110 section 6.5.1).
func (c *chunks) take(lines string) error {
	if strings.Count(lines, "\n") != strings.Count(lines, "\r\n") {
		return bad("header: got a line that ends in LF, want CR LF")
	}
	h, err := fields(lines, c.lenient)
	if err != nil {
		return err
	}
	for i := range h {
		if isKey(h[i].Name) && !c.lenient {
			return bad("header: got " + h[i].Name + ", which can't be there")
		}
	}
	h = slices.DeleteFunc(h, func(f exchange.Field) bool { return isKey(f.Name) })
	if c.trailer != nil {
		c.trailer(h)
	}
	return nil
}
