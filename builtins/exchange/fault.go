package exchange

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Breaker is a Conn that can end in another way than a response should.
type Breaker interface {
	// Break writes last to the device's connection without any framing, and closes
	// it. If reset is true, it closes it with a TCP reset.
	Break(last []byte, reset bool) error
	// Multiplexed reports whether the connection carries other exchanges at the same
	// time, as one of HTTP/2 does.
	Multiplexed() bool
}

// Staller is a Conn that wants to know while a fault holds the rest of a response back.
type Staller interface {
	// Stall says that the fault begins, or that it is over.
	Stall(on bool)
}

// stall tells a Staller that a fault begins to hold the response back, or is over.
func stall(c Conn, on bool) {
	if s, ok := c.(Staller); ok {
		s.Stall(on)
	}
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

// Fault is a deliberate fault of a response. The zero value of each field but Kind has
// the default.
type Fault struct {
	// Kind is one of [Faults]:
	//
	//	reset         the connection ends with a TCP reset
	//	close         the connection is closed
	//	garbage       bytes that are no HTTP, then the connection is closed
	//	stall         nothing more, until the device gives up
	//	truncate      the connection is closed in the middle of the body
	//	drip          the body comes in small pieces at a low rate
	//	corrupt       some bytes of the body are wrong
	//	wrong_length  Content-Length is larger or smaller than the body
	//	duplicate     the body, or the whole response, comes twice
	Kind string
	// After is the place in the body of a reset, close, garbage, stall or truncate:
	// the header and the bytes before it are sent first. Without it, no part of the
	// response is sent. A truncate sends at least the header.
	After Offset
	// Stream makes a reset one of the exchange alone where the connection carries
	// others: RST_STREAM over HTTP/2. Default: the connection is reset.
	Stream bool
	// Hold is the length of a stall; then the rest of the response is sent. Default:
	// the stall does not end.
	Hold time.Duration
	// Rate is the rate of a drip in bytes per second. Default 1024.
	Rate int64
	// At is the first byte that a corrupt changes, counted from 0. A place behind the
	// last byte means the last one. Default: the middle of the body.
	At Offset
	// Count is the number of bytes that a corrupt changes: all their bits are
	// inverted. Default 1.
	Count int64
	// By is added to the length of the body that a wrong_length announces. With more,
	// the device waits for bytes that do not come. With less, the rest of the body
	// follows the end of the response, at most 64 KiB of it, and the connection is
	// closed; over HTTP/2 the stream is reset in its place. Default 1.
	By int64
	// Length is announced by a wrong_length instead, if it is above 0.
	Length int64
	// Whole makes a duplicate one of the whole response: after the first one, the
	// connection has a second one, for which the device has not asked, and is closed.
	// HTTP/2 has no such response: it comes once. Default: the body comes twice in one
	// response, whose length is that of both.
	Whole bool
}

// Faults lists the kinds of [Fault].
func Faults() []string {
	return []string{"close", "corrupt", "drip", "duplicate", "garbage", "reset", "stall", "truncate", "wrong_length"}
}

// Offset is a place in a body. The zero value means none.
type Offset struct {
	// Bytes is the number of bytes before it. Below 0, it is the number of bytes from
	// it to the end.
	Bytes int64
	// Percent, from 0 to 100, is the share of the body before it. Of a body whose
	// length is unknown, it is the share of the first piece that is sent.
	Percent float64
	// Relative makes Percent count, instead of Bytes.
	Relative bool
}

// IsZero reports whether there is no place.
func (o Offset) IsZero() bool { return o == Offset{} }

// in returns the number of bytes before the place in a body of size bytes. It reports
// false if that depends on a size that is unknown, -1.
func (o Offset) in(size int64) (int64, bool) {
	switch {
	case o.Relative && size < 0, o.Bytes < 0 && size < 0:
		return 0, false
	case o.Relative:
		return int64(float64(size) * o.Percent / 100), true
	case o.Bytes < 0:
		return max(size+o.Bytes, 0), true
	}
	return o.Bytes, true
}

// Bare reports whether the fault comes before any byte of a response, so that it needs
// none.
func (f Fault) Bare() bool {
	switch f.Kind {
	case "reset", "close", "garbage":
		return f.After.IsZero()
	case "stall":
		return f.After.IsZero() && f.Hold == 0
	}
	return false
}

// Check returns an error for a kind or a value that there is not.
func (f Fault) Check() error {
	switch {
	case !slices.Contains(Faults(), f.Kind):
		return fmt.Errorf("no fault %q, want one of %s", f.Kind, strings.Join(Faults(), ", "))
	case f.After.Bytes < 0:
		return fmt.Errorf("after is %d, want 0 or more bytes", f.After.Bytes)
	case f.Rate < 0 || f.Count < 0 || f.Length < 0 || f.Hold < 0:
		return errors.New("got a negative value, want 0 or more")
	}
	return nil
}

// NewFault makes a response that is a network fault of a kind, after so many bytes of
// the body of res, see [Fault.Response].
func NewFault(kind string, after int64, res *Response) (*Response, error) {
	return Fault{Kind: kind, After: Offset{Bytes: after}}.Response(res)
}

// Response makes a response of res that has the fault. res is not changed. If res is
// nil or has no body, a reset, close, garbage, stall or truncate behind a part of the
// body sends filler bytes. The other kinds need a body: res itself is returned if it
// has none, or if a wrong_length has no length to start from.
func (f Fault) Response(res *Response) (*Response, error) {
	if err := f.Check(); err != nil {
		return nil, err
	}
	if f.Bare() {
		r := &Response{Origin: FromMock, Err: fmt.Errorf("%w: %s", ErrFault, f.Kind)}
		if res != nil {
			r.Delay, r.Draw = res.Delay, res.Draw
		}
		r.Body = &bareFault{f}
		return r, nil
	}
	if !f.cuts() {
		return f.altered(res)
	}
	r := fill(2*f.After.Bytes + 1)
	if res != nil {
		body := r.Body
		if r = res.Clone(); r.Body == nil {
			r.Body = body
		}
	}
	r.Origin = r.Origin.Changed()
	r.Header.Del("Content-Length")
	r.Body = &cutBody{Fault: f, body: r.Body}
	return r, nil
}

// cuts reports whether the response ends with the fault.
func (f Fault) cuts() bool {
	switch f.Kind {
	case "stall":
		return f.Hold == 0
	case "reset", "close", "garbage", "truncate":
		return true
	}
	return false
}

// Changed returns the origin of a response of that origin that somebody changed.
func (o Origin) Changed() Origin {
	switch o {
	case FromServer:
		return FromPatch
	case FromReplay, FromPatch:
		return o
	}
	return FromMock
}

// strike causes the fault on the connection.
func (f Fault) strike(ctx context.Context, c Conn) error {
	err := fmt.Errorf("%w: %s", ErrFault, f.Kind)
	if f.Kind == "stall" {
		stall(c, true)
		<-ctx.Done()
		return err
	}
	b, ok := c.(Breaker)
	if !ok || f.Stream && b.Multiplexed() {
		return err // the response is broken off
	}
	var last []byte
	if f.Kind == "garbage" {
		last = bytes.Repeat([]byte{0xff, 0x00, 0xa5, 0x17}, 64)
	}
	return errors.Join(err, b.Break(last, f.Kind == "reset"))
}

// bareFault is a fault before any byte of a response.
type bareFault struct{ Fault }

// Hijacks marks the body as one without a status line before it.
func (*bareFault) Hijacks() {}

// SendTo causes the fault.
func (b *bareFault) SendTo(ctx context.Context, c Conn) error { return b.strike(ctx, c) }

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

// fill returns a response whose body is n bytes without a meaning.
func fill(n int64) *Response {
	return &Response{Status: 200, Header: HeaderOf("Content-Type", "application/octet-stream"), Body: filler(n), Origin: FromMock}
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
