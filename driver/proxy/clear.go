package proxy

import "crypto/tls"

// clearConn is the inside of a TLS connection.
type clearConn struct {
	*tls.Conn
	pre   []byte // read already
	limit int    // of the plaintext of a record, 0 for none
	one   [1]byte
}

// await waits for a byte to come, which stays to be read.
func (c *clearConn) await() error {
	if len(c.pre) > 0 {
		return nil
	}
	n, err := c.Conn.Read(c.one[:])
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
		n, err = c.Conn.Read(b)
	}
	return n, err
}
