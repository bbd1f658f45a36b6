package h1

import (
	"bufio"
	"io"
	"strconv"

	"starproxy/builtins/exchange"
)

// WriteRequestLine begins a request. Errors are those of w, which keeps them.
func WriteRequestLine(w *bufio.Writer, method, target, proto string) {
	w.WriteString(method)
	w.WriteByte(' ')
	w.WriteString(target)
	w.WriteByte(' ')
	w.WriteString(proto)
	w.WriteString("\r\n")
}

// WriteStatusLine begins a response. The blank before an empty reason is written
// (RFC 9112 section 4).
func WriteStatusLine(w *bufio.Writer, proto string, status int, reason string) {
	w.WriteString(proto)
	w.WriteByte(' ')
	w.Write(strconv.AppendInt(w.AvailableBuffer(), int64(status), 10))
	w.WriteByte(' ')
	w.WriteString(reason)
	w.WriteString("\r\n")
}

// WriteField writes a line of a header. Name and value have to be fit for it.
func WriteField(w *bufio.Writer, name, value string) {
	w.WriteString(name)
	w.WriteString(": ")
	w.WriteString(value)
	w.WriteString("\r\n")
}

// WriteHeader writes all lines of a header, and the empty one.
func WriteHeader(w *bufio.Writer, h exchange.Header) {
	for i := range h {
		WriteField(w, h[i].Name, h[i].Value)
	}
	w.WriteString("\r\n")
}

// WriteRequest writes the head of a request.
func WriteRequest(w *bufio.Writer, q *Request) {
	WriteRequestLine(w, q.Method, q.Target, q.Proto)
	WriteHeader(w, q.Header)
}

// ChunkWriter writes a chunked body: each Write is a chunk.
type ChunkWriter struct{ W *bufio.Writer }

// Write writes one chunk; none for no bytes, which would end the body.
func (c ChunkWriter) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c.W.Write(strconv.AppendUint(c.W.AvailableBuffer(), uint64(len(p)), 16))
	c.W.WriteString("\r\n")
	c.W.Write(p)
	if _, err := c.W.WriteString("\r\n"); err != nil {
		return 0, err
	}
	return len(p), nil
}

// End writes the last chunk and the trailers.
func (c ChunkWriter) End(trailer exchange.Header) error {
	c.W.WriteString("0\r\n")
	WriteHeader(c.W, trailer)
	_, err := c.W.Write(nil)
	return err
}

var _ io.Writer = ChunkWriter{}
