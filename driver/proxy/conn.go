package proxy

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/handshake"
	"starproxy/driver/proxy/splice"
	"starproxy/driver/tlsfault"
)

// conn is a client connection that has been handed over: the bytes that were
// read already, then the connection itself.
type conn struct {
	net.Conn       // the lane, or the TLS that carries this connection
	lane     *lane // of the socket below
	p        *Proxy
	pre      []byte
	target   string // host:port of the CONNECT, empty for plain requests
	depth    int    // of CONNECTs, one inside the other
	in       *Way   // nil for the proxy's first listener
	direct   bool   // it was for the listener of a transparent way itself
	once     sync.Once
	linger   atomic.Bool // close so that the device gets all that was sent
	early    net.Conn    // the real server, when a handshake had to ask it

	heard   []byte // read in the handshake so far
	hearing bool
	shaking bool    // a handshake is under way
	last    [7]byte // read in it
	limit   int     // of the records that the device takes, 0 for none
	plain   bool    // our records are not encrypted yet

	idleSince atomic.Int64 // Proxy.ticks, 0 while a request is served

	offered atomic.Bool             // the device is shown our certificate
	met     atomic.Pointer[meeting] // nil when the handshake meets no fault
	// diagnosed is the handshake while the device has sent nothing inside it.
	diagnosed atomic.Pointer[handshake.Handshake]

	shaper shaper // of our part of the handshake; nil for none, and afterwards

	owns atomic.Bool // connections to servers, see ntlm.go
	left atomic.Bool // it was closed

	mu     sync.Mutex
	server net.Conn // that is closed with this one
	ended  bool

	moved atomic.Bool // bytes have passed since the last sweep
	still time.Time   // since when none have; the sweep's own
}

// mark notes that bytes have passed. It writes once a sweep only, so that it
// costs a request nothing.
func (c *conn) mark() {
	if !c.moved.Load() {
		c.moved.Store(true)
	}
}

// newConn makes the connection that nc carries ours; below is the lane of its socket.
func (p *Proxy) newConn(nc net.Conn, below *lane, pre []byte) *conn {
	return &conn{Conn: nc, lane: below, p: p, pre: pre}
}

// bare reports whether the bytes of the connection are those of the socket.
func (c *conn) bare() bool { return c.Conn == net.Conn(c.lane) }

// meant returns the host and the port that the device meant: the target of its
// CONNECT, or, without one, the address at which it reached the proxy.
func (c *conn) meant() (string, int) {
	if c.target != "" {
		return exchange.SplitAuthority(c.target, 443)
	}
	own := plainAddr(c.lane.LocalAddr().(*net.TCPAddr).AddrPort())
	return own.Addr().String(), int(own.Port())
}

func (c *conn) Read(b []byte) (int, error) {
	if n := takeRead(&c.pre, b); n > 0 {
		return n, nil
	}
	n, err := c.Conn.Read(b)
	c.mark()
	if c.hearing && len(c.heard) < maxHello {
		c.heard = append(c.heard, b[:n]...)
	}
	if c.shaking && n >= len(c.last) {
		copy(c.last[:], b[n-len(c.last):n])
	}
	return n, err
}

// takeRead moves bytes that were read already from pre to b, as many as fit.
func takeRead(pre *[]byte, b []byte) int {
	n := copy(b, *pre)
	if *pre = (*pre)[n:]; len(*pre) == 0 {
		*pre = nil
	}
	return n
}

