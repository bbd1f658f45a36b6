package proxy

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/onboard"
)

// serving is all that one exchange needs, in one allocation.
type serving struct {
	p    *Proxy
	w    replier
	r    inbound
	ctx  context.Context // of the request
	h1   *reply          // w, over HTTP/1
	dev  presence        // over HTTP/1
	cl   *client
	x    exchange.Exchange
	req  exchange.Request
	conn sender
	body *capture.Recorder // of the request

	incoming *exchange.Incoming // the device's body; scripts may send another
	up       *upload            // the last one

	trip     trip          // to the real server
	answered time.Duration // when the response's header was there
	err      error         // of sending the answer to the device

	entry  capture.Entry
	flight capture.Flight
	flying bool // it is in the table of exchanges in flight
}

// serve makes an Exchange of a request, has it answered, sends the answer and
// journals both. It panics with http.ErrAbortHandler to break the answer off.
func (s *serving) serve() {
	p := s.p
	if !p.admits(s.w, &s.r, s.cl) {
		return
	}
	if s.r.method == http.MethodConnect {
		p.connect(s.w, &s.r, s.cl)
		return
	}
	if why := s.read(); why != "" {
		p.refuse(s.w, s.cl, &s.r, why)
		return
	}
	defer s.leave()
	res := s.answer()
	if _, ok := res.Body.(exchange.Hijacker); ok {
		s.journal(res) // it may go on for hours
		s.join()
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
		panic(http.ErrAbortHandler)
	}
}

// read fills the exchange. It returns why the request can't be served, such as
// that it does not say where it goes; "" when it can.
func (s *serving) read() string {
	r, q := &s.r, &s.req
	q.Method, q.Proto, q.Target, q.Authority, q.Header = r.method, r.proto, r.target, r.authority, r.header
	q.Scheme = "http"
	if s.cl.tls {
		q.Scheme = "https"
	}
	if why := s.destination(); why != "" {
		return why
	}
	if r.h2 != nil {
		if why := s.malformed(); why != "" {
			return why
		}
	}
	hidden := s.p.cfg.Hidden
	q.Target = hidden.target(q.Target)
	hidden.header(q.Header, "Cookie", "Referer")
	hideCredentials(q.Header)
	q.ContentLength = r.length
	x := &s.x
	x.ID, x.Start, x.Client, x.Request, x.Forward = s.p.number(), time.Now(), s.cl.addr, q, s.forward
	if s.cl.met != "" {
		x.Notes.Meet(s.cl.met)
	}
	s.onNetwork()
	if name := s.p.cfg.Clock.Name(); name != "" {
		x.Notes.Meet(name)
	}
	if r.body != nil {
		if j := s.p.cfg.Journal; j != nil {
			s.body = j.NewRecorder(q.Header, q.URL())
			s.incoming = exchange.NewIncoming(r.body, s.body)
		} else {
			s.incoming = exchange.NewIncoming(r.body, nil)
		}
		q.Body = s.incoming
	}
	s.enter()
	return ""
}

// onNetwork notes the host that the device means, and the network profile that is in
// force. A connection of HTTP/2 has one host, that of its handshake.
func (s *serving) onNetwork() {
	base := s.cl.base()
	if base == nil {
		return
	}
	if s.r.h2 == nil {
		base.lane.aim(s.req.Host)
	}
	if name := s.cl.network(); name != "" {
		s.x.Notes.Meet(name)
	}
}

