package proxy

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"starproxy/driver/proxy/h1"
)

// h2Session is a connection on which a device speaks HTTP/2. It has a net/http
// server of its own, so that the server's counts and log lines are about this
// connection.
//
// The server does not call our handler for most malformed requests: it refuses them
// by RST_STREAM, GOAWAY, a 400 or 431 of its own, or by closing the connection. So the
// session is the connection that the server reads from and writes to. It follows
// the frames (h2frames.go) and journals each refusal (h2refuse.go).
type h2Session struct {
	net.Conn // with TLS, if there is any
	p        *Proxy
	cl       *client
	server   *http.Server

	out    outFrames
	flow   outflow
	own400 atomic.Int64 // answers of 400 that are ours and not yet written
	own431 atomic.Bool  // there is such an answer of 431

	left   atomic.Bool // the device closed, or can't be written to
	told   atomic.Bool // there was a GOAWAY, or a refusal of the whole connection
	closed sync.Once

	mu    sync.Mutex
	in    inFrames
	words []h2Word
	said  string // the server's last line for the log
}

// maxH2Head is the size in bytes from which the server refuses a header by itself.
// We refuse headers over h1.MaxHead, so that their event has the header.
const maxH2Head = 4 * h1.MaxHead

// serveH2 has a connection served, and does not wait for its end.
func (p *Proxy) serveH2(nc net.Conn) {
	s := &h2Session{Conn: nc, p: p, cl: newClient(nc)}
	s.server = &http.Server{
		Handler:        s,
		ErrorLog:       log.New(h2Log{s}, "", 0),
		BaseContext:    func(net.Listener) context.Context { return p.ctx },
		ConnState:      s.state,
		MaxHeaderBytes: maxH2Head,
		HTTP2:          &http.HTTP2Config{CountError: s.count},
		Protocols:      new(http.Protocols),
		// "OPTIONS *" is for the real server, not for us.
		DisableGeneralOptionsHandler: true,
	}
	// The server looks for the preface where it can't see TLS.
	s.server.Protocols.SetUnencryptedHTTP2(true)
	if !p.enter() {
		nc.Close()
		return
	}
	p.mu.Lock()
	p.h2[s] = struct{}{}
	p.mu.Unlock()
	_ = s.server.Serve(&loneListener{nc: s})
}

// state follows the server's: the connection is idle while no request is served.
func (s *h2Session) state(_ net.Conn, to http.ConnState) {
	switch base := s.cl.base(); to {
	case http.StateNew, http.StateIdle:
		base.idleSince.Store(s.p.ticks(time.Now()))
	case http.StateActive:
		base.idleSince.Store(0)
	case http.StateClosed:
		s.p.mu.Lock()
		delete(s.p.h2, s)
		s.p.mu.Unlock()
		s.p.sessions.Done()
	}
}

// goAway has the devices on connections of HTTP/2 told that the proxy is being
// closed. It does not wait.
func (p *Proxy) goAway(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s := range p.h2 {
		go s.server.Shutdown(ctx)
	}
}

// ServeHTTP serves one request.
func (s *h2Session) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &serving{p: s.p, w: &h2Reply{ResponseWriter: w, s: s}, cl: s.cl, ctx: r.Context(), r: h2Inbound(r)}
	err := h1.Bounded(len(x.r.method)+len(x.r.target)+len(x.r.authority), x.r.header)
	if err == nil && r.Method != http.MethodConnect {
		err = x.r.aim()
	}
	if err != nil {
		status := http.StatusBadRequest
		if bad, ok := errors.AsType[*h1.Error](err); ok {
			status = bad.Status
		}
		s.p.refuseAs(x.w, s.cl, &x.r, status, err.Error())
		return
	}
	x.serve()
}

// answers notes that we are about to answer a request with a status.
func (s *h2Session) answers(status int) {
	switch status {
	case http.StatusBadRequest:
		s.own400.Add(1)
	case http.StatusRequestHeaderFieldsTooLarge:
		s.own431.Store(true)
	}
}

// Read reads for the server.
func (s *h2Session) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if n > 0 {
		s.mu.Lock()
		odd := s.in.follow(b[:n])
		s.mu.Unlock()
		if odd {
			s.refusePreface()
		}
	}
	if err != nil {
		s.left.Store(true)
	}
	return n, err
}

// Write writes for the server. A refusal is journaled before the device has it.
func (s *h2Session) Write(b []byte) (int, error) {
	answers := s.out.follow(b, s)
	n, err := s.Conn.Write(b)
	if err != nil {
		s.left.Store(true)
	}
	if answers > 0 {
		s.flow.add(answers)
	}
	return n, err
}

// Close closes the connection. The server may do so on its own, without a word to
// the device.
func (s *h2Session) Close() error {
	s.closed.Do(s.refuseClosed)
	return s.Conn.Close()
}

// loneListener accepts one connection.
type loneListener struct{ nc net.Conn }

func (l *loneListener) Accept() (net.Conn, error) {
	if l.nc == nil {
		return nil, net.ErrClosed
	}
	nc := l.nc
	l.nc = nil
	return nc, nil
}

func (l *loneListener) Close() error { return nil }

func (l *loneListener) Addr() net.Addr { return &net.TCPAddr{} }

// h2Log notes the server's last line about a connection, and logs it.
type h2Log struct{ s *h2Session }

func (l h2Log) Write(b []byte) (int, error) {
	l.s.mu.Lock()
	l.s.said = strings.TrimSpace(string(b))
	l.s.mu.Unlock()
	return errorLog{l.s.p.log}.Write(b)
}

// Interface guards.
var (
	_ net.Conn     = (*h2Session)(nil)
	_ http.Handler = (*h2Session)(nil)
	_ net.Listener = (*loneListener)(nil)
	_ io.Writer    = h2Log{}
)
