package exchange

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// ErrBodyTooLarge says that a body does not fit the bound given to [Incoming.Bytes].
var ErrBodyTooLarge = errors.New("body too large")

// ErrBodySpent says that a request body can't be read from its start again:
// it was streamed, and it is too large to be kept.
var ErrBodySpent = errors.New("the request body was sent once already and is too large to be kept; " +
	"a script that sends it again reads req.body first")

// keptBody is how many bytes of a streamed body are kept, so that it can be
// read again.
const keptBody = 64 << 10

// Incoming is a request body on its way in. What is read comes from the device
// as it arrives; what a matcher, a template or a script looked at with Bytes is
// read again by whoever forwards it.
//
// Its methods are for any goroutine. While one has claimed the body the others
// wait.
type Incoming struct {
	free chan struct{} // holds a token while nobody reads
	src  io.Reader
	tee  io.Writer

	held  []byte // the beginning, which is all that was read unless spent
	off   int    // how much of held Read has given
	spent bool   // more was read than is held
	err   error  // what ended src
	// replaces says that it takes the place of the device's body.
	replaces bool

	end   time.Time   // when src ended; written before ended is set
	ended atomic.Bool // src has ended
	whole atomic.Bool // it ended as it should
}

// NewIncoming reads from src; what comes is copied to tee (which may be nil)
// as it arrives, once. An error of src is the device's: it becomes a
// [*DeviceError].
func NewIncoming(src io.Reader, tee io.Writer) *Incoming {
	b := &Incoming{src: src, tee: tee, free: make(chan struct{}, 1)}
	b.free <- struct{}{}
	return b
}

// Read returns the body from its start: what is held, then what is still to come.
func (b *Incoming) Read(p []byte) (int, error) {
	<-b.free
	defer b.release()
	return b.read(p, true)
}

func (b *Incoming) release() { b.free <- struct{}{} }

func (b *Incoming) read(p []byte, keep bool) (int, error) {
	if b.off < len(b.held) {
		n := copy(p, b.held[b.off:])
		b.off += n
		return n, nil
	}
	n, err := b.pull(p)
	switch {
	case n == 0 || b.spent:
	case keep && len(b.held)+n <= keptBody:
		b.held = append(b.held, p[:n]...)
		b.off = len(b.held)
	default:
		b.held, b.off, b.spent = nil, 0, true
	}
	return n, err
}

func (b *Incoming) pull(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.src.Read(p)
	if n > 0 && b.tee != nil {
		b.tee.Write(p[:n])
	}
	if err != nil {
		if b.err = err; err != io.EOF {
			b.err = &DeviceError{Doing: "in the middle of its upload", Err: err}
		}
		b.end = time.Now()
		b.whole.Store(err == io.EOF)
		b.ended.Store(true)
	}
	return n, b.err
}

// Claim returns the body from its start to one reader. Until release is called,
// once, every other method that reads waits. Of a body of unknown length (-1)
// the first 64 KiB are kept, so that a short one can be claimed again. Claim
// fails with [ErrBodySpent] when part of what was read is not kept, and when
// ctx ends before the body is free.
func (b *Incoming) Claim(ctx context.Context, length int64) (r io.Reader, release func(), err error) {
	select {
	case <-b.free:
	default:
		select {
		case <-b.free:
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
	if b.spent {
		b.release()
		return nil, nil, ErrBodySpent
	}
	b.off = 0
	return &claimed{b, length <= keptBody}, sync.OnceFunc(b.release), nil
}

// claimed reads a body for the goroutine that claimed it.
type claimed struct {
	b    *Incoming
	keep bool
}

func (c *claimed) Read(p []byte) (int, error) { return c.b.read(p, c.keep) }

// Ended returns when the body had come whole, or broke off; zero before that.
func (b *Incoming) Ended() time.Time {
	if b.ended.Load() {
		return b.end
	}
	return time.Time{}
}

// Whole reports whether all of the body has come from the device.
func (b *Incoming) Whole() bool { return b.whole.Load() }

// firstRead is the room for a body that Bytes begins with: most bodies fit.
const firstRead = 511

// Bytes reads the body whole and keeps it, so that Read gives it again. A body
// over max bytes is an ErrBodyTooLarge together with what was read; Read then
// still gives all of it. The caller must not change the bytes.
func (b *Incoming) Bytes(max int) ([]byte, error) {
	<-b.free
	defer b.release()
	if b.spent {
		return nil, ErrBodySpent
	}
	if b.held == nil && b.err == nil {
		b.held = make([]byte, 0, min(max, firstRead)+1)
	}
	for b.err == nil {
		if len(b.held) > max {
			return b.held[:max], ErrBodyTooLarge
		}
		if len(b.held) == cap(b.held) {
			b.held = append(b.held, 0)[:len(b.held)]
		}
		n, _ := b.pull(b.held[len(b.held):cap(b.held)])
		b.held = b.held[:len(b.held)+n]
	}
	if b.err != io.EOF {
		return b.held, b.err
	}
	if len(b.held) > max {
		return b.held[:max], ErrBodyTooLarge
	}
	return b.held, nil
}

// drains are the buffers of Drain: one for each request would cost more than
// all the rest of a mock's answer.
var drains = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// Drain reads what is left and drops it (the tee sees it), so that a mock's
// answer does not cut an upload short.
func (b *Incoming) Drain() error {
	for {
		if more, err := b.Discard(); !more || err != nil {
			return err
		}
	}
}

// Discard reads and drops what has arrived, and reports whether more may come.
func (b *Incoming) Discard() (more bool, err error) {
	<-b.free
	defer b.release()
	if b.err == nil {
		buf := drains.Get().(*[32 << 10]byte)
		if n, _ := b.pull(buf[:]); n > 0 {
			b.held, b.off, b.spent = nil, 0, true
		}
		drains.Put(buf)
	}
	if b.err == io.EOF {
		return false, nil
	}
	return b.err == nil, b.err
}
