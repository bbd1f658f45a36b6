package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/textproto"
)

// chunks reads a chunked body (RFC 9112 section 7.1). It gives what has come;
// net/http's own reader waits until a chunk is whole, which may take for ever.
type chunks struct {
	br      *bufio.Reader
	n       uint64 // bytes of the chunk that are still to come
	behind  bool   // the line end behind a chunk is still to come
	err     error
	trailer func(http.Header) // gets the trailers
}

// maxChunkLine bounds a line with a chunk's size and extensions.
const maxChunkLine = 4 << 10

var (
	errChunkLength = errors.New("invalid byte in chunk length")
	errChunkLarge  = errors.New("http chunk length too large")
	errChunkEnd    = errors.New("malformed chunked encoding")
	errTrailer     = errors.New("trailers over 4 KiB")
	errChunkLine   = errors.New("invalid line of a chunk")
)

func (c *chunks) Read(p []byte) (int, error) {
	total := 0
	for c.err == nil && total < len(p) {
		if c.n == 0 {
			if total > 0 && !c.line() {
				break
			}
			c.begin()
			continue
		}
		if total > 0 && c.br.Buffered() == 0 {
			break
		}
		left := p[total:]
		if uint64(len(left)) > c.n {
			left = left[:c.n]
		}
		var n int
		n, c.err = c.br.Read(left)
		c.err = noEOF(c.err)
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

// line reports whether the next chunk's size is here already.
func (c *chunks) line() bool {
	b, _ := c.br.Peek(c.br.Buffered())
	if c.behind {
		b = b[min(len("\r\n"), len(b)):]
	}
	return bytes.IndexByte(b, '\n') >= 0
}

// begin reads the size of the next chunk, and all that follows the last one.
func (c *chunks) begin() {
	if c.behind {
		var end [2]byte
		if _, err := io.ReadFull(c.br, end[:]); err != nil {
			c.err = noEOF(err)
			return
		} else if string(end[:]) != "\r\n" {
			c.err = errChunkEnd
			return
		}
		c.behind = false
	}
	line, err := c.br.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull) || len(line) > maxChunkLine:
		c.err = errChunkLine
	case err != nil:
		c.err = noEOF(err)
	default:
		if c.n, c.err = chunkSize(line); c.err == nil && c.n == 0 {
			c.end()
		}
	}
}

// chunkSize is the size in a chunk's first line. Extensions are left out.
func chunkSize(line []byte) (n uint64, err error) {
	line, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok || bytes.IndexByte(line, '\r') >= 0 {
		return 0, errChunkLine
	}
	line, _, _ = bytes.Cut(line, []byte{';'})
	line = bytes.TrimRight(line, " \t")
	if len(line) == 0 {
		return 0, errChunkLength
	}
	if len(line) > 16 {
		return 0, errChunkLarge
	}
	for _, x := range line {
		switch {
		case '0' <= x && x <= '9':
			x -= '0'
		case 'a' <= x && x <= 'f':
			x -= 'a' - 10
		case 'A' <= x && x <= 'F':
			x -= 'A' - 10
		default:
			return 0, errChunkLength
		}
		n = n<<4 | uint64(x)
	}
	return n, nil
}

// end reads the trailers, which have to fit into the buffer.
func (c *chunks) end() {
	for n := 2; ; n++ {
		b, err := c.br.Peek(n)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			c.err = errTrailer
			return
		case err != nil:
			c.err = noEOF(err)
			return
		case n == 2 && string(b) == "\r\n":
			c.br.Discard(n)
			c.err = io.EOF
			return
		case n < 4 || !bytes.HasSuffix(b, []byte("\r\n\r\n")):
			continue
		}
		h, err := textproto.NewReader(c.br).ReadMIMEHeader()
		if c.err = noEOF(err); c.err == nil {
			c.trailer(http.Header(h))
			c.err = io.EOF
		}
		return
	}
}
