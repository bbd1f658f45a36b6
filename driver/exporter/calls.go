package exporter

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"starproxy/driver/pb"
	"starproxy/driver/rpc"
)

// The calls of an isolated proxy pass over a second unix socket, beside the one
// for gRPC, in frames that carry the same messages. A hop over gRPC takes twice
// the time of the call itself, most of it in handing over between goroutines
// (BenchmarkCall). Here a call has a connection to itself: the goroutine that
// makes the call waits on it, and the goroutine that reads the call answers it.
// This goes when gRPC's hop over a unix socket costs less than 100 µs with two
// busy processors.
//
// A frame is the length of what follows (4 bytes, big-endian), its kind (1 byte)
// and a message. A caller that leaves closes the connection.
type frameKind byte

const (
	frameCall    frameKind = iota // a DriverCallRequest, to the proxies
	frameResult                   // a DriverCallResponse, from the proxies
	frameError                    // a gRPC code (4 bytes) and a text, from the proxies
	frameRefusal                  // a rpc.Refusal in JSON, from the proxies
)

// callsSuffix makes the path of the socket from that for gRPC.
const callsSuffix = ".c"

const (
	frameHeader = 4 + 1
	// maxFrame bounds a message, in bytes.
	maxFrame = 4 * maxRequest
	// maxCalls bounds the calls at once, and so the connections.
	maxCalls = 1000
	// idleCalls bounds the connections that are kept for later calls.
	idleCalls = 8
	// lookAfter is how long a call runs before it is noticed that its caller has
	// left; at most twice that.
	lookAfter = 20 * time.Millisecond
)

// frameConn writes and reads frames, for one goroutine.
type frameConn struct {
	net.Conn
	in  *bufio.Reader
	out []byte // the frame being written
}

func newFrameConn(c net.Conn) *frameConn {
	return &frameConn{Conn: c, in: bufio.NewReaderSize(c, 16<<10)}
}

// send writes a frame with the message m.
func (f *frameConn) send(kind frameKind, m proto.Message) error {
	return f.write(kind, func(out []byte) ([]byte, error) { return proto.MarshalOptions{}.MarshalAppend(out, m) })
}

// fail writes the status of a call that failed.
func (f *frameConn) fail(s *status.Status) error {
	return f.write(frameError, func(out []byte) ([]byte, error) {
		return append(binary.BigEndian.AppendUint32(out, uint32(s.Code())), s.Message()...), nil
	})
}

// write writes a frame whose message fill appends. Nothing is written of a
// message that can't be sent; the error is a gRPC status then.
func (f *frameConn) write(kind frameKind, fill func([]byte) ([]byte, error)) error {
	out, err := fill(append(f.out[:0], 0, 0, 0, 0, byte(kind)))
	if err != nil {
		return status.Error(codes.Internal, err.Error())
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
func (f *frameConn) receive() (frameKind, []byte, error) {
	var header [frameHeader]byte
	if _, err := io.ReadFull(f.in, header[:]); err != nil {
		return 0, nil, err
	}
	n := int(binary.BigEndian.Uint32(header[:])) - (frameHeader - 4)
	if n < 0 || n > maxFrame {
		return 0, nil, fmt.Errorf("a frame of %d bytes", n)
	}
	// A length is only believed as far as bytes come.
	var body bytes.Buffer
	body.Grow(min(n, 64<<10))
	_, err := io.CopyN(&body, f.in, int64(n))
	return frameKind(header[4]), body.Bytes(), err
}

// refuse writes the refusal of a call.
func (f *frameConn) refuse(r *rpc.Refusal) error {
	return f.write(frameRefusal, func(out []byte) ([]byte, error) {
		data, err := json.Marshal(r)
		return append(out, data...), err
	})
}

// reply returns the answer that a frame holds. Its errors are gRPC statuses or
// a *rpc.Refusal.
func reply(kind frameKind, message []byte) (*pb.DriverCallResponse, error) {
	switch {
	case kind == frameResult:
		out := new(pb.DriverCallResponse)
		return out, proto.Unmarshal(message, out)
	case kind == frameRefusal:
		r := new(rpc.Refusal)
		if err := json.Unmarshal(message, r); err != nil {
			return nil, status.Errorf(codes.Internal, "calls: %v", err)
		}
		return nil, r
	case kind == frameError && len(message) >= 4:
		return nil, status.Error(codes.Code(binary.BigEndian.Uint32(message)), string(message[4:]))
	}
	return nil, status.Errorf(codes.Internal, "calls: a frame of kind %d", kind)
}

// caller makes calls over a socket.
type caller struct {
	socket string

	mu      sync.Mutex
	open    map[*frameConn]struct{}
	idle    []*frameConn // of those; the one used last is at the end
	dialing int          // connections that are being made
	over    bool
}

// dialCalls makes a caller and its first connection.
func dialCalls(ctx context.Context, socket string) (*caller, error) {
	c := &caller{socket: socket + callsSuffix, open: map[*frameConn]struct{}{}}
	conn, err := c.take(ctx)
	if err != nil {
		return nil, err
	}
	c.give(conn)
	return c, nil
}

// take takes a connection that no call uses.
func (c *caller) take(ctx context.Context) (*frameConn, error) {
	conn, err := c.reserve()
	if conn != nil || err != nil {
		return conn, err
	}
	nc, err := new(net.Dialer).DialContext(ctx, "unix", c.socket)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dialing--
	switch {
	case err != nil:
		return nil, status.Errorf(codes.Unavailable, "calls: %v", err)
	case c.over:
		nc.Close()
		return nil, errCallsOver
	}
	conn = newFrameConn(nc)
	c.open[conn] = struct{}{}
	return conn, nil
}

// reserve returns an idle connection, or nil when the caller may dial another.
func (c *caller) reserve() (*frameConn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.idle); n > 0 {
		conn := c.idle[n-1]
		c.idle = c.idle[:n-1]
		return conn, nil
	}
	switch {
	case c.over:
		return nil, errCallsOver
	case len(c.open)+c.dialing >= maxCalls:
		return nil, status.Errorf(codes.ResourceExhausted, "calls: %d are running, that is as many as may", maxCalls)
	}
	c.dialing++
	return nil, nil
}

var errCallsOver = status.Error(codes.Unavailable, "calls: the process of the proxies has ended")

// give takes back a connection whose call is over.
func (c *caller) give(conn *frameConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.idle) < idleCalls && !c.over {
		c.idle = append(c.idle, conn)
		return
	}
	c.dropLocked(conn)
}

