package proxy

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// conn is a client connection that has been handed over: the bytes that were
// read already, then the connection itself.
type conn struct {
	net.Conn              // the socket, or the TLS that carries this connection
	tcp      *net.TCPConn // the socket below
	p        *Proxy
	pre      []byte
	target   string // host:port of the CONNECT, empty for plain requests
	depth    int    // of CONNECTs, one inside the other
	once     sync.Once
	flow     outflow
	early    net.Conn // the real server, when a handshake had to ask it

	heard   []byte // read in the handshake so far
	hearing bool
	limit   int  // of the records that the device takes, 0 for none
	plain   bool // our records are not encrypted yet

	note      headNote     // of plain requests
	idleSince atomic.Int64 // Unix nanoseconds, 0 while a request is served

	owns atomic.Bool // connections to servers, see ntlm.go
	left atomic.Bool // it was closed
}

// newConn makes the connection that nc carries ours; tcp is the socket below nc.
func (p *Proxy) newConn(nc net.Conn, tcp *net.TCPConn, pre []byte) *conn {
	return &conn{Conn: nc, tcp: tcp, p: p, pre: pre}
}

// bare tells whether the bytes of the connection are those of the socket.
func (c *conn) bare() bool { return c.Conn == net.Conn(c.tcp) }

// meant is the host and the port that the device meant: the target of its
// CONNECT, or, without one, the address at which it reached the proxy.
func (c *conn) meant() (string, int) {
	if c.target != "" {
		return splitHostPort(c.target, 443)
	}
	own := c.tcp.LocalAddr().(*net.TCPAddr).AddrPort()
	return own.Addr().Unmap().WithZone("").String(), int(own.Port())
}

func (c *conn) Read(b []byte) (int, error) {
	if len(c.pre) > 0 {
		n := copy(b, c.pre)
		if c.pre = c.pre[n:]; len(c.pre) == 0 {
			c.pre = nil
		}
		c.note.add(b[:n])
		return n, nil
	}
	n, err := c.Conn.Read(b)
	c.note.add(b[:n])
	if c.hearing && len(c.heard) < maxHello {
		c.heard = append(c.heard, b[:n]...)
	}
	return n, err
}

// Write sends bytes, in our part of a handshake in records as short as the
// device wants them.
func (c *conn) Write(b []byte) (int, error) {
	if c.note.owed {
		if err := c.p.explain(c.Conn, &c.note, b); err != nil {
			return 0, err
		}
		return len(b), nil
	}
	if c.limit == 0 || !c.plain {
		n, err := c.Conn.Write(b)
		c.flow.add(n)
		return n, err
	}
	if _, err := c.Conn.Write(splitRecords(b, c.limit, &c.plain)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// ReadFrom sends a body by the fastest way that its source allows.
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	if !c.bare() {
		return io.Copy(struct{ io.Writer }{c}, r)
	}
	if m, ok := r.(*mover); ok {
		return m.moveTo(c.tcp)
	}
	return c.tcp.ReadFrom(r)
}

// CloseWrite tells the device that nothing more will come.
func (c *conn) CloseWrite() error {
	if h, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return c.Close()
}

func (c *conn) Close() error {
	err := net.ErrClosed
	c.once.Do(func() {
		c.p.untrack(c)
		if c.left.Store(true); c.owns.Load() {
			c.p.upstream.pool.disown(c)
		}
		if c.flow.linger.Load() {
			err = c.closeBehind()
		} else {
			err = c.Conn.Close()
		}
	})
	return err
}

// cut closes the socket without a word of TLS, which could wait for a device
// that does not read.
func (c *conn) cut() error {
	err := net.ErrClosed
	c.once.Do(func() {
		c.p.untrack(c)
		if c.left.Store(true); c.owns.Load() {
			c.p.upstream.pool.disown(c)
		}
		err = c.tcp.Close()
	})
	return err
}

// reset closes the socket with a TCP reset.
func (c *conn) reset() error {
	c.tcp.SetLinger(0)
	return c.cut()
}
