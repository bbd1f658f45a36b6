package proxy

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"

	"starproxy/driver/capture"
)

// flights returns the table of exchanges in flight, nil when nobody is to see them.
func (p *Proxy) flights() *capture.Flights {
	if p.cfg.Journal == nil {
		return nil
	}
	return p.cfg.Journal.Flights()
}

// number returns the number of a new exchange.
func (p *Proxy) number() uint64 {
	if t := p.flights(); t != nil {
		return t.Number()
	}
	return p.ids.Add(1)
}

// enter adds the exchange to those in flight.
func (s *serving) enter() {
	if t := s.p.flights(); t != nil {
		s.known()
		s.flying = true
		t.Enter(&s.flight, s.x.ID, &s.entry, s.body, s)
	}
}

// leave removes the exchange from those in flight, before its entry changes. It breaks the
// answer off if somebody has cut the exchange, and reports that.
func (s *serving) leave() (cut bool) {
	if !s.flying {
		return false
	}
	s.flying = false
	if cut = s.p.flights().Leave(&s.flight); cut {
		s.x.Notes.Meet(capture.CutOff)
		s.conn.abort = true
	}
	return cut
}

// join adds an exchange whose entry is in the journal, and which goes on as a socket, to
// those in flight again.
func (s *serving) join() {
	if s.entry.Seq != 0 && !s.conn.abort {
		s.flying = true
		s.flight.Set(capture.Joined)
		s.p.flights().Enter(&s.flight, s.x.ID, &s.entry, nil, s)
	}
}

// CutOff resets the device's connection, or its stream over HTTP/2, and ends the context,
// with which the connection to the real server is closed.
func (s *serving) CutOff() {
	if s.r.h2 != nil {
		// net/http resets a stream whose time to write is over, and ends its context.
		if w, ok := s.w.(*h2Reply); ok {
			_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Unix(1, 0))
		}
		return
	}
	if base := s.cl.base(); base != nil {
		_ = base.reset()
	} else {
		s.cl.socket.Close()
	}
	s.dev.leave()
}

// leave ends the context as if the device had left.
func (d *presence) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.due = true
	ctx := d.need()
	if d.cut != nil && d.uncut == nil {
		d.uncut = context.AfterFunc(ctx, d.cut)
	}
	d.cancel()
}

// CutOff resets the device's connection, with which that to the real server is closed.
func (t *tunnel) CutOff() {
	_ = t.c.reset()
	t.stop()
}

// trip measures the way to a real server. The server may be connected to on other
// goroutines, which may outlast the request.
type trip struct {
	mu sync.Mutex
	capture.Phases
}

// begin begins the measuring, a time after the request's header had been read.
func (t *trip) begin(at time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Phases = capture.Phases{Asked: at}
}

// over takes a connection for the request. One that was made for it may have been kept
// meanwhile.
func (t *trip) over(reused bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Reused = reused && t.Connect == 0
}

// note sets one of the phases.
func (t *trip) note(phase *time.Duration, d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*phase = d
}

// phases returns the measures so far.
func (t *trip) phases() capture.Phases {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.Phases
}

// tripKey is the context's key of the *trip that a connection is made for.
type tripKey struct{}

func tripOf(ctx context.Context) *trip {
	if r, ok := ctx.Value(poolKey{}).(*poolRoute); ok {
		return r.trip
	}
	t, _ := ctx.Value(tripKey{}).(*trip)
	return t
}

// secured notes how long the TLS handshake with the server took.
func (t *trip) secured(d time.Duration) {
	if t != nil {
		t.note(&t.TLS, d)
	}
}

// connecting measures how long the server's name is looked up and how long connecting
// takes, until done is called.
func (t *trip) connecting(ctx context.Context) (_ context.Context, done func()) {
	if t == nil {
		return ctx, func() {}
	}
	began := time.Now()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSDone: func(httptrace.DNSDoneInfo) { t.note(&t.DNS, time.Since(began)) },
	})
	return ctx, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.Connect = time.Since(began) - t.DNS
	}
}

// Interface guards.
var (
	_ capture.Cutter = (*serving)(nil)
	_ capture.Cutter = (*tunnel)(nil)
)
