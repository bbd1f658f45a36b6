package exporter

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"starproxy/driver/pb"
)

// The calls of an isolated proxy pass over a second unix socket, beside the one
// for gRPC, in frames that carry the same messages. A hop over gRPC takes twice
// the time of the call itself, most of it in handing over between goroutines
// (BenchmarkCall); this one takes a third of that. It goes when gRPC's hop over
// a unix socket costs less than 100 µs with two busy processors.
//
// A frame is the length of what follows (4 bytes, big-endian), the number of the
// call (8 bytes), its kind (1 byte) and a message.
type frameKind byte

const (
	frameCall   frameKind = iota // a DriverCallRequest, to the proxies
	frameCancel                  // nothing: the caller has left
	frameResult                  // a DriverCallResponse, from the proxies
	frameError                   // a gRPC code (4 bytes) and a text, from the proxies
)

// callsSuffix makes the path of the socket from that for gRPC.
const callsSuffix = ".c"

const (
	frameHeader = 4 + 8 + 1
	// maxFrame bounds a message, in bytes.
	maxFrame = 4 * maxRequest
)

// frameConn writes and reads frames.
type frameConn struct {
	net.Conn
	in *bufio.Reader

	mu  sync.Mutex
	out []byte // the frame being written
}

func newFrameConn(c net.Conn) *frameConn {
	return &frameConn{Conn: c, in: bufio.NewReaderSize(c, 64<<10)}
}

// send writes a frame with the message m.
func (f *frameConn) send(id uint64, kind frameKind, m proto.Message) error {
	return f.write(id, kind, func(out []byte) ([]byte, error) { return proto.MarshalOptions{}.MarshalAppend(out, m) })
}

// cancel writes that the caller has left.
func (f *frameConn) cancel(id uint64) error {
	return f.write(id, frameCancel, func(out []byte) ([]byte, error) { return out, nil })
}

// fail writes the status of a call that failed.
func (f *frameConn) fail(id uint64, s *status.Status) error {
	return f.write(id, frameError, func(out []byte) ([]byte, error) {
		return append(binary.BigEndian.AppendUint32(out, uint32(s.Code())), s.Message()...), nil
	})
}

// write writes a frame whose message fill appends.
func (f *frameConn) write(id uint64, kind frameKind, fill func([]byte) ([]byte, error)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := append(f.out[:0], 0, 0, 0, 0)
	out = binary.BigEndian.AppendUint64(out, id)
	out = append(out, byte(kind))
	out, err := fill(out)
	if err != nil {
		return err
	}
	if len(out)-frameHeader > maxFrame {
		return status.Errorf(codes.ResourceExhausted, "the message has %d bytes, at most %d are passed on", len(out)-frameHeader, maxFrame)
	}
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	if cap(out) <= 64<<10 { // a large one is not kept
		f.out = out
	}
	_, err = f.Write(out)
	return err
}

// receive reads a frame.
func (f *frameConn) receive() (id uint64, kind frameKind, message []byte, err error) {
	var header [frameHeader]byte
	if _, err := io.ReadFull(f.in, header[:]); err != nil {
		return 0, 0, nil, err
	}
	n := int(binary.BigEndian.Uint32(header[:])) - (frameHeader - 4)
	if n < 0 || n > maxFrame {
		return 0, 0, nil, fmt.Errorf("a frame of %d bytes", n)
	}
	// A length is only believed as far as bytes come.
	var body bytes.Buffer
	body.Grow(min(n, 64<<10))
	_, err = io.CopyN(&body, f.in, int64(n))
	return binary.BigEndian.Uint64(header[4:]), frameKind(header[12]), body.Bytes(), err
}

// caller makes calls over a connection.
type caller struct {
	conn *frameConn

	mu      sync.Mutex
	next    uint64
	waiting map[uint64]chan callReply
	broken  error
}

// callReply is a frame that answers a call, or why there is none.
type callReply struct {
	kind    frameKind
	message []byte
	err     error
}

func dialCalls(ctx context.Context, socket string) (*caller, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket+callsSuffix)
	if err != nil {
		return nil, err
	}
	c := &caller{conn: newFrameConn(conn), waiting: map[uint64]chan callReply{}}
	go c.receive()
	return c, nil
}

