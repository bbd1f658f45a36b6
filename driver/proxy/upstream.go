package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/proxy/way"
)

// Bounds of connections to real servers.
const (
	dialTimeout     = 30 * time.Second
	upstreamIdle    = 90 * time.Second
	maxIdlePerHost  = 256
	maxResponseHead = 1 << 20
)

// upstream asks real servers. Requests that came over HTTP/1 are written and
// read on the exchange's own goroutine (h1.go); those that came over HTTP/2 go
// over HTTP/2 where the server speaks it (h2.go).
type upstream struct {
	dialer net.Dialer
	tls    *tls.Config // cloned per server name
	own    *Listeners
	parent *way.Parent // nil for none
	recent *made       // nil without a transparent way
	counts *Counters
	pool   h1Pool
	h2     *h2Client
}

// newUpstream needs a complete configuration.
func newUpstream(cfg Config) *upstream {
	u := &upstream{
		own: cfg.Listeners, parent: cfg.Parent, counts: cfg.Counters,
		dialer: net.Dialer{Timeout: dialTimeout, KeepAliveConfig: keepAlive()},
	}
	u.tls = cfg.bounded(&tls.Config{InsecureSkipVerify: cfg.Insecure, ClientSessionCache: tls.NewLRUClientSessionCache(256)})
	for _, w := range cfg.Ways {
		if w.mode.Kind == way.Transparent {
			u.recent = newMade()
		}
	}
	u.h2 = newH2Client(u)
	return u
}

func (u *upstream) close() {
	u.pool.close()
	u.h2.close()
}

// dial connects to a real server, through the upstream proxy if there is one. It is how
// every connection for a device is made.
func (u *upstream) dial(ctx context.Context, addr string) (net.Conn, error) {
	ctx, done := tripOf(ctx).connecting(ctx)
	defer done()
	if u.parent.Uses(addr) {
		return u.dialThrough(ctx, addr)
	}
	return u.dialDirect(ctx, addr)
}

// dialThrough has the upstream proxy connect to a real server.
func (u *upstream) dialThrough(ctx context.Context, addr string) (net.Conn, error) {
	if to, err := netip.ParseAddrPort(addr); err == nil && u.own.Reaches(to) {
		u.counts.refused.Add(1)
		return nil, errOwn
	}
	c, err := u.dialParent(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if err := u.parent.Connect(ctx, c, addr); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// dialParent connects to the upstream proxy.
func (u *upstream) dialParent(ctx context.Context) (net.Conn, error) {
	c, err := u.dialDirect(ctx, u.parent.Addr())
	if err != nil {
		return nil, u.parent.Fault(err)
	}
	if !u.parent.Secure() {
		return c, nil
	}
	cfg := u.tls.Clone()
	cfg.ServerName, _ = exchange.SplitAuthority(u.parent.Addr(), 443)
	t := tls.Client(newIdleSocket(c), cfg)
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, u.parent.Fault(tlsReason(err))
	}
	return t, nil
}

// dialDirect connects to an address; one to a listener of our own is refused. That is decided by the address
// that the system is about to connect to, whatever name or spelling led there.
func (u *upstream) dialDirect(ctx context.Context, addr string) (net.Conn, error) {
	var refused atomic.Bool // addresses of a name are tried side by side
	d := u.dialer
	d.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err == nil && u.own.Reaches(to) {
			refused.Store(true)
			err = errOwn
		}
		return err
	}
	c, err := d.DialContext(ctx, "tcp", addr)
	switch {
	case refused.Load() && err != nil:
		u.counts.refused.Add(1)
		return nil, errOwn
	case err != nil:
		u.counts.failed.Add(1)
		return nil, err
	case u.own.looped(c):
		u.counts.refused.Add(1)
		c.Close()
		return nil, errOwn
	}
	u.counts.connected.Add(1)
	u.recent.add(c)
	return c, nil
}

