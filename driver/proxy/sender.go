package proxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"sync"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/proxy/splice"
)

// sender is the device's side of one exchange: it passes a body on and
// records it within the journal's bounds.
type sender struct {
	w      replier
	s      *serving
	rec    *capture.Recorder
	blob   capture.Blob
	left   int64 // bytes of the announced length still to come, -1 when unknown
	stream bool  // flush after every piece
	abort  bool  // break the connection off instead of ending the response
	taken  bool  // by Hijack
	watch  *watch

	breaks bool  // the body may break the connection off, over HTTP/2
	piece  int   // size of the last piece that was given to w, see step
	mark   int64 // bytes that the socket had sent before it

	trailer exchange.Header
}

// Write sends bytes. The last one of a large body goes by itself: it stays in the
// buffer until the answer is ended, that is, until the entry is journaled.
func (c *sender) Write(b []byte) (int, error) {
	if c.rec != nil {
		c.rec.Write(b)
		return c.pass(b)
	}
	n, err := c.pass(b)
	c.s.flight.Sent(int64(n))
	return n, err
}

func (c *sender) pass(b []byte) (int, error) {
	n := len(b)
	if c.left >= 0 {
		if int64(n) > c.left {
			return 0, http.ErrContentLength
		}
		c.left -= int64(n)
		if c.left == 0 && n > holdBack {
			if m, err := c.w.Write(b[:n-1]); err != nil {
				return m, gone(err)
			}
			b = b[n-1:]
		}
	}
	if c.breaks {
		c.step(len(b))
	}
	if m, err := c.w.Write(b); err != nil {
		return m, gone(err)
	}
	if c.stream {
		return n, c.Flush()
	}
	return n, nil
}

// holdBack is the size in bytes up to which a whole body fits into the buffer.
const holdBack = 1 << 10

// Flush sends what is in the buffer.
func (c *sender) Flush() error {
	return gone(c.w.FlushError())
}

// Hijack hands the connection over.
func (c *sender) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := c.w.Hijack()
	c.taken = err == nil
	if c.taken && c.watch != nil {
		nc, rw = c.watch.conn(nc, rw)
	}
	return nc, rw, err
}

// Break ends the whole connection, also over HTTP/2, after it has sent last. The
// bytes that were flushed go before, except that a reset may overtake them.
func (c *sender) Break(last []byte, reset bool) error {
	c.abort = true
	cl := c.s.cl
	c.settle()
	if len(last) > 0 {
		cl.conn.Write(last)
	}
	base := cl.base()
	if !reset {
		if base != nil {
			base.linger.Store(true)
		}
		return cl.conn.Close()
	}
	if base != nil {
		return base.reset() // a TLS goodbye would come before the reset
	}
	return cl.socket.Close()
}

// Stall notes that a fault holds the rest of the answer back, or no longer does.
func (c *sender) Stall(on bool) {
	if on {
		c.s.flight.Set(capture.Stalled)
	} else {
		c.s.flight.Set(capture.Sending)
	}
}

// Multiplexed reports whether the device speaks HTTP/2.
func (c *sender) Multiplexed() bool { return c.s.r.h2 != nil }

// copyBuffers spares a request the making of its buffer: 21 % of the CPU time of a
// small one that is passed through. Delete them when small bodies are copied without
// such a buffer.
var copyBuffers = sync.Pool{New: func() any { return new([copySize]byte) }}

const copySize = 128 << 10

// ReadFrom sends all of src. Each piece is sent as soon as it was read. The kernel
// copies a file that need not be recorded.
func (c *sender) ReadFrom(src io.Reader) (int64, error) {
	if l, ok := src.(*io.LimitedReader); ok && c.rec == nil && c.left == l.N && l.N > holdBack {
		if f, ok := l.R.(*os.File); ok {
			return c.sendFile(f, l.N)
		}
	}
	buf := copyBuffers.Get().(*[copySize]byte)
	defer copyBuffers.Put(buf)
	var total int64
	for {
		n, err := src.Read(buf[:])
		if n > 0 {
			if _, e := c.Write(buf[:n]); e != nil {
				return total, e
			}
			total += int64(n)
			// More may be long in coming, or never come: don't sit on this.
			if !c.stream && c.left > 0 && err != io.EOF {
				if e := c.Flush(); e != nil {
					return total, e
				}
			}
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// sendFile sends n bytes of f.
func (c *sender) sendFile(f *os.File, n int64) (int64, error) {
	sent := int64(0)
	for sent < n-1 { // step by step, so that people see how far it is
		step := min(n-1-sent, fileLook)
		m, err := io.Copy(c.w, io.LimitReader(f, step))
		sent += m
		c.left -= m
		c.s.flight.Sent(m)
		if err != nil || m < step {
			return sent, err
		}
	}
	return sent + 1, c.lastByte(f)
}

// fileLook is how much of a file is sent before it is counted, in bytes.
const fileLook = 1 << 20

// lastByte sends the last byte of a body, see Write.
func (c *sender) lastByte(src io.Reader) error {
	var one [1]byte
	if _, err := io.ReadFull(src, one[:]); err != nil {
		return noEOF(err)
	}
	_, err := c.Write(one[:])
	return err
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// canMove reports whether a body may stay in the kernel on its way: large, of
// known length, plain on both sides, and not one that is kept in memory.
func (c *sender) canMove(b *h1Body) bool {
	if b.size < splice.MinSize {
		return false
	}
	_, plain := b.c.Conn.(*net.TCPConn)
	return splice.Available && c.left == b.size && c.s.cl.plain && c.s.h1 != nil && plain && (c.rec == nil || b.size > int64(c.rec.Limit()))
}

// move sends a body without reading it.
func (c *sender) move(b *h1Body) error {
	// The header goes first: the moved bytes do not pass the buffer.
	if err := c.Flush(); err != nil {
		return err
	}
	m := &splice.Mover{From: b.c.Conn.(*net.TCPConn), Buffered: b.c.br, Left: b.size - 1}
	if c.rec != nil {
		m.Record = c.rec
	}
	n, err := c.w.(io.ReaderFrom).ReadFrom(m)
	c.left -= n
	if err == nil {
		err = c.lastByte(b.c.br)
	}
	b.release(err == nil)
	if err != nil {
		err = b.fault(err)
	}
	return err
}

// Interface guards.
var (
	_ exchange.Conn    = (*sender)(nil)
	_ exchange.Breaker = (*sender)(nil)
	_ exchange.Staller = (*sender)(nil)
)
