package exchange

import (
	"bytes"
	"context"
	"io"
	"time"
)

// ahead reads a source that may be long in coming. A caller can stop to wait for the
// next piece, which the next Read returns then. It is for one goroutine at a time.
type ahead struct {
	src    io.Reader
	coming chan piece // has the piece of a Read of src under way; nil for none
	rest   []byte     // came and was not read yet
	err    error      // of src, behind rest
}

// piece is what a Read returned.
type piece struct {
	data []byte
	err  error
}

// pieceSize is how much is read ahead at once, in bytes.
const pieceSize = 32 << 10

// wait waits until Read returns at once. It reports false if no byte came for idle, or
// ctx has ended.
func (a *ahead) wait(ctx context.Context, idle time.Duration) bool {
	if len(a.rest) > 0 || a.err != nil {
		return true
	}
	if a.coming == nil {
		coming := make(chan piece, 1)
		a.coming = coming
		go func() {
			buf := make([]byte, pieceSize)
			n, err := a.src.Read(buf)
			coming <- piece{buf[:n], err}
		}()
	}
	t := time.NewTimer(idle)
	defer t.Stop()
	select {
	case p := <-a.coming:
		a.take(p)
		return true
	case <-t.C:
	case <-ctx.Done():
	}
	return false
}

func (a *ahead) take(p piece) { a.coming, a.rest, a.err = nil, p.data, p.err }

// Read returns what came, or waits for it.
func (a *ahead) Read(p []byte) (int, error) {
	if a.coming != nil {
		a.take(<-a.coming)
	}
	if len(a.rest) > 0 {
		n := copy(p, a.rest)
		a.rest = a.rest[n:]
		return n, nil
	}
	if a.err != nil {
		return 0, a.err
	}
	return a.src.Read(p)
}

// Await reads the body as far as it comes and keeps it, so that Read gives it again. It
// returns at the end of the body, behind max bytes, when no byte came for idle, and when
// ctx ends. whole says that data is all of the body. The error is that of a body that
// broke off, or [ErrBodySpent]. The caller must not change the bytes.
func (b *Incoming) Await(ctx context.Context, max int, idle time.Duration) (data []byte, whole bool, err error) {
	<-b.free
	defer b.release()
	if b.spent {
		return nil, false, ErrBodySpent
	}
	a, ok := b.src.(*ahead)
	if !ok {
		a = &ahead{src: b.src}
		b.src = a
	}
	for b.err == nil && len(b.held) <= max && a.wait(ctx, idle) {
		if len(b.held) == cap(b.held) {
			b.held = append(b.held, 0)[:len(b.held)]
		}
		n, _ := b.pull(b.held[len(b.held):cap(b.held)])
		b.held = b.held[:len(b.held)+n]
	}
	if b.err != nil && b.err != io.EOF {
		err = b.err
	}
	if len(b.held) > max {
		return b.held[:max], false, err
	}
	return b.held, b.err == io.EOF, err
}

// NewReplacement returns a body of a request that takes the place of the device's. The
// record of the exchange has it. The caller must not change data.
func NewReplacement(data []byte) *Incoming {
	b := NewIncoming(bytes.NewReader(nil), nil)
	b.held, b.err, b.end, b.replaces = data, io.EOF, time.Now(), true
	b.whole.Store(true)
	b.ended.Store(true)
	return b
}

// Replacement returns the bytes of a body that [NewReplacement] has made. ok is false
// for any other body.
func (b *Incoming) Replacement() (data []byte, ok bool) {
	if b == nil || !b.replaces {
		return nil, false
	}
	return b.held, true
}

// PeekBody reads a response body as far as it comes. It returns at the end of the body,
// behind max bytes, when no byte came for idle, and when ctx ends. whole says that data
// is all of the body. rest is a body that sends all of it; its end and its errors are
// those of b. stop has to end a Read of b that is under way; it is called if rest is
// closed during one.
func PeekBody(ctx context.Context, b Body, max int, idle time.Duration, stop func()) (data []byte, whole bool, rest Body) {
	if mem, ok := b.(Bytes); ok {
		return mem[:min(len(mem), max)], len(mem) <= max, b
	}
	src := openBody(ctx, b)
	a := &ahead{src: src}
	var buf bytes.Buffer
	for a.err == nil && buf.Len() <= max && a.wait(ctx, idle) {
		buf.Write(a.rest)
		a.rest = nil
	}
	data = buf.Bytes()
	size := sizeOf(b)
	if a.err == io.EOF && len(data) <= max && (size < 0 || size == int64(len(data))) {
		src.Close()
		return data, true, Bytes(data)
	}
	rest = &Reader{R: &peeked{io.MultiReader(bytes.NewReader(data), a), a, src, stop}, N: size}
	return data[:min(len(data), max)], false, rest
}

// peeked reads a body whose beginning was read before.
type peeked struct {
	io.Reader
	ahead *ahead
	src   io.Closer
	stop  func()
}

// Close closes the body once nobody reads it any more.
func (p *peeked) Close() error {
	if p.ahead.coming != nil {
		p.stop()
		p.ahead.take(<-p.ahead.coming)
	}
	return p.src.Close()
}

// Peekable reports whether a response with this body can be read before it is sent. A
// body that takes the connection, or that breaks it off, is sent as it is.
func Peekable(b Body) bool {
	switch b.(type) {
	case Hijacker, *Broken, Lasting, interface{ Unwrap() Body }:
		return false
	}
	return true
}
