package proxy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httputil"
	"slices"
	"strconv"
	"time"

	"starproxy/builtins/exchange"
)

// inlineBody is the largest request body that is read whole before it is
// forwarded, so that the request can be repeated on another connection.
const inlineBody = 64 << 10

// forwardH1 asks a real server over HTTP/1.1, on this goroutine.
func (s *serving) forwardH1(ctx context.Context, key h1Key) (*exchange.Response, error) {
	q := &s.req
	var inline []byte
	stream := q.Body != nil
	if stream && q.ContentLength >= 0 && q.ContentLength <= inlineBody {
		b, err := q.Body.Bytes(inlineBody)
		if err != nil {
			return nil, err
		}
		inline, stream = b, false
	}
	for {
		c, err := s.p.upstream.conn(ctx, key)
		if err != nil {
			return nil, err
		}
		stop := context.AfterFunc(ctx, func() { c.Conn.SetDeadline(time.Unix(1, 0)) })
		res, up, err := s.roundTrip(c, inline, stream)
		if err != nil {
			stop()
			c.Close()
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			// The server may have closed a kept connection just now. A request
			// that changes nothing, or that was not sent, is sent again.
			if c.reused && !stream && (idempotent(q.Method) || errors.Is(err, errNotSent)) {
				continue
			}
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = errors.New("the server closed the connection without an answer")
			}
			return nil, err
		}
		return s.response(c, res, up, stop), nil
	}
}

var errNotSent = errors.New("request not sent")

func idempotent(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
}

// upload is a request body on its way to the server, beside the answer.
type upload struct {
	done chan struct{}
	err  error
}

// roundTrip writes the request and reads the answer's header.
func (s *serving) roundTrip(c *h1Conn, inline []byte, stream bool) (*http.Response, *upload, error) {
	s.writeHead(c.bw, inline, stream)
	if len(inline) > 0 {
		c.bw.Write(inline)
	}
	if err := c.bw.Flush(); err != nil {
		return nil, nil, errors.Join(errNotSent, err)
	}
	var up *upload
	if stream {
		// The server may answer before it has read everything.
		http.NewResponseController(s.w).EnableFullDuplex()
		up = &upload{done: make(chan struct{})}
		go func() {
			defer close(up.done)
			if up.err = s.writeBody(c.bw); up.err != nil {
				c.Conn.SetReadDeadline(time.Now().Add(time.Second)) // an answer may be there already
			}
		}()
	}
	for {
		c.left = maxResponseHead
		c.note.begin()
		res, err := http.ReadResponse(c.br, s.r)
		c.note.end()
		c.left = math.MaxInt64
		if err != nil {
			return nil, nil, err
		}
		if res.StatusCode >= 200 || res.StatusCode == http.StatusSwitchingProtocols {
			return res, up, nil
		}
		if res.StatusCode != http.StatusContinue {
			s.informational(res.StatusCode, res.Header)
		}
	}
}

// writeHead writes request line and header.
func (s *serving) writeHead(w *bufio.Writer, inline []byte, stream bool) {
	q := &s.req
	w.WriteString(q.Method)
	w.WriteByte(' ')
	w.WriteString(q.Target)
	w.WriteString(" HTTP/1.1\r\nHost: ")
	w.WriteString(q.Authority)
	w.WriteString("\r\n")
	var buf [24]string
	for _, k := range inOrder(q, buf[:0]) {
		name := k
		if sent, ok := q.Names[k]; ok {
			name = sent
		}
		for _, v := range q.Header[k] {
			writeField(w, name, v)
		}
	}
	if up := offered(q.Header["Upgrade"]); up != "" {
		writeField(w, "Connection", "Upgrade")
		writeField(w, "Upgrade", up)
	} else if te := q.Header["Te"]; len(te) > 0 {
		writeField(w, "Connection", "TE")
		writeField(w, "TE", te[0])
	}
	switch {
	case stream && q.ContentLength < 0:
		for k := range s.r.Trailer {
			writeField(w, "Trailer", k)
		}
		writeField(w, "Transfer-Encoding", "chunked")
	case stream:
		writeField(w, "Content-Length", strconv.FormatInt(q.ContentLength, 10))
	case q.Body != nil || q.Header["Content-Length"] != nil:
		writeField(w, "Content-Length", strconv.Itoa(len(inline)))
	}
	w.WriteString("\r\n")
}

