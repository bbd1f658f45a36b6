package proxy

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/proxy/h1"
)

// replier is the device's end of one exchange: it writes the answer in the
// device's version of HTTP.
type replier interface {
	io.Writer
	// interim writes an interim answer (RFC 9110 section 15.2), if the version
	// has them.
	interim(status int, h exchange.Header)
	// begin settles the head, which goes out with the first bytes of the body.
	// Only the first call counts.
	begin(head)
	// FlushError sends what was written so far, the head too.
	FlushError() error
	// trailers sets the trailers.
	trailers(exchange.Header)
	// Hijack hands the connection over, if the version allows it.
	Hijack() (net.Conn, *bufio.ReadWriter, error)
}

// head is the head of an answer.
type head struct {
	status int
	reason string          // empty for the usual one
	header exchange.Header // which is not changed
	// length is that of the body, which is announced where the header does not;
	// -1 when it is unknown.
	length  int64
	undated bool // a missing Date is not added
	nothing bool // there is no body
}

// reply is the answer to a request of HTTP/1.
type reply struct {
	s *h1Session
	head

	none     bool  // no body follows the head
	chunked  bool  // else the body has a length, or ends with the connection
	unsound  bool  // the header's length is none, and is left out
	left     int64 // bytes that are still to come; -1 when unknown
	headed   bool  // the head was written
	ended    bool  // so was the end of the body
	closes   bool  // the connection can't be used again
	taken    bool  // by Hijack
	err      error // of the first write that failed
	trailing exchange.Header

	mu sync.Mutex // held while something is written before the head, and for status
	bw *bufio.Writer
}

// reset makes the reply ready for another request.
func (w *reply) reset(s *h1Session, bw *bufio.Writer) {
	*w = reply{s: s, left: -1, bw: bw} //nolint:govet // the mutex is free
}

func (w *reply) begin(h head) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.status == 0 {
		w.head = h
	}
}

func (w *reply) interim(status int, h exchange.Header) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.headed || w.s.head.Proto == "HTTP/1.0" {
		return
	}
	if b := w.s.body; b != nil && status == http.StatusContinue {
		b.invites.Store(false)
	}
	h1.WriteStatusLine(w.bw, "HTTP/1.1", status, http.StatusText(status))
	for _, f := range h {
		h1.WriteField(w.bw, f.Name, f.Value)
	}
	w.bw.WriteString("\r\n")
	w.failed(w.bw.Flush())
}

// invite tells the device to send its body, unless it has its answer.
func (w *reply) invite() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.headed && w.status == 0 {
		w.bw.WriteString("HTTP/1.1 100 Continue\r\n\r\n")
		w.failed(w.bw.Flush())
	}
}

func (w *reply) failed(err error) error {
	if err != nil && w.err == nil {
		w.err = err
	}
	return err
}

// Write writes a part of the body.
func (w *reply) Write(b []byte) (int, error) {
	if w.taken {
		return 0, http.ErrHijacked
	}
	w.writeHead(len(b) == 0)
	switch {
	case w.none:
		return len(b), nil
	case len(b) == 0:
		return 0, w.err
	case w.chunked:
		n, err := h1.ChunkWriter{W: w.bw}.Write(b)
		return n, w.failed(err)
	case w.left >= 0 && int64(len(b)) > w.left:
		return 0, http.ErrContentLength
	}
	n, err := w.bw.Write(b)
	if w.left >= 0 {
		w.left -= int64(n)
	}
	return n, w.failed(err)
}

// ReadFrom writes a body of known length by the fastest way that the connection
// has.
func (w *reply) ReadFrom(r io.Reader) (int64, error) {
	w.writeHead(false)
	to, ok := w.s.nc.(io.ReaderFrom)
	if w.none || w.chunked || w.left < 0 || !ok {
		return io.Copy(struct{ io.Writer }{w}, struct{ io.Reader }{r})
	}
	if err := w.failed(w.bw.Flush()); err != nil {
		return 0, err
	}
	n, err := to.ReadFrom(r)
	w.left -= n
	return n, w.failed(err)
}

// FlushError sends what was written so far, the head too.
func (w *reply) FlushError() error {
	if w.taken {
		return http.ErrHijacked
	}
	w.writeHead(false)
	if w.err != nil {
		return w.err
	}
	return w.failed(w.bw.Flush())
}

// SetReadDeadline bounds the reading of the body.
func (w *reply) SetReadDeadline(t time.Time) error { return w.s.nc.SetReadDeadline(t) }

// Hijack hands the connection over, with the bytes that were read of it already.
func (w *reply) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if w.taken || w.headed {
		return nil, nil, errors.New("the connection can't be taken: the answer has begun")
	}
	w.taken = true
	w.s.dev.stop()
	return w.s.nc, bufio.NewReadWriter(w.s.br, w.bw), nil
}

