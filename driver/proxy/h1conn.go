package proxy

import (
	"bufio"
	"context"
	"errors"
	"net"
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
	whole     bool  // to the upstream proxy, which gets targets in absolute form
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
	dev    *presence   // breaks the exchange off when the device leaves; nil if stop is set
	stop   func() bool // stops watching the context
	cut    func()      // ends reads and writes that wait; made once, since each exchange needs it
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

// Write returns the buffered writer's destination.
func (c *h1Conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.wrote += int64(n)
	return n, err
}

var errHeadTooLarge = errors.New("response header over 1 MiB")

// Read returns the buffered reader's source.
func (c *h1Conn) Read(b []byte) (int, error) {
	if c.left <= 0 {
		return 0, errHeadTooLarge
	}
	n, err := c.Conn.Read(b)
	c.left -= int64(n)
	return n, err
}

// conn takes an idle connection or makes one, which t measures.
func (u *upstream) conn(ctx context.Context, key h1Key, t *trip) (*h1Conn, error) {
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
	ctx = context.WithValue(ctx, tripKey{}, t)
	if key.tls {
		t, err := u.dialTLS(ctx, key, "http/1.1")
		if err != nil {
			return nil, err
		}
		return u.newH1Conn(t, key), nil
	}
	dial := u.dial
	if key.whole {
		dial = func(ctx context.Context, _ string) (net.Conn, error) {
			ctx, done := t.connecting(ctx)
			defer done()
			return u.dialParent(ctx)
		}
	}
	nc, err := dial(ctx, key.addr)
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