// receive hands out the answers until the connection breaks.
func (c *caller) receive() {
	for {
		id, kind, message, err := c.conn.receive()
		c.mu.Lock()
		if err != nil {
			c.broken = status.Errorf(codes.Unavailable, "calls: %v", err)
			for _, reply := range c.waiting {
				reply <- callReply{err: c.broken}
			}
			clear(c.waiting)
			c.mu.Unlock()
			c.conn.Close()
			return
		}
		reply := c.waiting[id] // nil when the caller has left
		delete(c.waiting, id)
		c.mu.Unlock()
		if reply != nil {
			reply <- callReply{kind: kind, message: message}
		}
	}
}

// call makes one call. Its errors are gRPC statuses.
func (c *caller) call(ctx context.Context, req *pb.DriverCallRequest) (*pb.DriverCallResponse, error) {
	reply := make(chan callReply, 1)
	c.mu.Lock()
	if c.broken != nil {
		c.mu.Unlock()
		return nil, c.broken
	}
	c.next++
	id := c.next
	c.waiting[id] = reply
	c.mu.Unlock()
	if err := c.conn.send(id, frameCall, req); err != nil {
		c.forget(id)
		if _, ok := status.FromError(err); !ok {
			err = status.Errorf(codes.Unavailable, "calls: %v", err)
		}
		return nil, err
	}
	select {
	case r := <-reply:
		return r.decode()
	case <-ctx.Done():
		c.forget(id)
		_ = c.conn.cancel(id) // a broken connection cancels by itself
		return nil, status.FromContextError(ctx.Err()).Err()
	}
}

func (c *caller) forget(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, id)
}

func (r callReply) decode() (*pb.DriverCallResponse, error) {
	switch {
	case r.err != nil:
		return nil, r.err
	case r.kind == frameResult:
		out := new(pb.DriverCallResponse)
		return out, proto.Unmarshal(r.message, out)
	case r.kind == frameError:
		if len(r.message) < 4 {
			break
		}
		return nil, status.Error(codes.Code(binary.BigEndian.Uint32(r.message)), string(r.message[4:]))
	}
	return nil, status.Errorf(codes.Internal, "calls: a frame of kind %d", r.kind)
}

// serveCalls answers calls on a socket beside that of the session, until the
// session closes.
func (s *Session) serveCalls(socket string) error {
	ln, err := listenUnix(socket + callsSuffix)
	if err != nil {
		return err
	}
	context.AfterFunc(s.closing, func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go s.answerCalls(newFrameConn(conn))
		}
	}()
	return nil
}

// answerCalls answers the calls of one connection, each on a goroutine of its
// own, until it breaks.
func (s *Session) answerCalls(conn *frameConn) {
	ctx, cancel := context.WithCancel(s.closing)
	defer cancel()
	context.AfterFunc(ctx, func() { conn.Close() })
	var mu sync.Mutex
	running := map[uint64]context.CancelFunc{}
	for {
		id, kind, message, err := conn.receive()
		if err != nil {
			return
		}
		mu.Lock()
		if kind == frameCancel {
			if end := running[id]; end != nil {
				end()
			}
			mu.Unlock()
			continue
		}
		ctx, end := context.WithCancel(ctx)
		running[id] = end
		mu.Unlock()
		go func() {
			reply, err := s.answerCall(ctx, message)
			mu.Lock()
			delete(running, id)
			mu.Unlock()
			end()
			if err == nil {
				err = conn.send(id, frameResult, reply)
			}
			if err != nil && !errors.Is(err, net.ErrClosed) {
				_ = conn.fail(id, status.Convert(err)) // else nobody listens any more
			}
		}()
	}
}

// answerCall answers one call as the gRPC server does.
func (s *Session) answerCall(ctx context.Context, message []byte) (*pb.DriverCallResponse, error) {
	req := new(pb.DriverCallRequest)
	if err := proto.Unmarshal(message, req); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	info := &grpc.UnaryServerInfo{FullMethod: pb.ExporterService_DriverCall_FullMethodName}
	reply, err := s.recoverUnary(ctx, req, info, func(ctx context.Context, _ any) (any, error) {
		return (&service{Session: s}).DriverCall(ctx, req)
	})
	if err != nil {
		return nil, err
	}
	return reply.(*pb.DriverCallResponse), nil
}
