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
		t.refuse("refused: the tunnel carries no HTTP, and nothing is connected to the real server here")
		return
	}
	if t.server == nil {
		var err error
		if t.server, err = t.connect(context.Background()); err != nil {
			t.refuse(err.Error())
			return
		}
	}
	if !p.track(t.server) {
		return
	}
	defer p.untrack(t.server)
	t.c.tie(t.server)
	s := p.stream(t.entry())
	s.note(t.first, true)
	s.note(t.early, false)
	if err := t.pass(); err != nil {
		s.end(err.Error())
		return
	}
	s.pipe(t.device, t.server)
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
func (t *tunnel) refuse(why string) {
	t.p.log.Warn("tunnel without HTTP not connected", slog.String("target", t.c.target), slog.String("error", why))
	e := t.entry()
	e.Origin, e.Error = exchange.FromProxy, why
	s := t.p.stream(e)
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
	if t.server != nil {
		e.Server = peerOf(t.server)
	}
	return e
}