// inOrder appends the names of the header that go to the server: as they came,
// then in alphabetical order what was added since, for a map's own order would
// change from request to request.
func inOrder(q *exchange.Request, names []string) []string {
	for _, k := range q.Order {
		if !isHop(k) && q.Header[k] != nil && !slices.Contains(names, k) {
			names = append(names, k)
		}
	}
	known := len(names)
	for k := range q.Header {
		if !isHop(k) && !slices.Contains(names[:known], k) {
			names = append(names, k)
		}
	}
	insertionSort(names[known:])
	return names
}

func writeField(w *bufio.Writer, name, value string) {
	w.WriteString(name)
	w.WriteString(": ")
	w.WriteString(value)
	w.WriteString("\r\n")
}

func insertionSort(s []string) {
	for i := 1; i < len(s); i++ {
		for j := i; j > 0 && s[j] < s[j-1]; j-- {
			s[j], s[j-1] = s[j-1], s[j]
		}
	}
}

// writeBody streams the request body, with its trailers when it is chunked.
func (s *serving) writeBody(w *bufio.Writer) error {
	buf := copyBuffers.Get().(*[copySize]byte)
	defer copyBuffers.Put(buf)
	dst, chunked := io.Writer(w), s.req.ContentLength < 0
	if chunked {
		dst = httputil.NewChunkedWriter(w)
	}
	for {
		n, err := s.req.Body.Read(buf[:])
		if n > 0 {
			if _, e := dst.Write(buf[:n]); e != nil {
				return e
			}
			if e := w.Flush(); e != nil {
				return e
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if chunked {
		dst.(io.Closer).Close()
		s.r.Trailer.Write(w)
		w.WriteString("\r\n")
	}
	return w.Flush()
}

// response makes what was read into a Response whose body comes from c.
func (s *serving) response(c *h1Conn, res *http.Response, up *upload, stop func() bool) *exchange.Response {
	r := &exchange.Response{Status: res.StatusCode, Header: res.Header, Server: &c.peer}
	r.Names, r.Order = c.note.names()
	if res.StatusCode == http.StatusSwitchingProtocols {
		r.Body = &socket{s: s, server: c, header: res.Header, names: r.Names, stop: stop}
		return r
	}
	endToEnd(res.Header)
	b := &h1Body{src: res.Body, size: res.ContentLength, u: s.p.upstream, c: c, up: up, stop: stop, keep: !res.Close}
	if res.Body == http.NoBody {
		b.release(true)
		return r
	}
	if res.Trailer != nil {
		for k := range res.Trailer {
			res.Header.Add("Trailer", k)
		}
		r.Trailer = func() http.Header { return res.Trailer }
	}
	r.Body = b
	return r
}

// h1Body is a response body; at its end the connection goes back to the pool.
type h1Body struct {
	src  io.Reader
	size int64
	u    *upstream
	c    *h1Conn
	up   *upload
	stop func() bool
	keep bool
	done bool
}

func (b *h1Body) Read(p []byte) (int, error) {
	n, err := b.src.Read(p)
	if err == io.EOF {
		b.release(true)
	}
	return n, err
}

// SendTo passes the body on as it comes.
func (b *h1Body) SendTo(_ context.Context, c exchange.Conn) error {
	if s, ok := c.(*sender); ok && s.canMove(b) {
		return s.move(b)
	}
	_, err := c.ReadFrom(b)
	return err
}

// Size is the announced length, -1 without one.
func (b *h1Body) Size() int64 { return b.size }

// Ready tells whether the beginning is here already, so that it can go out
// together with the header.
func (b *h1Body) Ready() bool { return b.c.br.Buffered() > 0 }

// Close gives the connection up unless the body was read to its end.
func (b *h1Body) Close() error {
	b.release(false)
	return nil
}

func (b *h1Body) release(whole bool) {
	if b.done {
		return
	}
	b.done = true
	alive := b.stop() // false: the device left and the deadline has struck
	if whole && b.keep && alive && b.sent() {
		b.u.pool.put(b.c)
	} else {
		b.c.Close()
	}
}

// sent tells whether the upload, if any, has ended well.
func (b *h1Body) sent() bool {
	if b.up == nil {
		return true
	}
	select {
	case <-b.up.done:
		return b.up.err == nil
	default:
		return false
	}
}

// Interface guards.
var (
	_ exchange.Sized = (*h1Body)(nil)
	_ io.ReadCloser  = (*h1Body)(nil)
)
