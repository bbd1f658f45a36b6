package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/ca"
	"starproxy/driver/capture"
)

// serving is all that one exchange needs, in one allocation.
type serving struct {
	p    *Proxy
	w    http.ResponseWriter
	r    *http.Request
	cl   *client
	x    exchange.Exchange
	req  exchange.Request
	conn sender
	body *capture.Recorder // of the request

	incoming *exchange.Incoming // the device's body; scripts may send another
	up       *upload            // the last one

	answered time.Duration // when the response's header was there
	err      error         // what went wrong on the way to the device

	entry capture.Entry
}

// ServeHTTP makes an Exchange of a request, has it answered, sends the answer
// and journals both.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	cl, _ := r.Context().Value(clientKey{}).(*client)
	if cl == nil {
		http.Error(w, "no connection", http.StatusInternalServerError)
		return
	}
	if cl.note != nil {
		cl.note.owed = false
	}
	if !p.admits(w, r, cl) {
		return
	}
	if r.Method == http.MethodConnect {
		p.connect(w, r, cl)
		return
	}
	s := &serving{p: p, w: w, r: r, cl: cl}
	if why := s.read(); why != "" {
		p.refuse(w, cl, r, why)
		return
	}
	res := s.answer()
	if _, ok := res.Body.(exchange.Hijacker); ok {
		s.journal(res) // it may go on for hours
		s.hijack(res)
		s.x.Answered()
		if s.conn.abort {
			panic(http.ErrAbortHandler)
		}
		return
	}
	if c, ok := res.Body.(io.Closer); ok {
		defer c.Close()
	}
	s.send(res)
	s.journal(res)
	s.finish()
	s.x.Answered()
	if s.conn.abort {
		panic(http.ErrAbortHandler) // net/http's way to break a response off
	}
}

// read fills the exchange. It returns why the request can't be served, such as
// that it does not say where it goes; "" when it can.
func (s *serving) read() string {
	r, q := s.r, &s.req
	q.Method, q.Proto, q.Authority, q.Header = r.Method, r.Proto, r.Host, r.Header
	q.Target = r.RequestURI
	if s.cl.note != nil && r.ProtoMajor == 1 {
		q.Names, q.Order = s.cl.note.names()
	}
	q.Scheme = "http"
	if s.cl.tls {
		q.Scheme = "https"
	}
	if why := s.destination(); why != "" {
		return why
	}
	if r.ProtoMajor == 2 {
		if why := s.malformed(); why != "" {
			return why
		}
	}
	hidden := s.p.cfg.Hidden
	q.Target = hidden.target(q.Target)
	hidden.header(q.Header, "Cookie", "Referer")
	hideCredentials(q.Header)
	q.ContentLength = r.ContentLength
	x := &s.x
	x.ID, x.Start, x.Client, x.Request, x.Forward = s.p.ids.Add(1), time.Now(), s.cl.addr, q, s.forward
	// Over HTTP/2 net/http gives a body to requests without one, too.
	if r.Body != nil && r.Body != http.NoBody && (r.ProtoMajor < 2 || r.ContentLength != 0) {
		if j := s.p.cfg.Journal; j != nil {
			s.body = j.NewRecorder(r.Header, q.URL())
			s.incoming = exchange.NewIncoming(r.Body, s.body)
		} else {
			s.incoming = exchange.NewIncoming(r.Body, nil)
		}
		q.Body = s.incoming
	}
	return ""
}

// destination sets where the request goes. It returns why that can't be; "" when
// it can.
func (s *serving) destination() string {
	r, q := s.r, &s.req
	tunneled := s.cl.target != ""
	whole := r.URL.Scheme != "" // absolute form, which some clients send inside a tunnel too (RFC 9112 section 3.2.2)
	if whole {
		if why := absolute(r.URL); why != "" {
			return why
		}
		if !tunneled {
			q.Scheme = r.URL.Scheme
		}
		q.Target, q.Authority = originForm(r.RequestURI), asciiAuthority(r.Host)
	}
	var err error
	switch {
	case tunneled && !whole:
		q.Host, _ = splitHostPort(r.Host, s.cl.port)
	case r.Host == "":
		return "request has no host header, destination unknown"
	default:
		if q.Host, q.Port, err = parseAuthority(r.Host, exchange.DefaultPort(q.Scheme)); err != nil {
			return err.Error()
		}
	}
	if tunneled {
		// The Host header names the server, the CONNECT its port and address.
		if q.Port = s.cl.port; q.Host == "" {
			q.Host = s.cl.host
		}
		if q.Host != s.cl.host {
			q.DialAddr = s.cl.target
		}
	}
	return ""
}