// forward is Exchange.Forward.
func (s *serving) forward(ctx context.Context) (*exchange.Response, error) {
	q := &s.req
	if s.r.h2 == nil && q.IsWebSocket() {
		if why := q.HandshakeFault(); why != "" {
			s.x.Notes.Add("warning", "the device's WebSocket handshake is wrong: "+why)
		}
	}
	addr := q.DialAddr
	if addr == "" {
		addr = q.Addr()
	}
	if host := q.Header.Get("Host"); host != "" {
		q.Authority = host // a handler may have set it
	}
	if err := checkRequest(q); err != nil {
		return nil, fmt.Errorf("request to %s can't be sent: %w", addr, err)
	}
	s.trip.begin(time.Since(s.x.Start))
	key := h1Key{addr: addr, tls: q.Scheme == "https"}
	if key.tls {
		key.sni = s.sni()
	}
	if key.owner = s.owner(); s.r.h2 != nil && key.owner == nil && (key.tls || !s.cl.tls) {
		res, err := s.forwardH2(ctx, key)
		if err == nil {
			return res, nil
		}
		if !errors.Is(err, errOnlyH1) {
			return nil, s.fault(ctx, addr, "without an answer", err)
		}
	}
	key.whole = !key.tls && q.DialAddr == "" && s.p.upstream.parent.Forwards(addr) && offered(q.Header.Values("Upgrade")) == ""
	return s.forwardH1(ctx, key)
}

// sni returns the name for the TLS handshake with the real server: the one that
// the device asked for, unless a script sent the request elsewhere.
func (s *serving) sni() string {
	if s.cl.in.server() != nil && !s.p.cfg.KeepHost {
		return s.req.Host
	}
	if s.cl.sni != "" && (s.req.DialAddr != "" || s.req.Host == s.cl.host) {
		return s.cl.sni
	}
	return s.req.Host
}

// informational passes an interim answer (103 Early Hints) on.
func (s *serving) informational(status int, header exchange.Header) {
	if s.req.Proto != "HTTP/1.0" {
		s.w.interim(status, header)
	}
}

// isOurs reports whether lines with that name are not passed on to a server: those
// about the device's own connection, and those that are written anew for the
// server's. All others go on as they came, also those that a Connection line names.
func isOurs(name string) bool {
	switch len(name) { // most names have another length
	case 4:
		return exchange.EqualName(name, "Host")
	case 6:
		return exchange.EqualName(name, "Expect")
	case 7:
		return exchange.EqualName(name, "Upgrade") || exchange.EqualName(name, "Trailer")
	case 14:
		return exchange.EqualName(name, "Content-Length") || exchange.IsHop(name)
	}
	return exchange.IsHop(name)
}

// dialTLS connects to a real server and does the TLS handshake, in which it
// offers protocols.
func (u *upstream) dialTLS(ctx context.Context, key h1Key, protocols ...string) (*tls.Conn, error) {
	nc, err := u.dial(ctx, key.addr)
	if err != nil {
		return nil, err
	}
	cfg := u.tls.Clone()
	cfg.ServerName, cfg.NextProtos = key.sni, protocols
	t := tls.Client(newIdleSocket(nc), cfg)
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	began, measure := time.Now(), tripOf(ctx)
	err = t.HandshakeContext(ctx)
	measure.secured(time.Since(began))
	if err != nil {
		nc.Close()
		u.counts.servers.add(tlsFailure(err))
		return nil, &exchange.UpstreamError{Addr: key.addr, Doing: "in the TLS handshake", Err: tlsReason(err)}
	}
	return t, nil
}

// tlsReason returns the error of a TLS handshake with a real server, in other
// words where the server does not speak TLS or an allowed version of it.
func tlsReason(err error) error {
	var rec tls.RecordHeaderError
	if errors.As(err, &rec) {
		return errors.New("the server does not speak TLS")
	}
	if text := err.Error(); tooOld(text) != text {
		return errors.New(tooOld(text))
	}
	return err
}
