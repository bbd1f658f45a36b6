package proxy

import (
	"context"
	"log/slog"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// relay copies bytes between a device and the real server that are not HTTP,
// and journals them.
func (t *tunnel) relay() {
	defer t.close()
	p := t.p
	if !p.take() {
		return
	}
	defer p.taken.Done()
	t.c.idleSince.Store(0)
	if p.cfg.Isolated && !t.alone {
		t.refuse(t.entry(), "refused: the tunnel carries no HTTP, and nothing is connected to the real server here")
		return
	}
	e := t.entry()
	defer func() { t.stop() }()
	if err := t.reach(e); err != nil {
		t.refuse(e, err.Error())
		return
	}
	if !p.track(t.server) {
		return
	}
	defer p.untrack(t.server)
	t.c.tie(t.server)
	e.Server = peerOf(t.server)
	s := p.stream(e, &t.flight)
	if f := p.flights(); f != nil && e.Seq != 0 {
		t.flight.Set(capture.Joined)
		f.Enter(&t.flight, e.Live, e, nil, t)
		defer f.Leave(&t.flight)
	}
	s.note(t.first, true)
	s.note(t.early, false)
	if err := t.pass(); err != nil {
		s.end(err.Error())
		return
	}
	s.pipe(t.device, t.server)
}

// reach connects to the real server. While it does, the stream is in flight.
func (t *tunnel) reach(e *capture.Entry) (err error) {
	var ctx context.Context
	ctx, t.stop = context.WithCancel(context.Background())
	f := t.p.flights()
	if f != nil {
		e.Live = f.Number()
	}
	if t.server != nil {
		return nil
	}
	if f != nil {
		known := *e // it changes when the server is there
		t.flight.Set(capture.Connecting)
		f.Enter(&t.flight, e.Live, &known, nil, t)
		defer func() {
			if f.Leave(&t.flight) {
				err = capture.ErrCut
				e.Notes = append(e.Notes, exchange.Note{Level: exchange.Met, Text: capture.CutOff})
			}
		}()
	}
	t.server, err = t.connect(ctx)
	return err
}

// pass sends the bytes on that were read before both sides were connected.
func (t *tunnel) pass() error {
	if _, err := t.server.Write(t.first); err != nil {
		return err
	}
	_, err := t.device.Write(t.early)
	return err
}

// refuse journals a stream that is not connected, with the device's first bytes.
func (t *tunnel) refuse(e *capture.Entry, why string) {
	t.p.log.Warn("tunnel without HTTP not connected", slog.String("target", t.c.target), slog.String("error", why))
	e.Origin, e.Error = exchange.FromProxy, why
	s := t.p.stream(e, &t.flight)
	s.note(t.first, true)
	s.end(why)
}

// entry returns that of the tunnel's stream.
func (t *tunnel) entry() *capture.Entry {
	e := &capture.Entry{
		Kind: capture.TCP, Start: t.start, Client: peerOf(t.c).Addr, Conn: t.p.conned.Add(1),
		Method: "TCP", Scheme: "tcp", Proto: capture.ProtoTCP, Authority: t.c.target, Origin: exchange.FromServer,
		Notes: metNotes(t.c.meets(), t.c.lane.meets()), Way: t.c.in.Name(),
	}
	port := 80
	if t.tls != nil {
		e.Scheme, e.ClientTLS, e.SNI, port = "tls", agreed(t.tls), t.tls.ConnectionState().ServerName, 443
	}
	e.Host, e.Port = exchange.SplitAuthority(t.c.target, port)
	return e
}
