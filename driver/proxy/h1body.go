package proxy

import (
	"context"
	"io"

	"starproxy/builtins/exchange"
)

// h1Body is a response body; at its end the connection goes back to the pool.
type h1Body struct {
	src  io.Reader
	size int64
	ctx  context.Context // of the forward
	s    *serving
	c    *h1Conn
	keep bool
	done bool

	chunked bool
}

func (b *h1Body) Read(p []byte) (int, error) {
	n, err := b.src.Read(p)
	if err == io.EOF {
		b.release(true)
	} else if err != nil {
		err = b.fault(err)
	}
	return n, err
}

// fault returns the error of a body that broke off, with the side that failed.
func (b *h1Body) fault(err error) error {
	return b.s.fault(b.ctx, b.c.key.addr, inAnswer, malformed(err))
}

// SendTo passes the body on as it comes.
func (b *h1Body) SendTo(_ context.Context, c exchange.Conn) error {
	if s, ok := c.(*sender); ok && s.canMove(b) {
		return s.move(b)
	}
	_, err := c.ReadFrom(b)
	return err
}

// Size returns the announced length, -1 without one.
func (b *h1Body) Size() int64 { return b.size }

// Ready reports whether the beginning of the body was read already, so that it can
// be sent together with the header.
func (b *h1Body) Ready() bool { return b.c.br.Buffered() > 0 }

// over reports whether the rest of a chunked body is its last chunk, and was read
// already.
func (b *h1Body) over() bool {
	const end = "0\r\n\r\n"
	all, _ := b.c.br.Peek(min(b.c.br.Buffered(), len(end)))
	return b.chunked && string(all) == end
}

// Close closes the connection unless the body was read to its end.
func (b *h1Body) Close() error {
	b.release(false)
	return nil
}

func (b *h1Body) release(whole bool) {
	if !b.done {
		b.done = true
		b.c.leave(whole && b.keep)
	}
}

// Interface guards.
var (
	_ exchange.Sized = (*h1Body)(nil)
	_ io.ReadCloser  = (*h1Body)(nil)
)