// Write sends bytes, in our part of a handshake in records as short as the
// device wants them.
func (c *conn) Write(b []byte) (int, error) {
	c.mark()
	if c.shaper != nil {
		if err := c.shaper.write(b); err != nil {
			return 0, err
		}
		return len(b), nil
	}
	if c.limit == 0 || !c.plain {
		return c.Conn.Write(b)
	}
	if err := c.emit(b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// shortened returns records of our part of a handshake as short as the device wants
// them.
func (c *conn) shortened(records []byte) []byte {
	if c.limit == 0 || !c.plain {
		return records
	}
	return splitRecords(records, c.limit, &c.plain)
}

// emit sends records of our part of a handshake, as short as the device wants them.
func (c *conn) emit(records []byte) error {
	_, err := c.Conn.Write(c.shortened(records))
	return err
}

// fileStep is how much of a file is sent between two marks, in bytes.
const fileStep = 256 << 10

// ReadFrom sends a body by the fastest way that its source allows. A file goes
// step by step, so that a slow device does not pass for a silent one. Under a network
// profile, also one that is set meanwhile, all goes through memory.
func (c *conn) ReadFrom(r io.Reader) (total int64, err error) {
	if m, ok := r.(*splice.Mover); ok && c.bare() {
		return c.move(m)
	}
	l, _ := r.(*io.LimitedReader)
	if l == nil || !c.bare() || !isFile(l.R) {
		return c.copy(r)
	}
	for l.N > 0 && err == nil {
		var n int64
		if step := (&io.LimitedReader{R: l.R, N: min(l.N, fileStep)}); c.lane.shaped() {
			n, err = c.copy(step)
		} else {
			n, err = c.lane.tcp.ReadFrom(step)
		}
		c.mark()
		l.N -= n
		if total += n; n == 0 {
			break // the file is shorter than it was
		}
	}
	return total, err
}

// copy sends a body through memory.
func (c *conn) copy(r io.Reader) (int64, error) {
	buf := copyBuffers.Get().(*[copySize]byte)
	defer copyBuffers.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{c}, struct{ io.Reader }{r}, buf[:])
}

// move sends a body from the socket of a server.
func (c *conn) move(m *splice.Mover) (total int64, err error) {
	for m.Left > 0 && err == nil {
		var n int64
		if c.lane.shaped() {
			n, err = m.MoveTo(c, c.mark, c.lane.shaped)
		} else {
			n, err = m.MoveTo(c.lane.tcp, c.mark, c.lane.shaped)
		}
		total += n
	}
	var device *splice.WriteError
	if errors.As(err, &device) {
		err = gone(device.Err)
	}
	return total, err
}

func isFile(r io.Reader) bool {
	_, ok := r.(*os.File)
	return ok
}

// CloseWrite tells the device that nothing more will come.
func (c *conn) CloseWrite() error { return closeWrite(c.Conn) }

func (c *conn) Close() error {
	return c.end(func() error {
		if c.linger.Load() {
			return c.closeBehind()
		}
		return c.Conn.Close()
	})
}

// cut closes the socket without a word of TLS, which could wait for a device
// that does not read.
func (c *conn) cut() error { return c.end(c.lane.cut) }

// end closes the connection once, and the real server that is tied to it.
func (c *conn) end(shut func() error) error {
	err := net.ErrClosed
	c.once.Do(func() {
		if m := c.met.Load(); m != nil && m.open.Load() {
			m.settle(tlsfault.Silent, silent)
		}
		c.p.untrack(c)
		if c.left.Store(true); c.owns.Load() {
			c.p.upstream.pool.disown(c)
		}
		err = shut()
		c.mu.Lock()
		server := c.server
		c.ended = true
		c.mu.Unlock()
		if server != nil {
			server.Close()
		}
	})
	return err
}

// tie has the connection to a real server closed with this one. A relay whose
// device has said its last word reads from the server alone, and would not see
// that its device is closed.
func (c *conn) tie(server net.Conn) {
	if t, ok := server.(*tls.Conn); ok {
		server = t.NetConn() // no goodbye, see cut
	}
	c.mu.Lock()
	c.server = server
	ended := c.ended
	c.mu.Unlock()
	if ended {
		server.Close()
	}
}

// reset closes the socket with a TCP reset.
func (c *conn) reset() error {
	return c.end(c.lane.reset)
}
