package proxy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/proxy/h1"
)

// h1Session is a connection on which a device speaks HTTP/1: one request after
// the other, each answered before the next is read.
type h1Session struct {
	p      *Proxy
	nc     net.Conn // with TLS, if there is any
	cl     *client
	ctx    context.Context // ends with the proxy
	br     *bufio.Reader   // nil between two requests inside TLS
	bw     *bufio.Writer   // nil between two requests
	reader h1.Reader

	head    h1.Request // of the request that is served
	body    *deviceBody
	trailer exchange.Header // of the body, once it has ended
	out     reply
	dev     *presence

	timer   *time.Timer // see presence.wait; made once
	waiting atomic.Pointer[presence]
}

// Buffers of a connection, in bytes. An idle connection holds none: a writer is
// held while a request is served, a reader as long, too, where TLS has a buffer of
// its own. To make them anew for each request takes 15 % more CPU time with HTTP and
// 17 % more with HTTPS; delete the pools when a connection keeps its buffers.
const (
	readBuffer  = 4 << 10
	writeBuffer = 4 << 10
)

var (
	readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, readBuffer) }}
	writers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, writeBuffer) }}
)

// serveH1 serves a connection until it ends or is taken over.
func (p *Proxy) serveH1(nc net.Conn) {
	if !p.enter() {
		nc.Close()
		return
	}
	defer p.sessions.Done()
	s := &h1Session{p: p, nc: nc, ctx: p.ctx}
	s.cl = newClient(nc)
	base := s.cl.base()
	for {
		base.idleSince.Store(p.ticks(time.Now()))
		if p.ending.Load() {
			break
		}
		err := s.await()
		if err == nil {
			err = s.reader.Request(&s.head)
		}
		base.idleSince.Store(0)
		if err != nil {
			s.refuse(err)
			break
		}
		if s.bw = writers.Get().(*bufio.Writer); !s.serve() {
			break
		}
		s.release()
	}
	if !s.out.taken {
		nc.Close()
	}
}

// await waits for the first byte of a request and has a reader for it.
func (s *h1Session) await() error {
	if s.br != nil {
		return nil
	}
	if c, ok := s.nc.(*clearConn); ok {
		if err := c.await(); err != nil {
			return err
		}
	}
	s.br = readers.Get().(*bufio.Reader)
	s.br.Reset(s.nc)
	s.reader.Reset(s.br)
	return nil
}

// release gives back the buffers, which an idle connection does not need.
func (s *h1Session) release() {
	s.bw.Reset(nil)
	writers.Put(s.bw)
	s.bw = nil
	if _, secure := s.nc.(*clearConn); secure && s.br.Buffered() == 0 {
		s.br.Reset(nil)
		readers.Put(s.br)
		s.br = nil
		s.reader.Reset(nil)
	}
	s.head, s.dev, s.body, s.trailer = h1.Request{}, nil, nil, nil
	s.out.reset(s, nil)
}

// refuse answers a request that can't be read, where anything can be answered.
func (s *h1Session) refuse(err error) {
	var bad *h1.Error
	switch {
	case errors.As(err, &bad):
	case errors.Is(err, io.ErrUnexpectedEOF): // the device may still listen
		bad = &h1.Error{Status: http.StatusBadRequest, Reason: "header: it ends without an empty line"}
	default:
		return // the device has left, or is too slow
	}
	came, size := s.reader.Came()
	if came == "" {
		came = s.came()
	}
	s.p.logRefused(s.cl, bad.Reason)
	s.p.journalRefused(s.cl, &capture.Entry{
		Method: s.head.Method, Target: s.head.Target, Proto: s.head.Proto, Authority: s.head.Header.Get("Host"), Status: bad.Status,
		Error:       bad.Reason,
		RequestBody: capture.Blob{Size: int64(size)},
	}, came)
	w := bufio.NewWriter(s.nc)
	s.out.reset(s, w)
	s.out.closes = true
	sayWhy(&s.out, http.StatusText(bad.Status)+": "+bad.Reason, bad.Status)
	s.out.finish()
	s.closeBehind()
}

// came returns the head of the request that is served, as it was sent.
func (s *h1Session) came() string {
	var b strings.Builder
	w := bufio.NewWriter(&b)
	h1.WriteRequest(w, &s.head)
	w.Flush()
	return b.String()
}

// closeBehind has the next Close wait until the device has all that was sent.
func (s *h1Session) closeBehind() {
	if base := s.cl.base(); base != nil {
		base.linger.Store(true)
	}
}

// serve answers the request whose head was read, and reports whether another may
// follow on the connection.
func (s *h1Session) serve() bool {
	s.bw.Reset(s.nc)
	s.out.reset(s, s.bw)
	x := &serving{p: s.p, w: &s.out, h1: &s.out, cl: s.cl}
	x.dev.s, x.ctx = s, &x.dev
	s.dev = &x.dev
	if err := s.request(&x.r); err != nil {
		s.refuse(err)
		return false
	}
	whole := s.handle(x)
	s.dev.end()
	if s.out.taken {
		return false
	}
	if !whole {
		return false
	}
	s.out.finish()
	if !s.drained() {
		s.closeBehind()
		return false
	}
	return !s.out.closes && s.out.err == nil
}

// handle has the request answered. It reports false when the answer is to be
// broken off.
func (s *h1Session) handle(x *serving) (whole bool) {
	defer func() {
		if e := recover(); e != nil {
			whole = false
			if e != http.ErrAbortHandler { //nolint:errorlint // the value itself is panicked with
				s.p.log.Error("panic serving "+s.cl.addr.String(), slog.Any("panic", e), slog.String("stack", string(debug.Stack())))
			}
		}
	}()
	x.serve()
	return true
}

// maxRest is how much of a body that nobody wanted is read, in bytes, so that the
// connection can serve another request.
const maxRest = 256 << 10

// drained reports whether the body has come to its end, for which its rest is
// read if that is short.
func (s *h1Session) drained() bool {
	b := s.body
	if b == nil || b.ended {
		return true
	}
	if b.invites.Load() { // it was not asked for, and may come or not
		return false
	}
	_, err := io.CopyN(io.Discard, b, maxRest)
	return b.ended || errors.Is(err, io.EOF)
}

// enter notes that a connection is being served; false when the proxy is closing.
func (p *Proxy) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shut {
		return false
	}
	p.sessions.Add(1)
	return true
}

// deviceBody is the body of a request. Its first Read invites the device to send
// it, if that waits (RFC 9110 section 10.1.1).
type deviceBody struct {
	s       *h1Session
	src     io.Reader
	invites atomic.Bool // the device waits, and was not invited
	ended   bool
}

func (b *deviceBody) Read(p []byte) (int, error) {
	b.invite()
	n, err := b.src.Read(p)
	if err == io.EOF && !b.ended {
		b.ended = true
		b.s.dev.bodyEnded()
	}
	return n, err
}

// invite tells the device to send the body, if it waits for that.
func (b *deviceBody) invite() {
	if b.invites.Load() && b.invites.Swap(false) {
		b.s.out.invite()
	}
}

// Close does nothing: the rest of the body is read after the answer.
func (b *deviceBody) Close() error { return nil }
