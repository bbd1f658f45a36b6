package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/proxy/h1"
	"starproxy/driver/proxy/splice"
)

// h1Key says which idle connection fits a request.
type h1Key struct {
	addr, sni string
	tls       bool
	owner     *conn // the only device's connection that it is for; nil is any
}

// h1Conn is an HTTP/1.1 connection to a real server, used by one exchange at a time.
type h1Conn struct {
	net.Conn
	key    h1Key
	br     *bufio.Reader
	in     *h1.Reader
	head   h1.Response // that was read last
	bw     *bufio.Writer
	peer   exchange.Peer
	look   splice.Looker // of a plain connection
	left   int64         // bytes that may still be read; bounds a response's header
	idle   time.Time
	reused bool

	// Of the exchange that uses it. It has one user, and one more while a body
	// is uploaded beside the answer.
	users  atomic.Int32
	broken atomic.Bool // closed
	spent  atomic.Bool // to be closed by its last user
	dev    *presence   // whose end breaks the exchange off, if stop is nil
	stop   func() bool // stops watching the context
	cut    func()      // ends what waits on the connection; made once, for each exchange needs it
	pool   *h1Pool
	wrote  int64 // bytes that were sent; read before an upload only
	unsent bool  // nothing was sent
}

// use begins an exchange, which the end of ctx breaks off.
func (c *h1Conn) use(ctx context.Context) {
	c.users.Store(1)
	c.wrote, c.unsent = 0, false
	c.dev, c.stop = nil, nil
	if d, ok := ctx.(*presence); ok && d.watch(c.cut) {
		c.dev = d
	} else {
		c.stop = context.AfterFunc(ctx, c.cut)
	}
}

// unwatch ends the watching of the context that use began. It reports whether
// that has not ended.
func (c *h1Conn) unwatch() bool {
	if d := c.dev; d != nil {
		c.dev = nil
		return d.unwatch()
	}
	return c.stop()
}

// leave ends one user's use. The last one gives the connection back to the
// pool, unless things went badly for one of them.
func (c *h1Conn) leave(well bool) {
	if !well {
		c.Close()
	}
	if c.users.Add(-1) > 0 {
		return
	}
	if in := c.unwatch(); c.broken.Load() {
		return
	} else if !in || c.spent.Load() { // its deadlines are no longer those of a fresh connection
		c.Close()
		return
	}
	c.pool.put(c)
}

// Close closes the connection for all its users.
func (c *h1Conn) Close() error {
	c.broken.Store(true)
	return c.Conn.Close()
}

// Write is the buffered writer's destination.
func (c *h1Conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.wrote += int64(n)
	return n, err
}

var errHeadTooLarge = errors.New("response header over 1 MiB")

// Read is the buffered reader's source.
func (c *h1Conn) Read(b []byte) (int, error) {
	if c.left <= 0 {
		return 0, errHeadTooLarge
	}
	n, err := c.Conn.Read(b)
	c.left -= int64(n)
	return n, err
}

// conn takes an idle connection or makes one.
func (u *upstream) conn(ctx context.Context, key h1Key) (*h1Conn, error) {
	if c := u.pool.get(key); c != nil {
		return c, nil
	}
	if key.owner != nil { // an idle one that carried no authentication will do
		shared := key
		shared.owner = nil
		if c := u.pool.get(shared); c != nil {
			c.key = key
			return c, nil
		}
	}
	if key.tls {
		t, err := u.dialTLS(ctx, key, "http/1.1")
		if err != nil {
			return nil, err
		}
		return u.newH1Conn(t, key), nil
	}
	nc, err := u.dial(ctx, key.addr)
	if err != nil {
		return nil, err
	}
	return u.newH1Conn(nc, key), nil
}

// newH1Conn makes a connection that has just been opened ready for use.
func (u *upstream) newH1Conn(nc net.Conn, key h1Key) *h1Conn {
	c := &h1Conn{Conn: nc, key: key, peer: peerOf(nc), pool: &u.pool}
	c.br, c.bw = bufio.NewReaderSize(c, 4<<10), bufio.NewWriterSize(c, 4<<10)
	c.in = h1.NewReader(c.br)
	c.cut = func() { nc.SetDeadline(time.Unix(1, 0)) }
	if t, ok := nc.(*net.TCPConn); ok {
		c.look.Watch(t)
	}
	return c
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
	if err := t.HandshakeContext(ctx); err != nil {
		nc.Close()
		u.counts.servers.add(tlsFailure(err))
		return nil, &exchange.UpstreamError{Addr: key.addr, Doing: "in the TLS handshake", Err: tlsReason(err)}
	}
	return t, nil
}

// peerOf tells who is at the other end of a connection.
func peerOf(nc net.Conn) (p exchange.Peer) {
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		p.Addr = a.AddrPort()
		p.Addr = netip.AddrPortFrom(p.Addr.Addr().Unmap(), p.Addr.Port())
	}
	if t, ok := nc.(*tls.Conn); ok {
		p.TLS = agreed(t)
	}
	return p
}

// agreed is the outcome of a handshake.
func agreed(t *tls.Conn) exchange.TLS {
	s := t.ConnectionState()
	return exchange.TLS{Version: s.Version, Cipher: s.CipherSuite, ALPN: s.NegotiatedProtocol}
}

// tlsReason says in words what a server that is not TLS looks like.
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

// h1Pool keeps idle connections, the last used on top.
type h1Pool struct {
	mu    sync.Mutex
	idle  map[h1Key][]*h1Conn
	timer *time.Timer
	shut  bool
}

func (p *h1Pool) get(key h1Key) *h1Conn {
	for {
		p.mu.Lock()
		s := p.idle[key]
		if len(s) == 0 {
			p.mu.Unlock()
			return nil
		}
		c := s[len(s)-1]
		s[len(s)-1] = nil
		p.idle[key] = s[:len(s)-1]
		p.mu.Unlock()
		if time.Since(c.idle) < upstreamIdle && c.quiet() {
			c.reused = true
			return c
		}
		c.Close()
	}
}

func (p *h1Pool) put(c *h1Conn) {
	c.idle = time.Now()
	p.mu.Lock()
	if p.shut || len(p.idle[c.key]) >= maxIdlePerHost || c.br.Buffered() > 0 || c.key.owner != nil && c.key.owner.left.Load() {
		p.mu.Unlock()
		c.Close()
		return
	}
	if p.idle == nil {
		p.idle = map[h1Key][]*h1Conn{}
	}
	p.idle[c.key] = append(p.idle[c.key], c)
	if p.timer == nil {
		p.timer = time.AfterFunc(upstreamIdle, p.sweep)
	}
	p.mu.Unlock()
}

// sweep closes what has been idle for too long.
func (p *h1Pool) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = nil
	for key, s := range p.idle {
		i := 0
		for i < len(s) && time.Since(s[i].idle) >= upstreamIdle {
			s[i].Close()
			i++
		}
		if s = s[i:]; len(s) == 0 {
			delete(p.idle, key)
		} else {
			p.idle[key] = append([]*h1Conn(nil), s...)
		}
	}
	if len(p.idle) > 0 && !p.shut {
		p.timer = time.AfterFunc(upstreamIdle, p.sweep)
	}
}

func (p *h1Pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = true
	if p.timer != nil {
		p.timer.Stop()
	}
	for _, s := range p.idle {
		for _, c := range s {
			c.Close()
		}
	}
	p.idle = nil
}
