package proxy

import (
	"crypto/tls"

	"starproxy/driver/tlsfault"
)

// clearConn is the inside of a TLS connection.
type clearConn struct {
	*tls.Conn
	pre   []byte // read already
	limit int    // of the plaintext of a record, 0 for none
	met   *meeting
	below *conn
	one   [1]byte
}

// newClearConn returns the inside of the TLS connection t that c carries.
func newClearConn(t *tls.Conn, c *conn) *clearConn {
	return &clearConn{Conn: t, limit: c.limit, met: c.met.Load(), below: c}
}

// await waits for a byte to come, which stays to be read.
func (c *clearConn) await() error {
	if len(c.pre) > 0 {
		return nil
	}
	n, err := c.receive(c.one[:])
	if c.pre = c.one[:n]; n > 0 {
		err = nil // it comes again
	}
	return err
}

// Write sends bytes in records as short as the device wants them.
func (c *clearConn) Write(b []byte) (n int, err error) {
	for c.limit > 0 && len(b) > c.limit {
		m, err := c.Conn.Write(b[:c.limit])
		if n += m; err != nil {
			return n, err
		}
		b = b[m:]
	}
	m, err := c.Conn.Write(b)
	return n + m, err
}

func (c *clearConn) Read(b []byte) (n int, err error) {
	if n = takeRead(&c.pre, b); n == 0 {
		n, err = c.receive(b)
	}
	return n, err
}

// receive reads from the device.
func (c *clearConn) receive(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.met != nil {
		c.met.came(n, err)
	}
	if c.below != nil {
		if h := c.below.diagnosed.Load(); h != nil {
			c.below.heardInside(h, n, err)
		}
	}
	return n, err
}

// Close ends the connection, and says so to the device unless a fault forbids it.
func (c *clearConn) Close() error {
	if c.below != nil {
		c.below.closedInside()
	}
	if c.mum() {
		return c.NetConn().Close()
	}
	return c.Conn.Close()
}

// CloseWrite tells the device that nothing more will come.
func (c *clearConn) CloseWrite() error {
	if c.mum() {
		return closeWrite(c.NetConn())
	}
	return c.Conn.CloseWrite()
}

// mum reports whether the connection ends without close_notify.
func (c *clearConn) mum() bool { return c.met != nil && c.met.Fault.Kind == tlsfault.NoCloseNotify }
