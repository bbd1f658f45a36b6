// Package frames carries a byte stream inside RouterService.Stream of the
// Jumpstarter protocol, as the side that opened the call: a client that talks
// to a driver, an exporter that serves a tunnel of its router.
//
// A Conn may be read and written by any number of goroutines.
package frames

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"starproxy/driver/pb"
)

const (
	// frameBytes is the most that one frame carries.
	frameBytes = 32 << 10
	// lingering is how long a closed stream may take to deliver what was written.
	lingering = time.Second
)

// Call is an open call of RouterService.Stream.
type Call interface {
	Send(*pb.StreamRequest) error
	Recv() (*pb.StreamResponse, error)
	CloseSend() error
}

// Options are what New needs beside the call.
type Options struct {
	// Cancel ends the context of the call.
	Cancel context.CancelFunc
	// Local and Remote are the names of the two ends.
	Local, Remote string
	// Error makes the error of the call readable; nil leaves it as it is.
	Error func(error) error
	// Gone is called once when nothing of the connection is left; nil for
	// nothing.
	Gone func()
}

// Conn is a byte stream inside a call. It has halves: CloseWrite ends the
// outgoing one. It breaks when the context of the call ends. A write that misses
// its deadline breaks it too.
type Conn struct {
	call    Call
	options Options

	frames  chan []byte   // from receive to Read
	ended   chan struct{} // closed when no more bytes come
	readErr error         // why; valid after ended
	over    chan struct{} // closed when the call itself is over

	reading sync.Mutex // one Read at a time
	rest    []byte     // of the last frame

	readLimit, writeLimit *deadline

	writing  sync.Mutex // one sender at a time, as gRPC asks
	finished bool       // GOAWAY was sent

	closing sync.Once
	closed  chan struct{} // closed by Close
	gone    chan struct{} // closed when nothing of the conn is left
}

// New makes a connection of a call.
func New(call Call, o Options) *Conn {
	if o.Error == nil {
		o.Error = func(err error) error { return err }
	}
	c := &Conn{
		call: call, options: o,
		frames: make(chan []byte), ended: make(chan struct{}), over: make(chan struct{}),
		closed: make(chan struct{}), gone: make(chan struct{}),
		readLimit: newDeadline(), writeLimit: newDeadline(),
	}
	go c.receive()
	return c
}

// receive takes frames until the call is over; once the conn is closed they
// are dropped.
func (c *Conn) receive() {
	defer close(c.over)
	defer c.options.Cancel()
	done := false
	end := func(err error) {
		if !done {
			done = true
			c.readErr = err
			close(c.ended)
		}
	}
	for {
		frame, err := c.call.Recv()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				err = c.options.Error(err)
			}
			end(err)
			return
		}
		switch frame.GetFrameType() {
		case pb.FrameType_FRAME_TYPE_GOAWAY:
			end(io.EOF)
		case pb.FrameType_FRAME_TYPE_DATA:
			if done || len(frame.GetPayload()) == 0 {
				continue
			}
			select {
			case c.frames <- frame.GetPayload():
			case <-c.closed:
			}
		}
	}
}

// Read returns io.EOF when the other side has ended its half.
func (c *Conn) Read(p []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	limit := c.readLimit.passed()
	select {
	case <-c.closed:
		return 0, net.ErrClosed
	case <-limit:
		return 0, os.ErrDeadlineExceeded
	default:
	}
	if len(c.rest) == 0 {
		if len(p) == 0 {
			return 0, nil
		}
		select {
		case c.rest = <-c.frames:
		case <-c.ended:
			return 0, c.readErr
		case <-c.closed:
			return 0, net.ErrClosed
		case <-limit:
			return 0, os.ErrDeadlineExceeded
		}
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// Write sends p in frames.
func (c *Conn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	stop := c.writeLimit.onPass(c.options.Cancel)
	defer stop()
	written := 0
	for written < len(p) {
		select {
		case <-c.closed:
			return written, net.ErrClosed
		default:
		}
		if c.writeLimit.reached() {
			return written, os.ErrDeadlineExceeded
		}
		if c.finished {
			return written, net.ErrClosed
		}
		piece := p[written:min(len(p), written+frameBytes)]
		if err := c.call.Send(&pb.StreamRequest{Payload: piece}); err != nil {
			if c.writeLimit.reached() {
				return written, os.ErrDeadlineExceeded
			}
			return written, c.writeError(err)
		}
		written += len(piece)
	}
	return written, nil
}

// writeError returns why sending failed: gRPC says only EOF, the reason is with
// the receiver.
func (c *Conn) writeError(err error) error {
	if !errors.Is(err, io.EOF) {
		return c.options.Error(err)
	}
	select {
	case <-c.ended:
		if !errors.Is(c.readErr, io.EOF) {
			return c.readErr
		}
	default:
	}
	return io.ErrClosedPipe
}

// CloseWrite tells the other side that no more bytes come; Read goes on.
func (c *Conn) CloseWrite() error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.finished {
		return nil
	}
	c.finished = true
	if err := c.call.Send(&pb.StreamRequest{FrameType: pb.FrameType_FRAME_TYPE_GOAWAY}); err != nil {
		return c.writeError(err)
	}
	return c.call.CloseSend()
}

// Close ends both halves and returns at once; what was written is still
// delivered, for a moment.
func (c *Conn) Close() error {
	c.closing.Do(func() {
		close(c.closed)
		go c.depart()
	})
	return nil
}

// depart ends the call after the other side had its chance to take what was
// written: to cancel at once would throw away what is still queued. Our
// exporters end the call then; a Python one says GOAWAY and never ends it.
func (c *Conn) depart() {
	defer func() {
		close(c.gone)
		if c.options.Gone != nil {
			c.options.Gone()
		}
	}()
	defer c.options.Cancel()
	timer := time.AfterFunc(lingering, c.options.Cancel)
	defer timer.Stop()
	c.CloseWrite() // the call may be broken already
	select {
	case <-c.ended:
	case <-c.over:
	}
	select {
	case <-c.over:
	case <-time.After(lingering / 20):
	}
}

// Wait returns when nothing of a closed connection is left.
func (c *Conn) Wait() { <-c.gone }

// LocalAddr and RemoteAddr are names, not addresses.
func (c *Conn) LocalAddr() net.Addr  { return addr(c.options.Local) }
func (c *Conn) RemoteAddr() net.Addr { return addr(c.options.Remote) }

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	c.readLimit.set(t)
	c.writeLimit.set(t)
	return nil
}

// SetReadDeadline bounds the time of Read, one that waits included.
func (c *Conn) SetReadDeadline(t time.Time) error { c.readLimit.set(t); return nil }

// SetWriteDeadline bounds the time of the calls of Write to come. The
// connection breaks at the deadline of a Write that has not ended.
func (c *Conn) SetWriteDeadline(t time.Time) error { c.writeLimit.set(t); return nil }

// addr is one end of a Conn.
type addr string

func (addr) Network() string  { return "jumpstarter" }
func (a addr) String() string { return string(a) }

var _ net.Conn = (*Conn)(nil)