// answer asks the handler, the real server when that has no answer, and makes
// a response of what fails.
func (s *serving) answer() *exchange.Response {
	ctx := s.r.Context()
	defer func() { s.answered = time.Since(s.x.Start) }()
	res, err := s.respond(ctx)
	if res == nil && err == nil {
		res, err = s.forward(ctx)
	}
	if err == nil && res.Origin == exchange.FromServer {
		s.p.cfg.Hidden.header(res.Header, "Set-Cookie", "Location") // it is this exchange's own
	}
	if err == nil && res.Origin != exchange.FromServer {
		res, err = s.writable(res)
	}
	if err == nil {
		return res
	}
	s.logFailure(err)
	return exchange.Failure(err)
}

// respond calls the handler; a panic in one is an error of its exchange.
func (s *serving) respond(ctx context.Context) (res *exchange.Response, err error) {
	defer func() {
		if e := recover(); e != nil {
			s.p.log.Error("handler panicked", slog.Any("panic", e), slog.String("stack", string(debug.Stack())))
			res, err = nil, errors.New("internal error; the log has it")
		}
	}()
	if s.req.Host == ca.OnboardingHost && s.p.cfg.CA != nil {
		return s.p.cfg.CA.Respond(ctx, &s.x)
	}
	return s.p.cfg.Handler.Respond(ctx, &s.x)
}

// journal adds the entry. The device gets the last byte after it is there, so
// that a test which has its answer also finds its request captured.
func (s *serving) journal(res *exchange.Response) {
	j := s.p.cfg.Journal
	if j == nil {
		return
	}
	q, x := &s.req, &s.x
	e := &s.entry // the journal makes its own copy
	*e = capture.Entry{
		Start: x.Start, Answered: s.answered, Client: x.Client, Conn: s.cl.id, ClientTLS: s.cl.agreed,
		Method: q.Method, Scheme: q.Scheme, Host: q.Host, Port: q.Port, Target: q.Target, Proto: q.Proto,
		Authority: q.Authority, RequestHeader: q.Header, RequestNames: q.Names, RequestOrder: q.Order,
		Status: res.Status, ResponseHeader: res.Header, ResponseNames: res.Names, ResponseOrder: res.Order, Origin: res.Origin,
		Endpoint: x.Endpoint, Source: x.Source, Unmatched: x.Unmatched, SNI: s.cl.sni, Notes: x.Notes.List(),
	}
	if s.body != nil {
		e.RequestBody = s.body.Blob()
	}
	if s.incoming != nil {
		if end := s.incoming.Ended(); !end.IsZero() { // else net/http may still write the trailers
			e.Uploaded, e.RequestTrailer = end.Sub(x.Start), s.r.Trailer
		}
	}
	if res.Server != nil {
		e.Server = *res.Server
	}
	e.ResponseBody, e.ResponseTrailer = s.conn.blob, s.conn.trailer
	switch {
	case res.Err != nil:
		e.Error = res.Err.Error()
		if exchange.Sides(res.Err) {
			e.Status = 0
		}
	case s.err != nil:
		e.Error = s.err.Error()
	}
	if s.r.ProtoMajor == 2 {
		e.RequestNames = lowerNames(q.Header)
	}
	e.Duration = time.Since(x.Start)
	if res.Status == http.StatusSwitchingProtocols && s.watchable() {
		j.Add(e) // its messages and its end are recorded
		return
	}
	s.p.journal(e)
}

// journal records and journals an entry.
func (p *Proxy) journal(e *capture.Entry) {
	if p.cfg.Recorder != nil {
		p.cfg.Recorder.Exchange(e)
		defer p.cfg.Journal.Unhold(e)
	}
	p.cfg.Journal.Add(e)
}

// absolute tells what is missing for a target in absolute form to be served, ""
// for nothing.
func absolute(u *url.URL) string {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Sprintf("target: scheme: got %s, want http or https", exchange.Clip(u.Scheme))
	case u.Host == "":
		return "target: host: got none, want http://host/path"
	}
	return ""
}

// originForm cuts scheme and authority off an absolute URI, escapes untouched.
func originForm(uri string) string {
	_, rest, ok := strings.Cut(uri, "://")
	if !ok {
		return uri
	}
	if i := strings.IndexAny(rest, "/?"); i < 0 {
		return "/"
	} else if rest[i] == '?' {
		return "/" + rest[i:]
	} else {
		return rest[i:]
	}
}
