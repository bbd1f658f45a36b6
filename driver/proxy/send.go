package proxy

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// send writes status, header, body and trailers.
func (s *serving) send(res *exchange.Response) {
	ctx := s.ctx
	if s.flight.WasCut() {
		s.conn.abort = true
		return
	}
	if wait := res.Wait(); wait > 0 {
		s.flight.Set(capture.Delayed)
		if s.err = exchange.Sleep(ctx, wait); s.err != nil {
			s.conn.abort = true
			return
		}
	}
	defer s.drain(res)()
	c := &s.conn
	c.w, c.s, c.left = s.w, s, -1
	none := exchange.Bodiless(s.req.Method, res.Status)
	size := int64(0)
	if res.Body != nil {
		size = -1
		if b, ok := res.Body.(exchange.Sized); ok {
			size = b.Size()
		}
	}
	fromServer := res.Origin == exchange.FromServer
	h := head{status: res.Status, reason: res.Reason, header: res.Header, length: size, undated: fromServer, nothing: res.Body == nil}
	if none && fromServer || res.Status == http.StatusNoContent || res.Status == http.StatusNotModified {
		h.length = -1
	}
	if c.breaks = s.r.h2 != nil && breaks(res.Body); c.breaks {
		c.begin(1)
	}
	s.w.begin(h)
	if res.Body == nil || none {
		return
	}
	if exchange.Endless(res.Body) {
		s.x.Answered()
	}
	s.conn.send(ctx, res, size)
}

// hijack sends a body that takes the connection.
func (s *serving) hijack(res *exchange.Response) {
	if s.conn.abort { // somebody has cut it
		return
	}
	s.conn.w, s.conn.s, s.conn.left = s.w, s, -1
	if !s.p.take() {
		s.conn.abort = true
		return
	}
	defer s.p.taken.Done()
	ctx, stop := s.lasting()
	defer stop()
	if wait := res.Wait(); wait > 0 {
		s.flight.Set(capture.Delayed)
		if err := exchange.Sleep(ctx, wait); err != nil {
			s.conn.abort = true
			return
		}
		s.flight.Set(capture.Joined)
	}
	if s.up != nil {
		// No protocol is switched before the whole request is there (RFC 9110
		// section 7.8), and nobody may read from the device then.
		if s.up.wait(ctx, idleTimeout); !s.up.over() || !s.incoming.Whole() {
			s.conn.abort = true
			s.cut(s.up)
			return
		}
	}
	defer s.drain(res)()
	s.x.Answered()
	s.conn.watch = s.watching()
	if s.conn.watch != nil {
		defer s.conn.watch.end(s)
	}
	if err := res.Body.SendTo(ctx, &s.conn); err != nil {
		s.p.log.Debug("socket ended", slog.String("url", s.req.URL()), slog.Any("error", err))
	}
	// One that was not taken never got an answer, and gets none.
	s.conn.abort = !s.conn.taken
}

// lasting returns the context of a body that may last for long: it ends with the
// exchange and when the endpoint that answers is removed.
func (s *serving) lasting() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(s.ctx)
	if s.x.Gone == nil {
		return ctx, func() { cancel(nil) }
	}
	stop := context.AfterFunc(s.x.Gone, func() { cancel(errGone) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

var errGone = errors.New("the mock was removed")

// send sends the body.
func (c *sender) send(ctx context.Context, res *exchange.Response, size int64) {
	s := c.s
	c.left = size
	c.stream = size < 0
	if j := s.p.cfg.Journal; j != nil {
		if st, ok := res.Body.(exchange.Stored); ok {
			c.blob = capture.StoredBlob(st)
		} else {
			c.rec = j.NewRecorder(res.Header, s.req.URL())
		}
		s.flight.Set(capture.Sending)
		j.Flights().Answer(&s.flight, res, c.rec, s.x.Endpoint, s.x.Source)
	}
	if size != 0 && !ready(res.Body, size) {
		c.Flush() // the header goes out now: the first byte may be long in coming
	}
	if _, lasts := res.Body.(exchange.Lasting); (lasts || size < 0) && s.x.Gone != nil && res.Origin == exchange.FromMock {
		var stop context.CancelFunc
		ctx, stop = s.lasting()
		defer stop()
	}
	err := res.Body.SendTo(ctx, c)
	if c.rec != nil {
		c.blob = c.rec.Blob()
	}
	if err == nil && c.left > 0 && s.req.Method != http.MethodHead {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		s.err, c.abort, c.blob.Partial = err, true, true
		return
	}
	if res.Trailer != nil {
		c.trailer = res.Trailer()
		c.w.trailers(c.trailer)
	}
}

// ready reports whether the first bytes of a body, or its end, come without waiting.
func ready(b exchange.Body, size int64) bool {
	switch b := b.(type) {
	case *h1Body:
		return size >= 0 && b.Ready() || b.over()
	case exchange.Stored:
		return true
	}
	return false
}
