package proxy

import (
	"io"
	"sync/atomic"
	"time"

	"starproxy/builtins/exchange"
)

// lingerTime bounds how long the end of a connection waits for the device to
// take it.
const lingerTime = time.Second

// outflow knows how much of answers has reached a device's socket.
type outflow struct {
	bytes atomic.Int64
	more  atomic.Pointer[chan struct{}] // gets a value for each write, if not full
}

// add counts bytes that were sent.
func (f *outflow) add(n int) {
	f.bytes.Add(int64(n))
	if more := f.more.Load(); more != nil {
		select {
		case *more <- struct{}{}:
		default:
		}
	}
}

// await waits until so many bytes in all have been sent, at most lingerTime.
func (f *outflow) await(bytes int64) {
	more := make(chan struct{}, 1)
	f.more.Store(&more)
	defer f.more.Store(nil)
	late := time.NewTimer(lingerTime)
	defer late.Stop()
	for f.bytes.Load() < bytes {
		select {
		case <-more:
		case <-late.C:
			return
		}
	}
}

// closeBehind closes a connection so that the device gets all that was sent. The
// kernel resets a socket that is closed while bytes are unread, or that gets bytes
// afterwards, and the device loses the end of its answer. So this reads until the
// device has closed, too, for at most lingerTime.
func (c *conn) closeBehind() error {
	err := c.CloseWrite()
	if line := c.lane.line.Load(); line != nil {
		return line.CloseBehind(lingerTime)
	}
	tcp := c.lane.tcp
	if !c.bare() {
		err = tcp.CloseWrite()
	}
	tcp.SetReadDeadline(time.Now().Add(lingerTime))
	go func() {
		io.Copy(io.Discard, struct{ io.Reader }{tcp})
		tcp.Close()
	}()
	return err
}

// breaks reports whether a body may break the connection off.
func breaks(b exchange.Body) bool {
	switch b.(type) {
	case exchange.Lasting, *exchange.Broken:
		return true
	}
	return false
}

// frameHead is the size in bytes of the header of a frame.
const frameHead = 9

// step is called before n bytes of a body that may break the connection off are
// written. The server of HTTP/2 writes them on another goroutine, so that they are
// not on the socket yet when Flush returns. So each piece waits for the one before.
func (c *sender) step(n int) {
	if c.counted() != nil {
		c.Flush()
		c.settle()
		c.begin(n)
	}
}

// begin notes the first piece, the header; nothing has been given before.
func (c *sender) begin(n int) {
	if flow := c.counted(); flow != nil {
		c.mark, c.piece = flow.bytes.Load(), n
	}
}

// settle waits until the last piece is on the socket.
func (c *sender) settle() {
	flow := c.counted()
	if flow == nil || c.piece == 0 {
		return
	}
	flow.await(c.mark + int64(c.piece) + frameHead)
	c.piece = 0
}

// counted returns the count of sent bytes for a body that may break the connection
// off, nil for other bodies and for HTTP/1.
func (c *sender) counted() *outflow {
	if out, ok := c.w.(*h2Reply); ok && c.breaks {
		return &out.s.flow
	}
	return nil
}
