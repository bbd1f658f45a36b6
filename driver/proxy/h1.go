package proxy

import (
	"bufio"
	"context"
	"errors"
	"math"
	"net/http"
	"strings"
	"time"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/proxy/h1"
	"starproxy/driver/proxy/way"
)

// forwardH1 asks a real server over HTTP/1.1, on this goroutine.
func (s *serving) forwardH1(ctx context.Context, key h1Key) (*exchange.Response, error) {
	q := &s.req
	s.flight.Set(capture.Connecting)
	defer s.flight.Set(capture.Answering)
	p, err := s.payload()
	if err != nil {
		return nil, err
	}
	if err := p.claim(ctx); err != nil {
		return nil, err
	}
	for {
		c, err := s.p.upstream.conn(ctx, key, &s.trip)
		if err != nil {
			p.drop()
			return nil, s.fault(ctx, key.addr, "", err)
		}
		s.trip.over(c.reused)
		s.flight.Set(capture.Waiting)
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
func outOfTime(res *h1.Response) bool {
	return res.Status == http.StatusRequestTimeout && !h1.Persists(res.Proto, res.Header, res.Body)
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
func (s *serving) roundTrip(c *h1Conn, p *payload) (*h1.Response, error) {
	s.writeHead(c.bw, p, c.key.whole)
	if len(p.inline) > 0 {
		c.bw.Write(p.inline)
	}
	if err := c.bw.Flush(); err != nil {
		c.unsent = c.wrote == 0
		p.drop()
		return nil, err
	}
	s.trip.note(&s.trip.Sent, time.Since(s.x.Start))
	if p.body != nil {
		s.upload(c, *p)
	}
	for {
		c.left = maxResponseHead
		if err := c.in.Response(&c.head, s.req.Method); err != nil {
			return nil, err
		}
		c.left = math.MaxInt64
		s.trip.note(&s.trip.Headed, time.Since(s.x.Start))
		res := &c.head
		switch {
		case c.key.whole && res.Status == http.StatusProxyAuthRequired:
			return nil, s.p.upstream.parent.Fault(way.ErrAsksUser)
		case res.Status >= 200:
			return res, coded(res)
		case res.Status == http.StatusSwitchingProtocols:
			return res, unoffered(s.req.Header.Values("Upgrade"), res.Header.Values("Upgrade"))
		}
		if res.Status != http.StatusContinue {
			s.informational(res.Status, res.Header)
		}
	}
}

// coded returns an error for an answer whose body is in a coding that we don't
// undo. Transfer-Encoding is of one connection (RFC 9112 section 7): the device
// would get the coded bytes without a word about it.
func coded(res *h1.Response) error {
	if k := res.Body.Kind; k == h1.None || k == h1.Length {
		return nil
	}
	list := res.Header.Joined("Transfer-Encoding")
	for one := range strings.SplitSeq(list, ",") {
		if one = strings.TrimSpace(one); one != "" && !strings.EqualFold(one, "chunked") && !strings.EqualFold(one, "identity") {
			return &h1.Error{Status: http.StatusBadGateway, Reason: "Transfer-Encoding: got " + excerpt.Quote(list) + ", want chunked"}
		}
	}
	return nil
}

// writeHead writes request line and header: the lines as they came, and what
// frames the message. Whole says that an upstream proxy gets it, with the target in
// absolute form.
func (s *serving) writeHead(w *bufio.Writer, p *payload, whole bool) {
	q := &s.req
	proto := "HTTP/1.1"
	if q.Proto == "HTTP/1.0" && (p.body == nil || p.length >= 0) {
		proto = "HTTP/1.0" // the server answers as to an old client
	}
	target := q.Target
	if whole {
		target = absoluteTarget(q)
	}
	h1.WriteRequestLine(w, q.Method, target, proto)
	host, length := authorityOf(q), p.announced()
	if !q.Header.Has("Host") {
		h1.WriteField(w, "Host", host)
	}
	for _, f := range q.Header {
		switch {
		case exchange.EqualName(f.Name, "Host") && host != "":
			h1.WriteField(w, f.Name, host)
			host = ""
		case exchange.EqualName(f.Name, "Content-Length") && length != "":
			h1.WriteField(w, f.Name, length)
			length = ""
		case exchange.EqualName(f.Name, "Trailer") && p.chunked():
			h1.WriteField(w, f.Name, f.Value)
		case isOurs(f.Name):
		case q.Proto == "HTTP/2.0":
			h1.WriteField(w, http.CanonicalHeaderKey(f.Name), f.Value)
		default:
			h1.WriteField(w, f.Name, f.Value)
		}
	}
	if up := offered(q.Header.Values("Upgrade")); up != "" {
		if q.Header.HasToken("Connection", "upgrade") { // a device's mistake is not mended
			h1.WriteField(w, "Connection", "Upgrade")
		}
		h1.WriteField(w, "Upgrade", up)
	} else if q.Header.Has("TE") {
		h1.WriteField(w, "Connection", "TE")
		h1.WriteField(w, "TE", q.Header.Get("TE"))
	}
	if whole {
		if a := s.p.upstream.parent.Authorization(); a != "" {
			h1.WriteField(w, "Proxy-Authorization", a)
		}
	}
	if length != "" {
		h1.WriteField(w, "Content-Length", length)
	}
	if p.chunked() {
		h1.WriteField(w, "Transfer-Encoding", "chunked")
	}
	w.WriteString("\r\n")
}

// absoluteTarget returns a target with scheme and host (RFC 9112 section 3.2.2).
func absoluteTarget(q *exchange.Request) string {
	at := "http://" + exchange.URLAuthority(q.Scheme, q.Host, q.Port)
	if q.Target == "*" {
		return at
	}
	return at + q.Target
}

// authorityOf returns the value of the Host line. For a device that sent none, as
// with HTTP/1.0, that is the server that it meant.
func authorityOf(q *exchange.Request) string {
	if q.Authority != "" {
		return q.Authority
	}
	return exchange.URLAuthority(q.Scheme, q.Host, q.Port)
}

// response makes a Response of a head that was read. Its body comes from c.
func (s *serving) response(ctx context.Context, c *h1Conn, res *h1.Response) *exchange.Response {
	r := &exchange.Response{Status: res.Status, Reason: res.Reason, Header: res.Header, Server: &c.peer}
	if res.Status == http.StatusSwitchingProtocols {
		r.Body = &socket{s: s, server: c, header: res.Header}
		return r
	}
	s.claim(c, res.Header)
	b := &h1Body{size: res.Body.N, ctx: ctx, s: s, c: c, keep: h1.Persists(res.Proto, res.Header, res.Body)}
	r.Header.DropHops()
	if f := res.Body; f.Kind == h1.None || f.Kind == h1.Length && f.N == 0 {
		b.release(true)
		return r
	}
	var trailer exchange.Header
	b.src = c.in.Body(res.Body, func(h exchange.Header) { trailer = h })
	if b.chunked = res.Body.Kind == h1.Chunked; b.chunked {
		r.Trailer = func() exchange.Header { return trailer }
	}
	r.Body = b
	return r
}