func (w *reply) trailers(h exchange.Header) { w.trailing = h }

// writeHead writes status line and header, once. Whole says that there is no body.
func (w *reply) writeHead(whole bool) {
	if w.headed || w.taken {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.headed = true
	if w.status == 0 {
		w.status, w.length = http.StatusOK, -1
	}
	w.frame(whole)
	reason := w.reason
	if reason == "" {
		if reason = http.StatusText(w.status); reason == "" {
			reason = "status code " + strconv.Itoa(w.status)
		}
	}
	proto := "HTTP/1.1"
	if w.s.head.Proto == "HTTP/1.0" {
		proto = "HTTP/1.0"
	}
	h1.WriteStatusLine(w.bw, proto, w.status, reason)
	dated := w.undated
	for i := range w.header {
		f := &w.header[i]
		switch {
		case exchange.EqualName(f.Name, "Transfer-Encoding"), exchange.EqualName(f.Name, "Connection"): // see connection
			continue
		case exchange.EqualName(f.Name, "Date"):
			dated = true
		case w.unsound && exchange.EqualName(f.Name, "Content-Length"):
			continue
		}
		h1.WriteField(w.bw, f.Name, f.Value)
	}
	if w.length >= 0 {
		h1.WriteField(w.bw, "Content-Length", strconv.FormatInt(w.length, 10))
	}
	if !dated {
		w.bw.WriteString("Date: ")
		w.bw.Write(w.s.p.cfg.Clock.Now().UTC().AppendFormat(w.bw.AvailableBuffer(), http.TimeFormat))
		w.bw.WriteString("\r\n")
	}
	w.connection()
	w.bw.WriteString("\r\n")
}

// frame settles how the end of the body is told (RFC 9112 section 6.3). Length is
// what has to be announced after it, -1 for nothing.
func (w *reply) frame(whole bool) {
	bodiless := w.status == http.StatusNoContent || w.status == http.StatusNotModified
	w.none = bodiless || w.s.head.Method == http.MethodHead
	w.left = w.length
	if w.header.Has("Content-Length") {
		n, err := strconv.ParseUint(w.header.Get("Content-Length"), 10, 63)
		w.left, w.length = int64(n), -1
		if w.unsound = err != nil || w.status == http.StatusNoContent; w.unsound {
			w.left = -1
		}
	}
	switch {
	case w.left >= 0 || w.none:
	case whole:
		w.left, w.length = 0, 0
	case w.s.head.Proto == "HTTP/1.0":
		w.closes = true
	default:
		w.chunked = true
	}
	if w.header.HasToken("Connection", "close") || !h1.Persists(w.s.head.Proto, w.s.head.Header, h1.Framing{}) {
		w.closes = true
	}
	if b := w.s.body; b != nil && b.invites.Load() || w.s.p.ending.Load() {
		w.closes = true // the body may come or not; the proxy is being closed
	}
}

// connection writes the lines about the coding of the body and the connection,
// which is closed by default since HTTP/1.0 and kept since HTTP/1.1. An answer
// may say more of it, and nothing that is not true.
func (w *reply) connection() {
	old := w.s.head.Proto == "HTTP/1.0"
	switch {
	case w.closes && w.header.HasToken("Connection", "close"), !w.closes && (!old || w.header.HasToken("Connection", "keep-alive")):
		for i := range w.header {
			if exchange.EqualName(w.header[i].Name, "Connection") {
				h1.WriteField(w.bw, w.header[i].Name, w.header[i].Value)
			}
		}
	case w.closes && !old:
		h1.WriteField(w.bw, "Connection", "close")
	case !w.closes:
		h1.WriteField(w.bw, "Connection", strings.Join(append(w.header.Values("Connection"), "keep-alive"), ", "))
	}
	if w.chunked {
		w.bw.WriteString("Transfer-Encoding: chunked\r\n")
	}
}

// end writes the end of the body.
func (w *reply) end() error {
	if w.ended || w.taken {
		return w.err
	}
	w.ended = true
	w.writeHead(true)
	switch {
	case w.none:
	case w.chunked:
		_ = h1.ChunkWriter{W: w.bw}.End(w.trailing)
	case w.left > 0:
		w.closes = true // the device is told by the end of the connection
	}
	return w.failed(w.bw.Flush())
}

// finish ends the answer, when its request is served.
func (w *reply) finish() { _ = w.end() }

// Interface guards.
var (
	_ replier       = (*reply)(nil)
	_ io.ReaderFrom = (*reply)(nil)
)
