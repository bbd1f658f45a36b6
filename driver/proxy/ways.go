package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/proxy/splice"
	"starproxy/driver/proxy/way"
)

// Way is a way in beside the proxy's first listener: one listener more, which makes of
// each connection the same as a CONNECT does: a conn with a target. Nil stands for the
// first listener.
type Way struct {
	mode     way.Mode
	name     string
	listener net.Listener
	packets  net.PacketConn // of the same port; nil for none
}

// OpenWay binds the address of a mode that has one of its own. Host stands for an
// address that the mode does not have. A bind error is returned as net.Listen makes it.
func OpenWay(m way.Mode, host string) (*Way, error) {
	if !m.Own() {
		return nil, fmt.Errorf("mode %s: got no port to listen at", m)
	}
	w := &Way{mode: m, name: m.String()}
	return w, w.bind(m.Listen(host))
}

// bind opens the sockets of a way.
func (w *Way) bind(addr string) (err error) {
	switch w.mode.Kind {
	case way.Transparent:
		if !splice.Transparent {
			return errors.New("mode transparent: got another system, want Linux: only there the address is known that a connection was for")
		}
		lc := net.ListenConfig{KeepAliveConfig: keepAlive(), Control: splice.LetTransparent}
		if w.listener, err = lc.Listen(context.Background(), "tcp", addr); err == nil {
			// Datagrams are looked at only, so a port that is taken does no harm.
			w.packets, _ = lc.ListenPacket(context.Background(), "udp", w.listener.Addr().String())
		}
	case way.DNS:
		if w.listener, err = Listen(addr); err != nil {
			return err
		}
		if w.packets, err = net.ListenPacket("udp", w.listener.Addr().String()); err != nil {
			w.listener.Close()
		}
	default:
		w.listener, err = Listen(addr)
	}
	return err
}

// Share returns a way with listeners on the same sockets, for the proxy that is to take
// the place of this one.
func (w *Way) Share() (*Way, error) {
	next := *w
	var err error
	if next.listener, err = Share(w.listener); err != nil {
		return nil, err
	}
	if w.packets == nil {
		return &next, nil
	}
	if next.packets, err = sharePackets(w.packets); err != nil {
		next.listener.Close()
		return nil, err
	}
	return &next, nil
}

// sharePackets returns another connection on the socket of c.
func sharePackets(c net.PacketConn) (net.PacketConn, error) {
	udp, ok := c.(*net.UDPConn)
	if !ok {
		return nil, fmt.Errorf("share the socket at %s: it is a %T", c.LocalAddr(), c)
	}
	f, err := udp.File()
	if err != nil {
		return nil, fmt.Errorf("share the socket at %s: %w", c.LocalAddr(), err)
	}
	defer f.Close()
	return net.FilePacketConn(f)
}

// Close stops listening.
func (w *Way) Close() error {
	err := w.listener.Close()
	if w.packets != nil {
		err = errors.Join(err, w.packets.Close())
	}
	return err
}

// Addr returns the address that the way listens at.
func (w *Way) Addr() net.Addr { return w.listener.Addr() }

// Name returns the mode as it is configured, without a password; empty for nil.
func (w *Way) Name() string {
	if w == nil {
		return ""
	}
	return w.name
}

// server returns the server that a reverse way is for, nil for other ways.
func (w *Way) server() *url.URL {
	if w == nil || w.mode.Kind != way.Reverse {
		return nil
	}
	return w.mode.URL
}

// inside returns the way of a connection that comes by a CONNECT on one of this way.
func (w *Way) inside() *Way {
	if w.server() != nil {
		return nil // the CONNECT names another server
	}
	return w
}

// protect adds the addresses of the listeners to those that devices must not reach.
func (p *Proxy) protect(first net.Listener) (forget func()) {
	forgets := []func(){p.cfg.Listeners.Add(first.Addr())}
	for _, w := range p.cfg.Ways {
		forgets = append(forgets, p.cfg.Listeners.Add(w.Addr()))
	}
	return func() {
		for _, f := range forgets {
			f()
		}
	}
}

// serveWay serves a way until it is closed.
func (p *Proxy) serveWay(w *Way) {
	switch w.mode.Kind {
	case way.Regular, way.Upstream:
		p.serveFront(w.listener, w)
		return
	case way.DNS:
		p.resolve(w)
		return
	}
	if w.packets != nil {
		go p.sightQUIC(w)
	}
	for {
		nc, err := accept(w.listener, p.log)
		if err != nil {
			return
		}
		tcp, ok := nc.(*net.TCPConn)
		if !ok || !p.lets(nc, w) {
			nc.Close()
			continue
		}
		below := p.newLane(tcp)
		c := p.newConn(below, below, nil)
		c.in, c.depth = w, 1
		c.idleSince.Store(p.ticks(time.Now()))
		if p.track(c) {
			go p.comeIn(c)
		}
	}
}

