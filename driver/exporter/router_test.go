package exporter

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"starproxy/driver/client"
	"starproxy/driver/pb"
)

func connect(t *testing.T, serve func(*net.TCPConn)) net.Conn {
	t.Helper()
	proxy := find(t, dialUnix(t, newBench(t, fakesFile, backend(t, serve))), "proxy")
	conn, err := proxy.Connect(t.Context(), "connect")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestStreamEchoesAndHalfCloses(t *testing.T) {
	t.Parallel()
	conn := connect(t, echo)
	sent := make([]byte, 3<<20)
	rand.Read(sent)
	failed := make(chan error, 1)
	go func() {
		_, err := conn.Write(sent)
		failed <- errors.Join(err, conn.(interface{ CloseWrite() error }).CloseWrite())
	}()
	got, err := io.ReadAll(conn)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes came back, %v; want %d", len(got), err, len(sent))
	}
	if err := <-failed; err != nil {
		t.Errorf("write: %v", err)
	}
	if _, err := conn.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("writing after CloseWrite: %v", err)
	}
}

func TestStreamServerSpeaksFirst(t *testing.T) {
	t.Parallel()
	late := make(chan string, 1)
	conn := connect(t, func(c *net.TCPConn) {
		io.WriteString(c, "hello")
		c.CloseWrite()
		rest, _ := io.ReadAll(c)
		late <- string(rest)
	})
	got, err := io.ReadAll(conn)
	if err != nil || string(got) != "hello" {
		t.Errorf("got %q, %v", got, err)
	}
	// The other half is still open.
	if _, err := io.WriteString(conn, "late"); err != nil {
		t.Error(err)
	}
	conn.Close()
	if rest := soon(t, late, "the end of the backend's input"); rest != "late" {
		t.Errorf("the backend got %q", rest)
	}
}

func TestStreamCloseDeliversWhatWasWritten(t *testing.T) {
	t.Parallel()
	got := make(chan int64, 1)
	conn := connect(t, func(c *net.TCPConn) {
		n, _ := io.Copy(io.Discard, c)
		got <- n
	})
	if _, err := conn.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if n := soon(t, got, "the end of the backend's input"); n != 1<<20 {
		t.Errorf("%d bytes arrived", n)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("reading after Close: %v", err)
	}
}

func TestStreamEndsWithBackend(t *testing.T) {
	t.Parallel()
	conn := connect(t, func(c *net.TCPConn) {
		io.ReadFull(c, make([]byte, 1)) // a reset any earlier can make the dial fail
		c.SetLinger(0)                  // reset
	})
	if _, err := io.WriteString(conn, "x"); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); len(got) != 0 || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestStreamDialFailure(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	proxy := find(t, dialUnix(t, newBench(t, fakesFile, addr)), "proxy")
	conn, err := proxy.Connect(t.Context(), "connect")
	if err == nil { // the header comes before the dial
		_, err = conn.Read(make([]byte, 1))
	}
	if !errors.Is(err, &client.Error{Code: codes.Unavailable}) {
		t.Errorf("error %v", err)
	}
}

func TestStreamClientVanishes(t *testing.T) {
	t.Parallel()
	reached, gone := make(chan struct{}), make(chan struct{})
	b := newBench(t, fakesFile, backend(t, func(c *net.TCPConn) {
		io.ReadFull(c, make([]byte, 1))
		close(reached)
		io.Copy(io.Discard, c)
		close(gone)
	}))
	channel := raw(t, b)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "request",
		`{"kind":"driver","uuid":"`+b.ids[b.proxies[0]].String()+`","method":"connect"}`)
	stream, err := pb.NewRouterServiceClient(channel).Stream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Header(); err != nil {
		t.Fatal(err)
	}
	// Frames of unknown meaning and empty ones change nothing.
	for _, f := range []*pb.StreamRequest{{FrameType: pb.FrameType_FRAME_TYPE_PING}, {FrameType: 42}, {}, {Payload: []byte("x")}} {
		if err := stream.Send(f); err != nil {
			t.Fatal(err)
		}
	}
	soon(t, reached, "reaching the backend") // the header comes before the dial
	channel.Close()
	soon(t, gone, "closing the backend's connection")
}
