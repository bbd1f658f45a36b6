package exchange

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
)

// ReadBody reads a response body of up to max bytes and closes it. For a larger
// one it gives rest, a body that still sends all of it.
func ReadBody(ctx context.Context, b Body, max int64) (data []byte, rest Body, err error) {
	size := int64(-1)
	if s, ok := b.(Sized); ok {
		size = s.Size()
	}
	if size > max {
		return nil, b, nil
	}
	if mem, ok := b.(Bytes); ok {
		return mem, nil, nil
	}
	src := openBody(ctx, b)
	data, err = io.ReadAll(io.LimitReader(src, max+1))
	if err == nil && int64(len(data)) > max {
		all := struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(data), src), src}
		return nil, &Reader{R: all, N: size}, nil
	}
	src.Close()
	return data, nil, err
}

// openBody lets a body be read. Closing it closes the body too.
func openBody(ctx context.Context, b Body) io.ReadCloser {
	switch r := b.(type) {
	case *Reader:
		return r.R
	case io.ReadCloser:
		return r
	}
	pr, pw := io.Pipe()
	go func() {
		pw.CloseWithError(b.SendTo(ctx, pipeConn{pw}))
		if c, ok := b.(io.Closer); ok {
			c.Close()
		}
	}()
	return pr
}

// pipeConn is a connection that ends in a pipe.
type pipeConn struct{ *io.PipeWriter }

func (c pipeConn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.PipeWriter, r) }

func (c pipeConn) Flush() error { return nil }

func (c pipeConn) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, errors.New("this body wants the connection for itself: it can't be read")
}

// Interface guards.
var _ Conn = pipeConn{}