// comeIn finds where a connection goes, and serves it as one inside a CONNECT.
func (p *Proxy) comeIn(c *conn) {
	target, err := p.targetOf(c)
	if err != nil {
		if !isGone(err) {
			p.log.Warn("connection refused", slog.String("client", c.RemoteAddr().String()), slog.String("way", c.in.name),
				slog.String("error", err.Error()))
		}
		c.linger.Store(true) // the device gets the answer
		c.Close()
		return
	}
	c.target = target
	p.tunnel(c)
}

// targetOf returns the host:port that the device means, for which a way may ask it.
func (p *Proxy) targetOf(c *conn) (string, error) {
	switch c.in.mode.Kind {
	case way.Reverse:
		return c.in.mode.URL.Host, nil
	case way.SOCKS5:
		c.SetDeadline(time.Now().Add(headerTimeout))
		defer c.SetDeadline(time.Time{})
		return way.AcceptSOCKS(c, p.cfg.Logins)
	case way.Transparent:
		to, err := splice.Destination(c.lane.tcp)
		if err != nil {
			return "", fmt.Errorf("the address that it was for: %w", err)
		}
		c.direct = p.cfg.Listeners.Reaches(to)
		return to.String(), nil
	}
	return "", fmt.Errorf("mode %s: no connections are taken", c.in.name)
}

// isGone reports whether a connection ended without a byte to complain about.
func isGone(err error) bool {
	return errors.Is(err, net.ErrClosed) || strings.HasSuffix(err.Error(), ": EOF")
}

// lets reports whether a connection comes from an address that may connect.
func (p *Proxy) lets(c net.Conn, in *Way) bool {
	if len(p.cfg.Allow) == 0 {
		p.cfg.Sightings.sight(SeenConnection, c.RemoteAddr(), in, "")
		return true
	}
	from, ok := c.RemoteAddr().(*net.TCPAddr)
	to, _ := c.LocalAddr().(*net.TCPAddr)
	if ok && (to != nil && to.IP.Equal(from.IP) || p.letsAddr(plainAddr(from.AddrPort()).Addr())) {
		p.cfg.Sightings.sight(SeenConnection, from, in, "")
		return true
	}
	p.cfg.Sightings.sight(SeenTurnedAway, c.RemoteAddr(), in, "")
	p.log.Warn("connection refused", slog.String("client", c.RemoteAddr().String()),
		slog.String("error", "client: got an address that listen.allow does not have"))
	return false
}

// letsAddr reports whether an address may connect.
func (p *Proxy) letsAddr(a netip.Addr) bool {
	for _, r := range p.cfg.Allow {
		if r.Contains(a) {
			return true
		}
	}
	return len(p.cfg.Allow) == 0
}

// reversed sets where a request on a reverse way goes. It returns why that can't be; ""
// when it can.
func (s *serving) reversed(to *url.URL) string {
	r, q := &s.r, &s.req
	q.Scheme, q.Host, q.Port = to.Scheme, s.cl.host, s.cl.port
	if !s.p.cfg.KeepHost || r.authority == "" {
		if q.Authority = exchange.URLAuthority(q.Scheme, q.Host, q.Port); q.Header.Has("Host") {
			q.Header.Set("Host", q.Authority)
		}
		return ""
	}
	host, _, err := exchange.ParseAuthority(r.authority, q.Port)
	if err != nil {
		return err.Error()
	}
	if q.Host = host; host != s.cl.host {
		q.DialAddr = s.cl.target
	}
	return ""
}

// secures reports whether the real server is spoken to with TLS, given whether the
// device does so.
func (c *conn) secures(device bool) bool {
	if to := c.in.server(); to != nil {
		return to.Scheme == "https"
	}
	return device
}

// asksTLS reports whether a handshake with the real server may tell something for that
// with the device.
func (c *conn) asksTLS() bool { return c.target != "" && c.secures(true) }

// Ways returns the ways in beside the first listener.
func (p *Proxy) Ways() []*Way { return p.cfg.Ways }

// Way returns the way of a name, nil for none.
func (p *Proxy) Way(name string) *Way {
	for _, w := range p.cfg.Ways {
		if w.name == name {
			return w
		}
	}
	return nil
}
