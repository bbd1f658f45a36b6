package proxy

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// maxHead bounds the header block that is kept for the replay.
const maxHead = 1 << 20

// frontConn is a client connection while gomitmproxy has it. A Read never goes
// past the end of a header block, so gomitmproxy's buffer never holds bytes of
// a tunnel, of a body or of the next request.
type frontConn struct {
	*lane
	p     *Proxy
	in    *Way   // nil for the proxy's first listener
	rest  []byte // read from the socket, not yet given
	head  []byte // given: the raw header block
	state headState
	wrote bool
	taken atomic.Bool
	since time.Time // when it was accepted
}

// SetDeadline does nothing: gomitmproxy would allow five minutes for a header. The
// sweep allows Config.Idle.
func (c *frontConn) SetDeadline(time.Time) error { return nil }

// cut closes a connection of which no whole header has come. It touches nothing
// that a Read may be at.
func (c *frontConn) cut() error {
	if !c.taken.CompareAndSwap(false, true) {
		return net.ErrClosed
	}
	c.p.untrack(c)
	return c.lane.cut()
}

func (c *frontConn) Read(b []byte) (int, error) {
	if c.taken.Load() {
		return 0, io.EOF
	}
	if len(c.rest) == 0 {
		n, err := c.lane.Read(b)
		if n == 0 {
			return 0, err
		}
		if isRecord(b[:n]) && len(c.head) == 0 {
			c.takeTLS(b[:n])
			return 0, io.EOF
		}
		k := c.state.scan(b[:n])
		if k < n {
			c.rest = append([]byte(nil), b[k:n]...)
		}
		return c.gave(b[:k])
	}
	if isRecord(c.rest) && len(c.head) == 0 { // a trunk has read it
		c.takeTLS(c.rest)
		return 0, io.EOF
	}
	n := copy(b, c.rest)
	k := c.state.scan(b[:n])
	c.rest = c.rest[k:]
	return c.gave(b[:k])
}

func (c *frontConn) gave(b []byte) (int, error) {
	if c.head = append(c.head, b...); len(c.head) > maxHead { // our server refuses it
		return 0, errors.New("request header too large")
	}
	return len(b), nil
}

func (c *frontConn) Write(b []byte) (int, error) {
	if c.taken.Load() {
		return 0, net.ErrClosed
	}
	c.wrote = true
	return c.lane.Write(b)
}

// Close is called by gomitmproxy when it is done. When it has not answered, it could
// not read the request: then our server gets the connection and answers with the
// reason.
func (c *frontConn) Close() error {
	if !c.wrote && len(c.head) > 0 && c.takeOver("") {
		return nil
	}
	if c.taken.Load() {
		return nil
	}
	c.p.untrack(c)
	return c.lane.Close()
}

// WriteTo hands the connection over to our server when w is a marker.
func (c *frontConn) WriteTo(w io.Writer) (int64, error) {
	m, ok := w.(*marker)
	if !ok {
		return io.Copy(w, struct{ io.Reader }{c})
	}
	c.takeOver(m.target)
	return 0, nil
}

// takeOver makes the connection ours, once; a target is that of a CONNECT.
func (c *frontConn) takeOver(target string) bool {
	if !c.taken.CompareAndSwap(false, true) {
		return false
	}
	nc := c.p.newConn(c.lane, c.lane, c.rest)
	nc.in = c.in
	if nc.target = target; target == "" {
		nc.pre = append(c.head, c.rest...)
	} else {
		nc.depth = 1
	}
	c.head, c.rest = nil, nil
	c.p.untrack(c)
	if c.p.track(nc) {
		c.p.admit(nc)
	}
	return true
}

// takeTLS makes a connection ours that begins with a TLS handshake: a device
// speaks TLS to the proxy port.
func (c *frontConn) takeTLS(first []byte) {
	if !c.taken.CompareAndSwap(false, true) {
		return
	}
	nc := c.p.newConn(c.lane, c.lane, bytes.Clone(first))
	nc.in = c.in
	c.p.untrack(c)
	if c.p.track(nc) {
		go c.p.secure(nc)
	}
}

// headState finds the blank line that ends a header block.
type headState uint8

const (
	inLine headState = iota
	afterLF
	afterLFCR
)

// ends reports whether the header block ends within b, which is not empty.
func (s *headState) ends(b []byte) bool {
	return s.scan(b) < len(b) || b[len(b)-1] == '\n' && *s == inLine
}

// scan returns how much of b belongs to the header block.
func (s *headState) scan(b []byte) int {
	for i, x := range b {
		switch {
		case x == '\n' && *s != inLine:
			*s = inLine
			return i + 1
		case x == '\n':
			*s = afterLF
		case x == '\r' && *s == afterLF:
			*s = afterLFCR
		default:
			*s = inLine
		}
	}
	return len(b)
}
