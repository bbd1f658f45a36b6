package h1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
)

// Reader reads messages from a connection, one after the other. Between two
// heads the body of the first has to be read from Body.
type Reader struct {
	br   *bufio.Reader
	came string // of a request that was refused, see Came
	size int
}

// maxCame bounds what [Reader.Came] gives, in bytes.
const maxCame = 4 << 10

// NewReader reads from br and keeps nothing of its own, so that br can be read
// by others between two messages.
func NewReader(br *bufio.Reader) *Reader { return &Reader{br: br} }

// Reset has the Reader read from br. Came returns nothing afterwards.
func (r *Reader) Reset(br *bufio.Reader) { *r = Reader{br: br} }

// Request reads the head of a request. The error is io.EOF when the connection
// ended before it began, io.ErrUnexpectedEOF when it ended within, an *Error when
// it is refused, or that of the connection. With an error *Request has the parts of
// the head that were understood.
func (r *Reader) Request(q *Request) error {
	*q = Request{}
	head, err := r.head("")
	if err == nil {
		err = q.parse(head)
	}
	if err != nil {
		r.came, r.size = strings.Clone(head[:min(len(head), maxCame)]), len(head)
	}
	return err
}

// Came returns the head of a request for which Request returned an error: its
// beginning as it was sent, up to 4 KiB, without the empty line. Size is the number
// of bytes of the head that were read.
func (r *Reader) Came() (text string, size int) { return r.came, r.size }

// parse takes a head apart.
func (q *Request) parse(head string) error {
	line, lines := cutLine(head)
	err := q.requestLine(line)
	h, malformed := fields(lines, false)
	if q.Header = h; err == nil {
		err = malformed
	}
	if err != nil {
		return err
	}
	if err := checkHost(q); err != nil {
		return err
	}
	q.Body, err = requestFraming(q)
	return err
}

// Response reads the head of a response to a request with that method. Its
// errors are those of Request.
func (r *Reader) Response(res *Response, method string) error {
	*res = Response{}
	head, err := r.head("HTTP/")
	if err != nil {
		return err
	}
	line, lines := cutLine(head)
	if err := res.statusLine(line); err != nil {
		return err
	}
	if res.Header, err = fields(lines, true); err != nil {
		return err
	}
	res.Body, err = responseFraming(res, method)
	return err
}

// Body returns the body of a message whose head was read; trailers are given to
// trailer, which may be nil.
func (r *Reader) Body(f Framing, trailer func(exchange.Header)) io.Reader {
	switch f.Kind {
	case Length:
		return &fixed{br: r.br, n: f.N}
	case Chunked:
		return &chunks{br: r.br, trailer: trailer, lenient: f.lenient}
	case UntilClose:
		return r.br
	}
	return noBody{}
}

type noBody struct{}

func (noBody) Read([]byte) (int, error) { return 0, io.EOF }

// head reads all up to the empty line, which it leaves out. With an error it
// returns what came. Empty lines before the message are skipped. A message that
// does not begin with prefix is refused before it is whole: a server that speaks
// another protocol waits for us.
func (r *Reader) head(prefix string) (string, error) {
	if err := skipBlank(r.br); err != nil {
		b, _ := r.br.Peek(min(r.br.Buffered(), maxCame))
		return string(b), err
	}
	for n := 1; n <= len(prefix); n++ {
		b, err := r.br.Peek(n)
		if string(b) != prefix[:len(b)] {
			b, _ = r.br.Peek(min(r.br.Buffered(), 40))
			line, _, _ := bytes.Cut(b, []byte{'\n'})
			return "", bad("it begins with " + excerpt.QuoteASCII(string(line)) + ", want HTTP/1.1 and a status")
		}
		if err != nil {
			return "", noEOF(err)
		}
	}
	return block(r.br, false)
}

// block reads lines up to the empty one, which it leaves out; strict wants CR LF
// for that one. With an error it returns what came.
func block(br *bufio.Reader, strict bool) (string, error) {
	var long []byte // of a head that does not fit into the buffer
	seen := 0       // bytes of the buffer without an end
	for {
		b, _ := br.Peek(br.Buffered())
		if end, next := headEnd(long, b, seen); next >= 0 {
			var head string
			if long == nil {
				head = string(b[:end])
			} else {
				head = string(append(long, b[:max(end, 0)]...)[:len(long)+end])
			}
			switch {
			case len(head) > MaxHead:
				return head, tooLong()
			case strict && next-end < len("\r\n"):
				return head, bad("header: got an empty line that ends in LF, want CR LF")
			}
			br.Discard(next)
			return head, nil
		}
		// A CR of the empty line may be there.
		if len(long)+len(b) > MaxHead+len("\r") {
			return string(append(long, b...)), tooLong()
		}
		seen = len(b)
		if len(b) == br.Size() {
			long = append(long, b...)
			br.Discard(len(b))
			seen = 0
		}
		if _, err := br.Peek(seen + 1); err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			b, _ := br.Peek(br.Buffered())
			return string(append(long, b...)), noEOF(err)
		}
	}
}

// skipBlank skips empty lines. The error is io.EOF only when nothing follows.
func skipBlank(br *bufio.Reader) error {
	for range maxBlank {
		b, err := br.Peek(1)
		switch {
		case err != nil:
			return err
		case b[0] == '\n':
			br.Discard(1)
		case b[0] == '\r':
			if b, err = br.Peek(2); err != nil {
				return err
			} else if b[1] != '\n' {
				return bad("first line: got a CR, want METHOD TARGET HTTP/1.1")
			}
			br.Discard(2)
		default:
			return nil
		}
	}
	return bad("first line: got empty lines only")
}

func tooLong() error { return &Error{431, "header: got over 1 MiB, want less"} }

// headEnd finds the empty line in b, which follows long. End is where it begins,
// which may be negative by what of the line end before is in long, and next is
// where it ends; -1 for none. The first seen bytes of b were looked at before.
func headEnd(long, b []byte, seen int) (end, next int) {
	// An empty line is a line end behind a line end.
	before := func(i int) byte {
		switch {
		case i >= 0:
			return b[i]
		case len(long)+i >= 0:
			return long[len(long)+i]
		}
		return 0
	}
	for i := seen; i < len(b); {
		k := bytes.IndexByte(b[i:], '\n')
		if k < 0 {
			break
		}
		i += k
		line := i - 1
		if before(line) == '\r' {
			line--
		}
		if before(line) == '\n' {
			return line + 1, i + 1
		}
		i++
	}
	return 0, -1
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
