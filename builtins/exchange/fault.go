package exchange

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// Breaker is a Conn that can end in another way than a response should.
type Breaker interface {
	// Break writes last to the device's connection without any framing, and closes
	// it. If reset is true, it closes it with a TCP reset.
	Break(last []byte, reset bool) error
}

// Stream is a body that a function writes. Each Write is sent at once; the
// context ends when the device leaves, its endpoint is removed or the proxy
// stops.
type Stream func(ctx context.Context, c Conn) error

// SendTo calls the function.
func (s Stream) SendTo(ctx context.Context, c Conn) error { return s(ctx, c) }

// Socket is a body that a function sends over the raw connection, which it takes over
// with Conn.Hijack. The status is 101.
type Socket func(ctx context.Context, c Conn) error

// Hijacks marks the body as one that takes the connection.
func (Socket) Hijacks() {}

// SendTo calls the function.
func (s Socket) SendTo(ctx context.Context, c Conn) error { return s(ctx, c) }

// ErrFault is the error with which sending a deliberate fault ends. The record of the
// exchange names it.
var ErrFault = errors.New("fault")

// Faults lists the kinds that [NewFault] knows.
func Faults() []string { return []string{"close", "garbage", "reset", "stall", "truncate"} }

// NewFault makes a response that is a network fault. The kinds are:
//
//	reset     the connection ends with a TCP reset
//	close     the connection is closed
//	garbage   bytes that are no HTTP, then the connection is closed
//	stall     nothing more, until the device gives up
//	truncate  the connection is closed in the middle of the body
//
// If after is above 0, the header and that many bytes of the body of res are sent
// first. A truncate sends at least the header. res is not changed. If res is nil or
// has no body, filler bytes are sent.
func NewFault(kind string, after int64, res *Response) (*Response, error) {
	if after < 0 {
		return nil, fmt.Errorf("after is %d, want 0 or more bytes", after)
	}
	f := fault{kind: kind, after: after}
	switch kind {
	case "reset", "close", "garbage", "stall":
		if after == 0 {
			r := &Response{Origin: FromMock, Err: fmt.Errorf("%w: %s", ErrFault, kind)}
			if res != nil {
				r.Delay, r.Draw = res.Delay, res.Draw
			}
			r.Body = &bareFault{f}
			return r, nil
		}
	case "truncate":
	default:
		return nil, fmt.Errorf("no fault %q, want reset, close, stall, truncate or garbage", kind)
	}
	r := &Response{Status: 200, Header: HeaderOf("Content-Type", "application/octet-stream"), Body: filler(2*after + 1)}
	if res != nil {
		body := r.Body
		if r = res.Clone(); r.Body == nil {
			r.Body = body
		}
	}
	r.Origin = FromMock
	r.Header.Del("Content-Length")
	r.Body = &cutBody{fault: f, body: r.Body}
	return r, nil
}

// fault is a way to end a connection.
type fault struct {
	kind  string
	after int64 // the number of bytes of the body that are sent before
}

// strike causes the fault on the connection.
func (f fault) strike(ctx context.Context, c Conn) error {
	err := fmt.Errorf("%w: %s", ErrFault, f.kind)
	if f.kind == "stall" {
		<-ctx.Done()
		return err
	}
	b, ok := c.(Breaker)
	if !ok {
		return err // the response is broken off
	}
	var last []byte
	if f.kind == "garbage" {
		last = bytes.Repeat([]byte{0xff, 0x00, 0xa5, 0x17}, 64)
	}
	return errors.Join(err, b.Break(last, f.kind == "reset"))
}

// bareFault is a fault before any byte of a response.
type bareFault struct{ fault }

// Hijacks marks the body as one without a status line before it.
func (*bareFault) Hijacks() {}

// SendTo causes the fault.
func (b *bareFault) SendTo(ctx context.Context, c Conn) error { return b.strike(ctx, c) }

// cutBody sends the beginning of another body and then causes the fault.
type cutBody struct {
	fault
	body Body
}

// Size returns the length of the whole body, so that the device notices that bytes
// are missing.
func (b *cutBody) Size() int64 {
	if b.kind == "garbage" {
		return -1 // with a length, the device would take the garbage for the rest of the body
	}
	switch body := b.body.(type) {
	case Sized:
		return max(body.Size(), b.after+1)
	}
	return -1
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
	if b.body != nil && b.after > 0 {
		// inner ends when enough bytes are sent.
		inner, cancel := context.WithCancel(ctx)
		err := b.body.SendTo(inner, &cutConn{Conn: c, left: b.after})
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
	left int64
}

func (c *cutConn) Write(b []byte) (int, error) {
	n := min(int64(len(b)), c.left)
	m, err := c.Conn.Write(b[:n])
	c.left -= int64(m)
	if err == nil && c.left == 0 {
		err = errCut
	}
	return m, err
}

// ReadFrom copies piece by piece, so that no byte too many goes out.
func (c *cutConn) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{c}, r)
}

// Broken is a body that broke off when it was recorded. Its bytes are sent, and then
// the connection is closed without the end of a body. An HTTP/2 connection is closed,
// too.
type Broken struct {
	Body
	// N is the announced length in bytes, which is more than Body has, or -1 when
	// none was announced.
	N int64
}

// Size returns N.
func (b *Broken) Size() int64 { return b.N }

// Close closes the body.
func (b *Broken) Close() error {
	if c, ok := b.Body.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// ErrBroken is the error with which sending a [Broken] body ends.
var ErrBroken = errors.New("the answer broke off here when it was recorded")

// SendTo sends the bytes and closes the connection.
func (b *Broken) SendTo(ctx context.Context, c Conn) error {
	if b.Body != nil {
		if err := b.Body.SendTo(ctx, c); err != nil {
			return err
		}
	}
	if err := c.Flush(); err != nil {
		return err
	}
	if breaker, ok := c.(Breaker); ok {
		return errors.Join(ErrBroken, breaker.Break(nil, false))
	}
	return ErrBroken
}

// filler is a body of n bytes without a meaning.
type filler int64

// Size returns n.
func (f filler) Size() int64 { return int64(f) }

// SendTo writes them.
func (f filler) SendTo(_ context.Context, c Conn) error {
	piece := bytes.Repeat([]byte{'.'}, int(min(int64(f), 32<<10)))
	for left := int64(f); left > 0; {
		n, err := c.Write(piece[:min(left, int64(len(piece)))])
		if left -= int64(n); err != nil {
			return err
		}
	}
	return nil
}

// Interface guards.
var (
	_ Body     = Stream(nil)
	_ Hijacker = Socket(nil)
	_ Hijacker = (*bareFault)(nil)
	_ Sized    = (*cutBody)(nil)
	_ Sized    = (*Broken)(nil)
	_ Sized    = filler(0)
)
