package proxy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"

	"starproxy/builtins/exchange"
)

// forwardH1 asks a real server over HTTP/1.1, on this goroutine.
func (s *serving) forwardH1(ctx context.Context, key h1Key) (*exchange.Response, error) {
	q := &s.req
	p, err := s.payload()
	if err != nil {
		return nil, err
	}
	if err := p.claim(ctx); err != nil {
		return nil, err
	}
	for {
		c, err := s.p.upstream.conn(ctx, key)
		if err != nil {
			p.drop()
			return nil, s.fault(ctx, key.addr, "", err)
		}
		c.use(ctx)
		res, err := s.roundTrip(c, &p)
		if err == nil && !(c.reused && p.body == nil && outOfTime(res)) {
			return s.response(ctx, c, res), nil
		}
		c.leave(false)
		if err != nil {
			err = s.noAnswer(ctx, c, err)
		}
		// The server closed a kept connection just now. A request that it did
		// not see is sent again (RFC 9110 section 15.5.9 for a 408), and so is
		// one that is idempotent (section 9.2.2). Others are not: a proxy must
		// not repeat them, for the server may have done what they ask.
		again := err == nil || c.reused && (c.unsent || idempotent(q.Method)) && retriable(err)
		if !again || p.reclaim(ctx, s.up) != nil {
			return nil, err
		}
	}
}

// retriable reports whether another connection may have more luck: neither the
// device failed nor the context ended.
func retriable(err error) bool {
	var up *exchange.UpstreamError
	return errors.As(err, &up)
}

// outOfTime reports whether an answer is a server's last word on a connection
// on which it had waited too long for a request.
func outOfTime(res *http.Response) bool {
	return res.StatusCode == http.StatusRequestTimeout && res.Close
}

// idempotent reports whether a request may be repeated without changing more
// than the first did (RFC 9110 section 9.2.2).
func idempotent(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
}

// roundTrip writes the request and reads the answer's header. A stream is
// uploaded meanwhile.
func (s *serving) roundTrip(c *h1Conn, p *payload) (*http.Response, error) {
	s.writeHead(c.bw, p)
	if len(p.inline) > 0 {
		c.bw.Write(p.inline)
	}
	if err := c.bw.Flush(); err != nil {
		c.unsent = c.wrote == 0
		p.drop()
		return nil, err
	}
	if p.body != nil {
		s.upload(c, *p)
	}
	for {
		c.left = maxResponseHead
		c.note.begin()
		res, err := http.ReadResponse(c.br, s.r)
		c.note.end()
		if err != nil {
			return nil, err
		}
		c.left = math.MaxInt64
		switch {
		case res.StatusCode >= 200:
			return res, nil
		case res.StatusCode == http.StatusSwitchingProtocols:
			return res, unoffered(s.req.Header["Upgrade"], res.Header["Upgrade"])
		}
		if res.StatusCode != http.StatusContinue {
			s.informational(res.StatusCode, res.Header)
		}
	}
}

// writeHead writes request line and header.
func (s *serving) writeHead(w *bufio.Writer, p *payload) {
	q := &s.req
	w.WriteString(q.Method)
	w.WriteByte(' ')
	w.WriteString(q.Target)
	if q.Proto == "HTTP/1.0" && (p.body == nil || p.length >= 0) {
		w.WriteString(" HTTP/1.0\r\nHost: ") // the server answers as to an old client
	} else {
		w.WriteString(" HTTP/1.1\r\nHost: ")
	}
	w.WriteString(authorityOf(q))
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
		if exchange.HasToken(q.Header["Connection"], "upgrade") { // a device's mistake is not mended
			writeField(w, "Connection", "Upgrade")
		}
		writeField(w, "Upgrade", up)
	} else if te := q.Header["Te"]; len(te) > 0 {
		writeField(w, "Connection", "TE")
		writeField(w, "TE", te[0])
	}
	switch {
	case p.body != nil && p.length < 0:
		for k := range p.trailer {
			writeField(w, "Trailer", k)
		}
		writeField(w, "Transfer-Encoding", "chunked")
	case p.body != nil:
		writeField(w, "Content-Length", strconv.FormatInt(p.length, 10))
	case p.any:
		writeField(w, "Content-Length", strconv.Itoa(len(p.inline)))
	}
	w.WriteString("\r\n")
}

// authorityOf is what the Host field says: for a device that sent none, as with
// HTTP/1.0, the server that it meant.
func authorityOf(q *exchange.Request) string {
	if q.Authority != "" {
		return q.Authority
	}
	url := q.URL()
	return url[len(q.Scheme)+len("://") : len(url)-len(q.Target)]
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

// response makes what was read into a Response whose body comes from c.
func (s *serving) response(ctx context.Context, c *h1Conn, res *http.Response) *exchange.Response {
	r := &exchange.Response{Status: res.StatusCode, Header: res.Header, Server: &c.peer}
	r.Names, r.Order = c.note.names()
	if res.StatusCode == http.StatusSwitchingProtocols {
		r.Body = &socket{s: s, server: c, header: res.Header, names: r.Names}
		return r
	}
	s.claim(c, res)
	endToEnd(res.Header)
	b := &h1Body{src: res.Body, size: res.ContentLength, ctx: ctx, s: s, c: c, keep: !res.Close}
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
	if len(res.TransferEncoding) > 0 {
		b.src = &chunks{br: c.br, trailer: func(h http.Header) { res.Trailer = h }}
		r.Trailer = func() http.Header { return res.Trailer }
	}
	r.Body = b
	return r
}

// h1Body is a response body; at its end the connection goes back to the pool.
type h1Body struct {
	src  io.Reader
	size int64
	ctx  context.Context // of the forward
	s    *serving
	c    *h1Conn
	keep bool
	done bool
}

func (b *h1Body) Read(p []byte) (int, error) {
	n, err := b.src.Read(p)
	if err == io.EOF {
		b.release(true)
	} else if err != nil {
		err = b.fault(err)
	}
	return n, err
}

// fault says whose fault it is that the body broke off.
func (b *h1Body) fault(err error) error {
	return b.s.fault(b.ctx, b.c.key.addr, inAnswer, malformed(err))
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
	if !b.done {
		b.done = true
		b.c.leave(whole && b.keep)
	}
}

// Interface guards.
var (
	_ exchange.Sized = (*h1Body)(nil)
	_ io.ReadCloser  = (*h1Body)(nil)
)
