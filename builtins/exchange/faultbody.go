package exchange

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

const (
	// defaultDrip is the rate of a drip in bytes per second.
	defaultDrip = 1024
	// dripPieces is the number of pieces that a drip sends in a second, if it sends
	// more than one byte at a time.
	dripPieces = 20
	// maxCopy bounds in bytes how much of a body is kept to send it once more.
	maxCopy = 1 << 20
	// maxExcess bounds in bytes how much of a body follows its announced length.
	maxExcess = 64 << 10
)

// altered makes a response of res whose body has the fault while it is sent. It returns
// res itself if there is no body that can have it.
func (f Fault) altered(res *Response) (*Response, error) {
	if res == nil {
		res = fill(defaultDrip)
	}
	if f.Kind == "stall" && f.After.IsZero() {
		r := res.Clone()
		r.Delay += f.Hold
		return r, nil
	}
	if _, takes := res.Body.(Hijacker); takes || res.Body == nil {
		return res, nil
	}
	size := sizeOf(res.Body)
	b := alteredBody{Fault: f, body: res.Body, size: size}
	switch f.Kind {
	case "duplicate":
		if !f.Whole && size >= 0 {
			b.size += b.again(size)
		}
	case "wrong_length":
		if f.By == 0 {
			b.By = 1
		}
		if b.size = max(size+b.By, 0); f.Length > 0 {
			b.size = f.Length
		}
		if size < 0 && f.Length == 0 || b.size == size {
			return res, nil
		}
	}
	r := res.Clone()
	r.Origin = r.Origin.Changed()
	if b.size != size && r.Header.Has("Content-Length") {
		r.Header.Set("Content-Length", strconv.FormatInt(b.size, 10))
	}
	if f.Kind == "duplicate" && f.Whole {
		b.head = headOf(r)
	}
	if r.Body = &b; f.Kind != "corrupt" {
		r.Body = &lastingBody{b}
	}
	return r, nil
}

