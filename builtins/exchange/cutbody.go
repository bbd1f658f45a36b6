package exchange

import (
	"context"
	"errors"
	"io"
)

// cutBody sends the beginning of another body and then causes the fault.
type cutBody struct {
	Fault
	body Body
}

// Size returns the length of the whole body, so that the device notices that bytes
// are missing.
func (b *cutBody) Size() int64 {
	if b.Kind == "garbage" {
		return -1 // with a length, the device would take the garbage for the rest of the body
	}
	size := sizeOf(b.body)
	if size < 0 {
		return -1
	}
	after, _ := b.After.in(size)
	return max(size, after+1)
}

// Lasts marks the body as one that may never end, although it has a length.
func (b *cutBody) Lasts() {}

// Unwrap returns the body of which a part is sent.
func (b *cutBody) Unwrap() Body { return b.body }

// Close closes the body.
func (b *cutBody) Close() error {
	if c, ok := b.body.(interface{ Close() error }); ok {
		return c.Close()
	}
	return nil
}

// SendTo sends the beginning of the body and then causes the fault.
func (b *cutBody) SendTo(ctx context.Context, c Conn) error {
	after, known := b.After.in(sizeOf(b.body))
	if b.body != nil && (after > 0 || !known) {
		// inner ends when enough bytes are sent.
		inner, cancel := context.WithCancel(ctx)
		cut := &cutConn{Conn: c, left: after}
		if !known {
			cut.first = b.After
		}
		err := b.body.SendTo(inner, cut)
		cancel()
		if err != nil && !errors.Is(err, errCut) {
			return err
		}
	}
	if err := c.Flush(); err != nil {
		return err
	}
	return b.strike(ctx, c)
}

var errCut = errors.New("cut off")

// cutConn passes on only a limited number of bytes.
type cutConn struct {
	Conn
	left  int64
	first Offset // in the first piece, in place of left; none if left is known
}

func (c *cutConn) Write(b []byte) (int, error) {
	if !c.first.IsZero() {
		c.left, _ = c.first.in(int64(len(b)))
		c.first = Offset{}
	}
	n := min(int64(len(b)), c.left)
	m, err := c.Conn.Write(b[:n])
	c.left -= int64(m)
	if err == nil && c.left == 0 {
		err = errCut
	}
	return m, err
}

// ReadFrom copies piece by piece, so that no byte too many goes out.
func (c *cutConn) ReadFrom(r io.Reader) (int64, error) { return passOn(c, r) }
