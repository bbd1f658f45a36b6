package splice

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// pair is two connected sockets.
func pair(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialed, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialed.Close(); accepted.Close() })
	return dialed.(*net.TCPConn), accepted.(*net.TCPConn)
}

// file records into a file up to a bound, as the journal does.
type file struct {
	f     *os.File
	room  int64 // bytes that are kept yet
	size  int64 // bytes that passed
	saved int64
}

func (f *file) Write(b []byte) (int, error) {
	f.size, f.saved, f.room = f.size+int64(len(b)), f.saved+int64(len(b)), f.room-int64(len(b))
	return f.f.Write(b)
}

func (f *file) Take(n int64) *os.File {
	if f.room < n {
		return nil
	}
	f.room -= n
	return f.f
}

func (f *file) Took(n, saved int64, _ error) {
	f.size += n
	f.saved += saved
}

func content(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// move has a body moved that a server sends, of which ahead bytes are in the
// buffer already. It returns the bytes that were moved and those that the device got.
func move(t *testing.T, body []byte, announced, ahead int, rec Record, leave bool) (n int64, got []byte, err error) {
	t.Helper()
	server, from := pair(t)
	to, device := pair(t)
	go func() {
		server.Write(body)
		server.CloseWrite()
	}()
	br := bufio.NewReaderSize(from, 4<<10)
	if _, err := br.Peek(min(ahead, 4<<10)); err != nil {
		t.Fatal(err)
	}
	came := make(chan []byte, 1)
	if leave {
		device.SetLinger(0)
		device.Close()
		came <- nil
	} else {
		go func() {
			b, _ := io.ReadAll(device)
			came <- b
		}()
	}
	m := &Mover{From: from, Buffered: br, Left: int64(announced), Record: rec}
	to.SetDeadline(time.Now().Add(10 * time.Second))
	marks := 0
	n, err = m.MoveTo(to, func() { marks++ }, func() bool { return false })
	if n > 0 && marks == 0 {
		t.Error("moved: got no call, want some")
	}
	to.CloseWrite()
	return n, <-came, err
}

func TestMove(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 5000, 3 << 20} {
		body := content(size)
		for _, kept := range []int{0, size / 2, size} {
			f, err := os.Create(filepath.Join(t.TempDir(), "record"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			rec := &file{f: f, room: int64(kept)}
			n, got, err := move(t, body, size, 1, rec, false)
			if err != nil || n != int64(size) || !bytes.Equal(got, body) {
				t.Errorf("%d bytes, %d kept: got %d moved, %d at the device, error %v", size, kept, n, len(got), err)
			}
			saved, _ := os.ReadFile(f.Name())
			if rec.size != int64(size) || int64(len(saved)) != rec.saved {
				t.Errorf("%d bytes, %d kept: record: got %d bytes told, %d saved, %d in the file", size, kept, rec.size, rec.saved, len(saved))
			}
			if kept == size && !bytes.Equal(saved, body) {
				t.Errorf("%d bytes: record: it is not the body", size)
			}
		}
		if n, got, err := move(t, body, size, 1, nil, false); err != nil || n != int64(size) || !bytes.Equal(got, body) {
			t.Errorf("%d bytes, no record: got %d moved, %d at the device, error %v", size, n, len(got), err)
		}
	}
}

// TestSourceEnds has a server close in the middle: the device has what came, and
// the error is the source's.
func TestSourceEnds(t *testing.T) {
	t.Parallel()
	body := content(300 << 10)
	n, got, err := move(t, body, len(body)+1, 100, nil, false)
	if !errors.Is(err, io.ErrUnexpectedEOF) || n != int64(len(body)) || !bytes.Equal(got, body) {
		t.Errorf("got %d moved, %d at the device, error %v; want all and %v", n, len(got), err, io.ErrUnexpectedEOF)
	}
	if _, device := errors.AsType[*WriteError](err); device {
		t.Errorf("got %v as an error of the destination", err)
	}
}

// TestDeviceLeaves has the device reset the connection.
func TestDeviceLeaves(t *testing.T) {
	t.Parallel()
	body := content(8 << 20)
	_, _, err := move(t, body, len(body), 100, nil, true)
	if _, device := errors.AsType[*WriteError](err); !device {
		t.Errorf("got %v, want an error of the destination", err)
	}
}

func TestLooker(t *testing.T) {
	t.Parallel()
	var none Looker
	if none.Silent() {
		t.Error("without a socket: got silent")
	}
	a, b := pair(t)
	var look Looker
	look.Watch(a)
	if !look.Silent() {
		t.Error("nothing was sent: got not silent")
	}
	b.Write([]byte("x"))
	bufio.NewReader(a).Peek(1) // it has come
	b.Close()
	for end := time.Now().Add(10 * time.Second); look.Silent() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if look.Silent() {
		t.Error("the other side closed: got silent")
	}
}
