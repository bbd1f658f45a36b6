package trial

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"starproxy/builtins/call"
)

// receiver is the client's end of a connection. It keeps the bytes that are sent
// to it, up to limit.
type receiver struct {
	buf      bytes.Buffer
	limit    int
	full     bool
	leave    func()
	progress atomic.Uint64
}

// idle is the real time after which the client leaves a body that sends nothing
// while the test's clock does not move. Nothing else could end such a body.
const idle = 300 * time.Millisecond

// wait returns the error with which the sending ends. When nothing is written and
// the test's clock does not move, the client leaves.
func (r *receiver) wait(sent <-chan error, env *call.Env) error {
	tick := time.NewTicker(idle)
	defer tick.Stop()
	seen, then := r.progress.Load(), env.Clock.Now()
	for {
		select {
		case err := <-sent:
			return err
		case <-tick.C:
			n, now := r.progress.Load(), env.Clock.Now()
			if n == seen && now.Equal(then) {
				r.leave()
			}
			seen, then = n, now
		}
	}
}

// Write keeps b. When the limit is passed, the client leaves.
func (r *receiver) Write(b []byte) (int, error) {
	r.progress.Add(1)
	room := r.limit - r.buf.Len()
	if len(b) <= room {
		return r.buf.Write(b)
	}
	r.buf.Write(b[:room])
	r.full = true
	r.leave()
	return room, errors.New("the client left")
}

// ReadFrom keeps all bytes of src.
func (r *receiver) ReadFrom(src io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{r}, src)
}

// Flush does nothing: all bytes are kept at once.
func (r *receiver) Flush() error { return nil }

// Hijack returns an error: there is no socket that could be taken over.
func (r *receiver) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, errors.New("the endpoint wants the connection itself, as WebSockets do")
}

// Break does nothing: SendTo returns the fault as its error.
func (r *receiver) Break([]byte, bool) error { return nil }

// Multiplexed returns false: the connection is of one request.
func (r *receiver) Multiplexed() bool { return false }
