package exchange

import (
	"errors"
	"io"
	"sync"
	"time"
)

// ErrBodyTooLarge says that a body does not fit the bound given to [Incoming.Bytes].
var ErrBodyTooLarge = errors.New("body too large")

// Incoming is a request body on its way in. What is read comes from the device
// as it arrives; what a matcher, a template or a script looked at with Bytes is
// read again by whoever forwards it.
//
// It is for one goroutine at a time.
type Incoming struct {
	src  io.Reader
	tee  io.Writer
	held []byte // read by Bytes
	off  int    // how much of held Read has given
	err  error  // what ended src
	end  time.Time
}

// NewIncoming reads from src; what comes is copied to tee (which may be nil)
// as it arrives, once.
func NewIncoming(src io.Reader, tee io.Writer) *Incoming {
	return &Incoming{src: src, tee: tee}
}

// Read gives the body from its start: what Bytes holds, then what is still to come.
func (b *Incoming) Read(p []byte) (int, error) {
	if b.off < len(b.held) {
		n := copy(p, b.held[b.off:])
		b.off += n
		return n, nil
	}
	return b.pull(p)
}

func (b *Incoming) pull(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.src.Read(p)
	if n > 0 && b.tee != nil {
		b.tee.Write(p[:n])
	}
	if b.err = err; err != nil {
		b.end = time.Now()
	}
	return n, err
}

// Ended is when the body had come whole, or broke off; zero before that.
func (b *Incoming) Ended() time.Time { return b.end }

// firstRead is the room for a body that Bytes begins with: most bodies fit.
const firstRead = 511

// Bytes reads the body whole and keeps it, so that Read gives it again. A body
// over max bytes is an ErrBodyTooLarge together with what was read; Read then
// still gives all of it. The caller must not change the bytes.
func (b *Incoming) Bytes(max int) ([]byte, error) {
	if b.off > 0 && b.off == len(b.held) && b.err == nil {
		return nil, errors.New("body already forwarded")
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
	if b.err == io.EOF {
		return nil
	}
	buf := drains.Get().(*[32 << 10]byte)
	defer drains.Put(buf)
	for b.err == nil {
		b.pull(buf[:])
	}
	if b.err == io.EOF {
		return nil
	}
	return b.err
}
