package proxy

import (
	"io"
	"net/http"
	"strings"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
	"starproxy/driver/proxy/h1"
)

// inbound is a request as it was read, whichever version of HTTP it came in.
type inbound struct {
	method string
	target string // as sent, but path and query alone of a target in absolute form
	proto  string // "HTTP/1.0", "HTTP/1.1" or "HTTP/2.0"
	scheme string // of a target in absolute form, else empty
	// authority is that of the absolute form, else what Host or :authority says.
	authority string
	header    exchange.Header // without Transfer-Encoding
	length    int64           // of the body in bytes, -1 when unknown
	body      io.ReadCloser   // nil when there is none
	// trailer gives the trailers once the body has been read; nil when there
	// are none.
	trailer func() exchange.Header
	h2      *http.Request // over HTTP/2, else nil
}

// request makes an inbound request of the head that was read. The error is an
// *h1.Error.
func (s *h1Session) request(in *inbound) error {
	q := &s.head
	*in = inbound{method: q.Method, target: q.Target, proto: q.Proto, authority: q.Header.Get("Host"), header: q.Header}
	if err := in.aim(); err != nil {
		return err
	}
	s.body = nil
	if q.Body.Kind == h1.Chunked {
		in.header = q.Header.Clone() // the line may still be needed, see Proxy.move
		in.header.Del("Transfer-Encoding")
		s.trailer = nil
		in.trailer = func() exchange.Header { return s.trailer }
	}
	if q.Body.Kind != h1.None && q.Body.N != 0 {
		s.body = &deviceBody{s: s, src: s.reader.Body(q.Body, func(h exchange.Header) { s.trailer = h })}
		in.length, in.body = q.Body.N, s.body
	} else {
		s.dev.bodyEnded()
	}
	switch expect := q.Header.Joined("Expect"); {
	case expect == "":
	case q.Header.HasToken("Expect", "100-continue"):
		if s.body != nil && q.Proto != "HTTP/1.0" {
			s.body.invites.Store(true)
		}
	default:
		return &h1.Error{Status: http.StatusExpectationFailed, Reason: "Expect: got " + excerpt.Quote(expect) + ", want 100-continue"}
	}
	return nil
}

// aim takes the target apart; its authority goes before that of a header (RFC
// 9112 section 3.2.2).
func (r *inbound) aim() error {
	if r.method == http.MethodConnect {
		r.authority = r.target
		return nil
	}
	t, err := h1.ParseTarget(r.method, r.target)
	if err == nil && t.Form == h1.AbsoluteForm {
		if r.h2 != nil { // RFC 9113 section 8.3.1
			return &h1.Error{Status: http.StatusBadRequest, Reason: ":path: got " + excerpt.Quote(r.target) + ", want a path"}
		}
		r.scheme, r.authority, r.target = t.Scheme, t.Authority, t.Path
	}
	return err
}

// h2Inbound makes a request of net/http's, which has read it over HTTP/2.
func h2Inbound(r *http.Request) inbound {
	in := inbound{method: r.Method, target: r.RequestURI, proto: r.Proto, authority: r.Host, header: h2Header(r.Header),
		length: r.ContentLength, h2: r}
	for name := range r.Trailer { // net/http takes the line away
		in.header.Add("trailer", strings.ToLower(name))
	}
	if r.Body != nil && r.Body != http.NoBody && r.ContentLength != 0 { // requests without a body have one, too
		in.body = r.Body
		in.trailer = func() exchange.Header { return h2Header(r.Trailer) }
	}
	return in
}

// h2Header returns a header of net/http's in the spelling of HTTP/2, in
// alphabetical order: net/http does not keep that of the lines.
func h2Header(m http.Header) exchange.Header {
	h := exchange.HeaderFrom(m)
	for i := range h {
		h[i].Name = strings.ToLower(h[i].Name)
	}
	return h
}
