package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"starproxy/driver/pb"
)

const (
	// frameBytes is the most that one frame carries.
	frameBytes = 32 << 10
	// lingering is how long a closed stream may take to deliver what was written.
	lingering = time.Second
)

// Connect opens a byte stream to what the driver's method (connect_web, …)
// dials. The connection has halves: CloseWrite ends the outgoing one. It has no
// deadlines. It breaks when ctx ends.
func (n *Node) Connect(ctx context.Context, method string) (net.Conn, error) {
	request, err := json.Marshal(map[string]string{"kind": "driver", "uuid": n.UUID, "method": method})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(ctx, "request", string(request)))
	stream, err := n.client.router.Stream(ctx)
	if err != nil {
		cancel()
		return nil, n.client.errorOf(method, err)
	}
	// Headers mean that the stream is open; a refusal comes without.
	header, err := stream.Header()
	if err == nil && header == nil {
		_, err = stream.Recv()
	}
	if err != nil {
		cancel()
		return nil, n.client.errorOf(method, err)
	}
	c := &conn{
		stream: stream, cancel: cancel, client: n.client, method: method,
		frames: make(chan []byte), ended: make(chan struct{}), over: make(chan struct{}),
		closed: make(chan struct{}), gone: make(chan struct{}),
	}
	if err := n.client.keep(c); err != nil {
		cancel()
		return nil, err
	}
	go c.receive()
	return c, nil
}

// conn is a byte stream inside RouterService.Stream.
type conn struct {
	stream grpc.BidiStreamingClient[pb.StreamRequest, pb.StreamResponse]
	cancel context.CancelFunc
	client *Client
	method string

	frames  chan []byte   // from receive to Read
	ended   chan struct{} // closed when no more bytes come
	readErr error         // why; valid after ended
	over    chan struct{} // closed when the call itself is over

	reading sync.Mutex // one Read at a time
	rest    []byte     // of the last frame

	writing  sync.Mutex // one sender at a time, as gRPC asks
	finished bool       // GOAWAY was sent

	closing sync.Once
	closed  chan struct{} // closed by Close
	gone    chan struct{} // closed when nothing of the conn is left
}

// receive takes frames until the call is over; once the conn is closed they
// are dropped.
func (c *conn) receive() {
	defer close(c.over)
	defer c.cancel()
	done := false
	end := func(err error) {
		if !done {
			done = true
			c.readErr = err
			close(c.ended)
		}
	}
	for {
		frame, err := c.stream.Recv()
		if err != nil {
			if err = c.client.endOf(c.method, err); err == nil {
				err = io.EOF
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
func (c *conn) Read(p []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	select {
	case <-c.closed:
		return 0, net.ErrClosed
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
		}
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// Write sends p in frames.
func (c *conn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	written := 0
	for written < len(p) {
		select {
		case <-c.closed:
			return written, net.ErrClosed
		default:
		}
		if c.finished {
			return written, net.ErrClosed
		}
		piece := p[written:min(len(p), written+frameBytes)]
		if err := c.stream.Send(&pb.StreamRequest{Payload: piece}); err != nil {
			return written, c.writeError(err)
		}
		written += len(piece)
	}
	return written, nil
}

// writeError is why sending failed: gRPC says only EOF, the reason is with the receiver.
func (c *conn) writeError(err error) error {
	if !errors.Is(err, io.EOF) {
		return c.client.errorOf(c.method, err)
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
func (c *conn) CloseWrite() error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.finished {
		return nil
	}
	c.finished = true
	if err := c.stream.Send(&pb.StreamRequest{FrameType: pb.FrameType_FRAME_TYPE_GOAWAY}); err != nil {
		return c.writeError(err)
	}
	return c.stream.CloseSend()
}

// Close ends both halves and returns at once; what was written is still
// delivered, for a moment.
func (c *conn) Close() error {
	c.closing.Do(func() {
		close(c.closed)
		go c.depart()
	})
	return nil
}

// depart ends the call after the other side had its chance to take what was
// written: to cancel at once would throw away what is still queued. Our
// exporters end the call then; a Python one says GOAWAY and never ends it.
func (c *conn) depart() {
	defer c.client.drop(c)
	defer close(c.gone)
	defer c.cancel()
	timer := time.AfterFunc(lingering, c.cancel)
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

// LocalAddr and RemoteAddr name the method and the exporter.
func (c *conn) LocalAddr() net.Addr  { return addr(c.method) }
func (c *conn) RemoteAddr() net.Addr { return addr(c.client.host) }

// Deadlines are not supported; they would end the stream.
func (c *conn) SetDeadline(time.Time) error      { return os.ErrNoDeadline }
func (c *conn) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (c *conn) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }

// addr is one end of a conn.
type addr string

func (addr) Network() string  { return "jumpstarter" }
func (a addr) String() string { return string(a) }

var _ net.Conn = (*conn)(nil)