// destination sets where the request goes. It returns why that can't be; "" when
// it can.
func (s *serving) destination() string {
	r, q := &s.r, &s.req
	if to := s.cl.in.server(); to != nil {
		return s.reversed(to)
	}
	tunneled := s.cl.target != ""
	whole := r.scheme != "" // absolute form, which some clients send inside a tunnel too (RFC 9112 section 3.2.2)
	if whole {
		if !tunneled {
			q.Scheme = r.scheme
		}
		if q.Authority = asciiAuthority(r.authority); q.Header.Has("Host") && q.Header.Get("Host") != q.Authority {
			q.Header.Set("Host", q.Authority)
		}
	}
	var err error
	switch {
	case tunneled && !whole:
		q.Host, _ = exchange.SplitAuthority(r.authority, s.cl.port)
	case r.authority == "":
		return "request has no host header, destination unknown"
	default:
		if t := s.cl.outer; t != nil && !whole { // the device takes us for the server: a proxy gets the absolute form
			q.Scheme, s.cl.sni, s.cl.agreed = "https", t.ConnectionState().ServerName, agreed(t)
		}
		if q.Host, q.Port, err = exchange.ParseAuthority(r.authority, exchange.DefaultPort(q.Scheme)); err != nil {
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

// answer asks the handler, and the real server when the handler has no answer. It
// makes a response of an error.
func (s *serving) answer() *exchange.Response {
	ctx := s.ctx
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
	if errors.Is(err, context.Canceled) && errors.Is(context.Cause(ctx), context.Canceled) {
		err = s.fault(ctx, "", "", err) // the device left while a mock took its time
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
	if s.p.cfg.CA != nil && (s.req.Host == onboard.Host || s.onboards()) {
		return s.p.cfg.CA.Respond(ctx, &s.x)
	}
	return s.p.cfg.Handler.Respond(ctx, &s.x)
}

// onboards reports whether a device asks the address of the proxy itself for the page that
// tells how it is set up.
func (s *serving) onboards() bool {
	rest, ok := strings.CutPrefix(s.req.Target, onboard.Prefix)
	if !ok || rest != "" && rest[0] != '/' {
		return false
	}
	to, err := netip.ParseAddr(s.req.Host)
	return err == nil && s.p.cfg.Listeners != nil && s.p.cfg.Listeners.Reaches(netip.AddrPortFrom(to, uint16(s.req.Port)))
}

// journal adds the entry. The device gets the last byte after it is there, so
// that a test which has its answer also finds its request captured.
func (s *serving) journal(res *exchange.Response) {
	j := s.p.cfg.Journal
	if j == nil {
		return
	}
	cut := s.leave()
	q, x := &s.req, &s.x
	e := &s.entry // the journal makes its own copy
	s.known()
	e.Live, e.Answered, e.Phases = x.ID, s.answered, s.trip.phases()
	e.Status, e.ResponseHeader, e.Origin = res.Status, res.Header, res.Origin
	s.onNetwork() // it may have been set meanwhile
	e.Endpoint, e.Source, e.Unmatched, e.Notes = x.Endpoint, x.Source, x.Unmatched, x.Notes.List()
	e.Edits = x.Edits
	if data, replaced := q.Body.Replacement(); replaced {
		e.RequestBody = capture.StoredBlob(exchange.Bytes(data))
		if s.body != nil {
			s.body.Discard()
		}
	} else if s.body != nil {
		e.RequestBody = s.body.Blob()
	}
	if s.incoming != nil {
		if end := s.incoming.Ended(); !end.IsZero() { // else the trailers may still be read
			e.Uploaded = end.Sub(x.Start)
			if s.r.trailer != nil {
				e.RequestTrailer = s.r.trailer()
			}
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
	if cut {
		e.Error = capture.ErrCut.Error()
		if s.conn.w == nil { // nothing was sent
			e.Status = 0
		}
	}
	e.Duration = time.Since(x.Start)
	if res.Status == http.StatusSwitchingProtocols && s.watchable() {
		j.Add(e) // its messages and its end are recorded
		return
	}
	if in := s.p.cfg.Inspector; in == nil || !in.Inspect(e, s.p.journal) {
		s.p.journal(e)
	}
}

// known fills in the fields of the entry that are known of the request. It does so field
// by field: a whole Entry on the stack would make that of each request over HTTP/2 grow.
func (s *serving) known() {
	q, x, e := &s.req, &s.x, &s.entry
	e.Start, e.Client, e.Conn, e.ClientTLS, e.SNI = x.Start, x.Client, s.cl.id, s.cl.agreed, s.cl.sni
	e.Way = s.cl.in.Name()
	e.Method, e.Scheme, e.Host, e.Port, e.Target, e.Proto = q.Method, q.Scheme, q.Host, q.Port, q.Target, q.Proto
	e.Authority, e.RequestHeader = q.Authority, q.Header
}

// Inspector looks at entries before they are journaled.
type Inspector interface {
	// Inspect returns false for an entry that is to be journaled at once. Else it has
	// made a copy, and calls add with that later, when it may have added notes. It must
	// not wait.
	Inspect(e *capture.Entry, add func(*capture.Entry)) bool
}

// journal records and journals an entry.
func (p *Proxy) journal(e *capture.Entry) {
	if p.cfg.Recorder != nil {
		p.cfg.Recorder.Exchange(e)
		defer p.cfg.Journal.Unhold(e)
	}
	p.cfg.Journal.Add(e)
}