// drop closes a connection that can't be used any more.
func (c *caller) drop(conn *frameConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropLocked(conn)
}

func (c *caller) dropLocked(conn *frameConn) {
	delete(c.open, conn)
	conn.Close()
}

// close ends all calls.
func (c *caller) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over, c.idle = true, nil
	for conn := range c.open {
		c.dropLocked(conn)
	}
}

// call makes one call. Its errors are gRPC statuses or a *rpc.Refusal.
func (c *caller) call(ctx context.Context, req *pb.DriverCallRequest) (*pb.DriverCallResponse, error) {
	conn, err := c.take(ctx)
	if err != nil {
		return nil, err
	}
	leave := context.AfterFunc(ctx, func() { conn.Close() })
	if err = conn.send(frameCall, req); err != nil {
		if _, ok := status.FromError(err); ok && leave() {
			c.give(conn)
			return nil, err
		}
	}
	var kind frameKind
	var message []byte
	if err == nil {
		kind, message, err = conn.receive()
	}
	if !leave() {
		c.drop(conn)
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	if err != nil {
		c.drop(conn)
		return nil, status.Errorf(codes.Unavailable, "calls: %v", err)
	}
	c.give(conn)
	answer, err := reply(kind, message)
	if err == nil {
		succeeded(ctx)
	}
	return answer, err
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

// answerCalls answers the calls of one connection, one after the other, until it
// breaks.
func (s *Session) answerCalls(conn *frameConn) {
	stop := context.AfterFunc(s.closing, func() { conn.Close() })
	defer stop()
	defer conn.Close()
	w := &lookout{conn: conn}
	for {
		kind, message, err := conn.receive()
		if err != nil || kind != frameCall {
			return
		}
		ctx, end := context.WithCancel(s.closing)
		w.begin(end)
		answer, err := s.answerCall(ctx, message)
		w.end()
		end()
		if err == nil {
			err = conn.send(frameResult, answer)
		}
		var r *rpc.Refusal
		if errors.As(err, &r) {
			err = conn.refuse(r)
		}
		if st, ok := status.FromError(err); err != nil && ok {
			err = conn.fail(st)
		}
		if err != nil {
			return
		}
	}
}

// answerCall answers one call as the gRPC server does. Its errors are gRPC
// statuses or a *rpc.Refusal with a stock sentence.
func (s *Session) answerCall(ctx context.Context, message []byte) (*pb.DriverCallResponse, error) {
	req := new(pb.DriverCallRequest)
	if err := proto.Unmarshal(message, req); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	info := &grpc.UnaryServerInfo{FullMethod: pb.ExporterService_DriverCall_FullMethodName}
	answer, err := s.recoverUnary(ctx, req, info, func(ctx context.Context, _ any) (any, error) {
		return (&service{Session: s}).call(ctx, req)
	})
	var r *rpc.Refusal
	switch {
	case errors.As(err, &r) && r.Stock != "":
		return nil, r
	case err != nil:
		return nil, status.Convert(grpcError(err)).Err()
	}
	return answer.(*pb.DriverCallResponse), nil
}