// headOf returns the beginning of a response of HTTP/1.1, up to its length.
func headOf(r *Response) []byte {
	reason := r.Reason
	if reason == "" {
		reason = http.StatusText(r.Status)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", r.Status, reason)
	for _, f := range r.Header {
		if !IsHop(f.Name) && !EqualName(f.Name, "Content-Length") {
			fmt.Fprintf(&b, "%s: %s\r\n", f.Name, f.Value)
		}
	}
	return b.Bytes()
}

// sizeOf returns the length of a body in bytes, or -1 when it is unknown.
func sizeOf(b Body) int64 {
	if s, ok := b.(Sized); ok {
		return s.Size()
	}
	return -1
}

// alteredBody is a body that a fault changes while it is sent.
type alteredBody struct {
	Fault
	body Body
	size int64  // that is announced, -1 for none
	head []byte // of the second response of a duplicate
}

// Size returns the length that is announced.
func (b *alteredBody) Size() int64 { return b.size }

// Unwrap returns the body that is changed.
func (b *alteredBody) Unwrap() Body { return b.body }

// Close closes the body.
func (b *alteredBody) Close() error {
	if c, ok := b.body.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// SendTo sends the body as the fault changes it.
func (b *alteredBody) SendTo(ctx context.Context, c Conn) error {
	switch b.Kind {
	case "drip":
		rate := b.Rate
		if rate == 0 {
			rate = defaultDrip
		}
		return b.body.SendTo(ctx, &dripConn{Conn: c, ctx: ctx, rate: rate})
	case "stall":
		return b.body.SendTo(ctx, newPauseConn(ctx, c, b.After, b.Hold, sizeOf(b.body)))
	case "corrupt":
		return b.body.SendTo(ctx, newCorruptConn(c, b.At, b.Count, sizeOf(b.body)))
	case "duplicate":
		return b.sendTwice(ctx, c)
	}
	return b.sendWrongly(ctx, c)
}

// again returns how many bytes of a body of size bytes are sent once more.
func (b *alteredBody) again(size int64) int64 {
	if _, stays := b.body.(Stored); stays && !b.Whole {
		return size
	}
	return min(size, maxCopy)
}

// sendTwice sends the body, and then once more. Of a body whose bytes do not stay
// available, at most maxCopy bytes follow.
func (b *alteredBody) sendTwice(ctx context.Context, c Conn) error {
	if _, stays := b.body.(Stored); stays && !b.Whole {
		if err := b.body.SendTo(ctx, c); err != nil {
			return err
		}
		return b.body.SendTo(ctx, c)
	}
	kept := &keepConn{Conn: c}
	if err := b.body.SendTo(ctx, kept); err != nil {
		return err
	}
	if !b.Whole {
		_, err := c.Write(kept.kept)
		return err
	}
	breaker, ok := c.(Breaker)
	if !ok || breaker.Multiplexed() {
		return nil
	}
	if err := c.Flush(); err != nil {
		return err
	}
	var last bytes.Buffer
	if b.size < 0 {
		last.WriteString("0\r\n\r\n") // ends the first one, which came in chunks
	}
	last.Write(b.head)
	fmt.Fprintf(&last, "Content-Length: %d\r\n\r\n", len(kept.kept))
	last.Write(kept.kept)
	return errors.Join(fmt.Errorf("%w: %s", ErrFault, b.Kind), breaker.Break(last.Bytes(), false))
}

// sendWrongly sends the body of which another length was announced.
func (b *alteredBody) sendWrongly(ctx context.Context, c Conn) error {
	over := &excessConn{Conn: c, left: b.size}
	if err := b.body.SendTo(ctx, over); err != nil && !errors.Is(err, errCut) {
		return err
	}
	if err := c.Flush(); err != nil {
		return err
	}
	err := fmt.Errorf("%w: %s", ErrFault, b.Kind)
	if over.left > 0 {
		stall(c, true)
		<-ctx.Done() // as long as the device waits for the rest
		return err
	}
	if breaker, ok := c.(Breaker); ok && !breaker.Multiplexed() {
		return errors.Join(err, breaker.Break(over.excess, false))
	}
	return err
}

// lastingBody is an alteredBody that may last for long, or break the connection off.
type lastingBody struct{ alteredBody }

// Lasts marks the body as one that may never end, although it has a length.
func (*lastingBody) Lasts() {}

// passOn writes all that r has to c, piece by piece, and sends each at once.
func passOn(c Conn, r io.Reader) (total int64, err error) {
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			m, e := c.Write(buf[:n])
			if total += int64(m); e != nil {
				return total, e
			}
		}
		switch {
		case err == io.EOF:
			return total, nil
		case err != nil:
			return total, err
		case n > 0:
			if err := c.Flush(); err != nil {
				return total, err
			}
		}
	}
}

// dripConn passes bytes on at a rate.
type dripConn struct {
	Conn
	ctx   context.Context
	rate  int64 // bytes per second
	begun time.Time
	sent  int64
}

