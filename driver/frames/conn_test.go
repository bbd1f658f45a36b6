package frames

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"starproxy/driver/pb"
)

// fakeCall is a call whose other side is the test. Sending blocks while nobody
// takes.
type fakeCall struct {
	ctx  context.Context
	sent chan *pb.StreamRequest
	come chan *pb.StreamResponse
}

func (c *fakeCall) Send(r *pb.StreamRequest) error {
	select {
	case c.sent <- r:
		return nil
	case <-c.ctx.Done():
		return io.EOF
	}
}

func (c *fakeCall) Recv() (*pb.StreamResponse, error) {
	select {
	case r := <-c.come:
		return r, nil
	case <-c.ctx.Done():
		return nil, c.ctx.Err()
	}
}

func (c *fakeCall) CloseSend() error { return nil }

func newFake(t *testing.T) (*fakeCall, *Conn) {
	ctx, cancel := context.WithCancel(t.Context())
	call := &fakeCall{ctx: ctx, sent: make(chan *pb.StreamRequest), come: make(chan *pb.StreamResponse)}
	conn := New(call, Options{Cancel: cancel, Local: "a", Remote: "b"})
	t.Cleanup(func() { conn.Close() })
	return call, conn
}

func TestReadDeadline(t *testing.T) {
	t.Parallel()
	call, conn := newFake(t)
	buf := make([]byte, 8)
	conn.SetReadDeadline(time.Now().Add(-time.Second))
	if _, err := conn.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("past deadline: got %v", err)
	}
	// A Read that waits is woken by a deadline that comes later.
	conn.SetReadDeadline(time.Time{})
	failed := make(chan error, 1)
	go func() {
		_, err := conn.Read(buf)
		failed <- err
	}()
	conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("waiting: got %v", err)
	}
	// The connection goes on after it.
	conn.SetReadDeadline(time.Time{})
	go func() { call.come <- &pb.StreamResponse{Payload: []byte("hello")} }()
	if n, err := conn.Read(buf); err != nil || string(buf[:n]) != "hello" {
		t.Errorf("after the deadline: got %q, %v", buf[:n], err)
	}
}

func TestWriteDeadline(t *testing.T) {
	t.Parallel()
	call, conn := newFake(t)
	conn.SetWriteDeadline(time.Now().Add(time.Minute))
	go func() { <-call.sent }()
	if n, err := conn.Write([]byte("in time")); n != 7 || err != nil {
		t.Errorf("in time: got %d, %v", n, err)
	}
	conn.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
	if n, err := conn.Write([]byte("late")); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("late: got %d, %v", n, err)
	}
	if call.ctx.Err() == nil {
		t.Error("the call goes on after a write that missed its deadline")
	}
}
