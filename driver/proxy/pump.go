package proxy

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"

	"starproxy/builtins/exchange"
)

// net/http's Transport reads a request's body on goroutines of its own, which
// may outlive the answer. It expects that Close ends a Read that waits for the
// device, and that GetBody gives the body once more when a server refused the
// stream or said GOAWAY (RFC 9113 section 8.7).

// lend returns the request's body to the Transport.
func (s *serving) lend(ctx context.Context, out *http.Request) error {
	p, err := s.payload()
	if err != nil || s.req.Body == nil {
		return err
	}
	if p.body == nil {
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(p.inline)), nil }
		out.Body, _ = out.GetBody()
		return nil
	}
	if err := p.claim(ctx); err != nil {
		return err
	}
	up := &upload{p: p, done: make(chan struct{}), stop: make(chan struct{})}
	s.up = up
	m := &pump{up: up, pieces: make(chan piece)}
	up.pump = m
	out.GetBody = m.reader
	out.Body, _ = m.reader()
	return nil
}

// pump reads a stream for the Transport.
type pump struct {
	up     *upload
	pieces chan piece
	buf    *[copySize]byte

	mu    sync.Mutex // held by the reader that reads
	began bool       // by the first Read
	rest  []byte     // of the last piece
	err   error      // after it
	kept  []byte     // all that was read, unless spent
	spent bool
}

// stopPump ends an upload over HTTP/2 so that the body can be claimed again.
func (s *serving) stopPump(ctx context.Context) error {
	up := s.up
	if up == nil {
		return nil
	}
	s.up = nil
	close(up.stop)
	var err error
	select {
	case <-up.done:
	case <-ctx.Done():
		err = context.Cause(ctx)
		s.r.body.Close() // ends a Read that waits for the device
		<-up.done
	}
	up.pump.free()
	return err
}

type piece struct {
	b   []byte
	err error
}

// takeBack has nobody read the body when the Transport did not begin to.
func (s *serving) takeBack() {
	if s.up == nil || s.up.pump == nil {
		return
	}
	m := s.up.pump
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.began {
		m.began, m.err, s.up = true, errStopped, nil
		m.up.p.release()
		close(m.up.done)
	}
}

// run reads until the stream ends or the upload is stopped. While one half of
// its buffer is read from, it fills the other one.
func (m *pump) run() {
	halves := [2][]byte{m.buf[:copySize/2], m.buf[copySize/2:]}
	for i := 0; m.up.err == nil; i ^= 1 {
		n, err := m.up.p.stream.Read(halves[i])
		if err != nil && err != io.EOF {
			m.up.err = err
		}
		select {
		case m.pieces <- piece{halves[i][:n], err}:
			m.up.moved.Add(int64(n))
		case <-m.up.stop:
			m.up.err = errStopped
		}
		if err == io.EOF {
			break
		}
	}
	m.up.p.release()
	close(m.up.done)
}

// free gives the buffer back, when the upload is over.
func (m *pump) free() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rest, m.kept, m.spent = nil, nil, true
	if m.err == nil {
		m.err = errStopped
	}
	if m.buf != nil {
		copyBuffers.Put(m.buf)
		m.buf = nil
	}
}

// reader returns the stream from its start.
func (m *pump) reader() (io.ReadCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.spent {
		return nil, exchange.ErrBodySpent
	}
	return &pumpReader{m: m, closed: make(chan struct{})}, nil
}

// pumpReader is the body of one request of the Transport's.
type pumpReader struct {
	m      *pump
	off    int // in kept
	once   sync.Once
	closed chan struct{}
}

func (r *pumpReader) Read(p []byte) (int, error) {
	m := r.m
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-r.closed:
		return 0, http.ErrBodyReadAfterClose
	default:
	}
	if r.off < len(m.kept) {
		n := copy(p, m.kept[r.off:])
		r.off += n
		return n, nil
	}
	if len(m.rest) == 0 {
		if m.err != nil {
			return 0, m.err
		}
		if !m.began {
			m.began, m.buf = true, copyBuffers.Get().(*[copySize]byte)
			go m.run()
		}
		// Nobody waits for the lock for long: Close and stop end this.
		select {
		case next := <-m.pieces:
			m.rest, m.err = next.b, next.err
		case <-r.closed:
			return 0, http.ErrBodyReadAfterClose
		case <-m.up.stop:
			return 0, errStopped
		}
	}
	n := copy(p, m.rest)
	if m.rest = m.rest[n:]; !m.spent && len(m.kept)+n <= inlineBody && m.up.p.length <= inlineBody {
		m.kept = append(m.kept, p[:n]...)
		r.off = len(m.kept)
	} else if n > 0 {
		m.kept, r.off, m.spent = nil, 0, true
	}
	if len(m.rest) == 0 {
		return n, m.err
	}
	return n, nil
}

// Close ends a Read that waits.
func (r *pumpReader) Close() error {
	r.once.Do(func() { close(r.closed) })
	return nil
}