func (c *dripConn) Write(b []byte) (n int, err error) {
	if c.begun.IsZero() {
		c.begun = time.Now()
	}
	piece := max(c.rate/dripPieces, 1)
	for n < len(b) {
		due := c.begun.Add(time.Duration(float64(c.sent) / float64(c.rate) * float64(time.Second)))
		if wait := time.Until(due); wait > 0 {
			if err := Sleep(c.ctx, wait); err != nil {
				return n, err
			}
		}
		m, err := c.Conn.Write(b[n:min(int64(len(b)), int64(n)+piece)])
		n, c.sent = n+m, c.sent+int64(m)
		if err == nil {
			err = c.Conn.Flush()
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// ReadFrom copies piece by piece.
func (c *dripConn) ReadFrom(r io.Reader) (int64, error) { return passOn(c, r) }

// pauseConn waits once, before the byte at a place.
type pauseConn struct {
	Conn
	ctx  context.Context
	at   Offset // in the first piece, while left is unknown
	left int64  // bytes before the pause; -1 when it is over or its place unknown
	hold time.Duration
}

func newPauseConn(ctx context.Context, c Conn, at Offset, hold time.Duration, size int64) *pauseConn {
	p := &pauseConn{Conn: c, ctx: ctx, hold: hold}
	var known bool
	if p.left, known = at.in(size); !known {
		p.at = at
	}
	return p
}

func (c *pauseConn) Write(b []byte) (n int, err error) {
	if !c.at.IsZero() {
		c.left, _ = c.at.in(int64(len(b)))
		c.at = Offset{}
	}
	if c.left >= 0 && c.left <= int64(len(b)) {
		if n, err = c.Conn.Write(b[:c.left]); err != nil {
			return n, err
		}
		c.left = -1
		if err := c.Conn.Flush(); err != nil {
			return n, err
		}
		stall(c.Conn, true)
		if err := Sleep(c.ctx, c.hold); err != nil {
			return n, err
		}
		stall(c.Conn, false)
	}
	m, err := c.Conn.Write(b[n:])
	if c.left >= 0 {
		c.left -= int64(m)
	}
	return n + m, err
}

// ReadFrom copies piece by piece.
func (c *pauseConn) ReadFrom(r io.Reader) (int64, error) { return passOn(c, r) }

// corruptConn inverts the bits of some bytes.
type corruptConn struct {
	Conn
	first Offset // in the first piece, while at is unknown
	at    int64  // bytes before the first that is changed; below 0 behind it
	count int64
}

func newCorruptConn(c Conn, at Offset, count, size int64) *corruptConn {
	if at.IsZero() {
		at = Offset{Percent: 50, Relative: true}
	}
	n, known := at.in(size)
	out := &corruptConn{Conn: c, at: n, count: max(count, 1)}
	if !known {
		out.first = at
	} else if size > 0 {
		out.at = min(n, size-1)
	}
	return out
}

func (c *corruptConn) Write(b []byte) (int, error) {
	if !c.first.IsZero() && len(b) > 0 {
		c.at, _ = c.first.in(int64(len(b)))
		c.at = min(c.at, int64(len(b)-1))
		c.first = Offset{}
	}
	from, end := max(c.at, 0), min(c.at+c.count, int64(len(b)))
	c.at -= int64(len(b))
	if from >= end {
		return c.Conn.Write(b)
	}
	wrong := bytes.Clone(b) // others may share b
	for i := from; i < end; i++ {
		wrong[i] = ^wrong[i]
	}
	return c.Conn.Write(wrong)
}

// ReadFrom copies piece by piece.
func (c *corruptConn) ReadFrom(r io.Reader) (int64, error) { return passOn(c, r) }

// keepConn keeps the first maxCopy bytes of those that it passes on.
type keepConn struct {
	Conn
	kept []byte
}

func (c *keepConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.kept = append(c.kept, b[:min(n, maxCopy-len(c.kept))]...)
	return n, err
}

// ReadFrom copies piece by piece.
func (c *keepConn) ReadFrom(r io.Reader) (int64, error) { return passOn(c, r) }

// excessConn passes on the announced number of bytes and keeps some of those that
// follow.
type excessConn struct {
	Conn
	left   int64
	excess []byte
}

func (c *excessConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b[:min(int64(len(b)), c.left)])
	c.left -= int64(n)
	if err != nil || n == len(b) {
		return n, err
	}
	rest := b[n:]
	c.excess = append(c.excess, rest[:min(len(rest), maxExcess-len(c.excess))]...)
	if len(c.excess) == maxExcess {
		return n, errCut
	}
	return len(b), nil
}

// ReadFrom copies piece by piece.
func (c *excessConn) ReadFrom(r io.Reader) (int64, error) { return passOn(c, r) }

// Interface guards.
var (
	_ Sized   = (*alteredBody)(nil)
	_ Lasting = (*lastingBody)(nil)
)
