package proxy

import (
	"io"
	"net"
	"sync"

	"golang.org/x/sys/unix"

	"starproxy/driver/capture"
)

// A large body between two plain connections never enters our memory: splice(2)
// moves its pages from socket to socket through a pipe, tee(2) gives the journal
// the same pages through a second one.

const pipeSize = 1 << 20

// pipe is a kernel pipe, its ends non-blocking.
type pipe struct{ r, w int }

func newPipe() (pipe, error) {
	var fd [2]int
	if err := unix.Pipe2(fd[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return pipe{}, err
	}
	// Without the right to grow it the pipe keeps its 64 KiB, and works.
	_, _ = unix.FcntlInt(uintptr(fd[1]), unix.F_SETPIPE_SZ, pipeSize)
	return pipe{fd[0], fd[1]}, nil
}

func (p pipe) close() {
	unix.Close(p.r)
	unix.Close(p.w)
}

// mover moves left bytes from a server's connection to a device's. It is given to
// a reply as the source of a body, which has the connection read from it
// (conn.ReadFrom).
type mover struct {
	body *h1Body
	src  *net.TCPConn
	rec  *capture.Recorder // nil keeps nothing
	left int64
}

// Read gives what the buffered reader holds, then the socket's own bytes.
func (m *mover) Read(b []byte) (int, error) {
	if m.left == 0 {
		return 0, io.EOF
	}
	b = b[:min(int64(len(b)), m.left)]
	n, err := m.body.c.br.Read(b)
	m.left -= int64(n)
	if m.rec != nil {
		m.rec.Write(b[:n])
	}
	return n, noEOF(err)
}

// moveTo does the rest.
func (m *mover) moveTo(dst *conn) (int64, error) {
	var total int64
	for m.left > 0 && m.body.c.br.Buffered() > 0 {
		var b [4 << 10]byte
		n, err := m.Read(b[:])
		if err == nil {
			_, err = dst.Write(b[:n])
			err = gone(err)
		}
		if err != nil {
			return total, err
		}
		total += int64(n)
	}
	pipes := &m.body.s.p.upstream.pipes
	p, err := pipes.get()
	if err != nil {
		return total, err
	}
	from, err := m.src.SyscallConn()
	if err != nil {
		return total, err
	}
	to, err := dst.tcp.SyscallConn()
	if err != nil {
		return total, err
	}
	clean := false // the pipes are empty and may be used again
	defer func() { pipes.put(p, clean) }()
	for m.left > 0 {
		var n int
		var e error
		if err := from.Read(func(fd uintptr) bool {
			n, e = splice1(int(fd), p[0].w, min(m.left, pipeSize))
			return e != unix.EAGAIN
		}); err != nil {
			return total, err
		}
		if e == nil && n == 0 {
			e = io.ErrUnexpectedEOF
		}
		if e != nil {
			return total, e
		}
		for n > 0 {
			k, err := m.forward(p, to, n)
			dst.mark()
			total += int64(k)
			m.left -= int64(k)
			if n -= k; err != nil {
				return total, err
			}
		}
	}
	clean = true
	return total, nil
}

// rawConn is the part of syscall.RawConn that writing needs.
type rawConn interface {
	Write(func(fd uintptr) bool) error
}

// forward sends up to n bytes that are in the first pipe and records them.
func (m *mover) forward(p [2]pipe, to rawConn, n int) (int, error) {
	keep := false
	if m.rec != nil {
		if f := m.rec.Take(int64(n)); f != nil {
			keep = true
			k, err := tee1(p[0].r, p[1].w, n)
			if err != nil || k == 0 {
				return 0, err
			}
			n = k
		}
	}
	sent := 0
	for sent < n {
		var k int
		var e error
		if err := to.Write(func(fd uintptr) bool {
			k, e = splice1(p[0].r, int(fd), int64(n-sent))
			return e != unix.EAGAIN
		}); err != nil {
			return sent, gone(err)
		}
		if e != nil {
			return sent, gone(e)
		}
		sent += k
	}
	switch {
	case m.rec == nil:
	case keep:
		m.save(p[1], n)
	default:
		m.rec.Took(int64(n), 0, nil)
	}
	return sent, nil
}

// save empties the second pipe into the spool file.
func (m *mover) save(p pipe, n int) {
	f := m.rec.Take(0)
	if f == nil {
		m.rec.Took(int64(n), 0, nil)
		drain(p.r, n)
		return
	}
	saved := 0
	for saved < n {
		k, err := splice1(p.r, int(f.Fd()), int64(n-saved))
		if err != nil || k == 0 {
			m.rec.Took(int64(n), int64(saved), err)
			drain(p.r, n-saved)
			return
		}
		saved += k
	}
	m.rec.Took(int64(n), int64(n), nil)
}

// drain throws away n bytes of a pipe.
func drain(fd, n int) {
	b := make([]byte, min(n, 64<<10))
	for n > 0 {
		k, err := unix.Read(fd, b[:min(n, len(b))])
		if err == unix.EINTR {
			continue
		}
		if k <= 0 {
			return
		}
		n -= k
	}
}

func splice1(from, to int, n int64) (int, error) {
	for {
		k, err := unix.Splice(from, nil, to, nil, int(n), unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		if err != unix.EINTR {
			return int(max(k, 0)), err
		}
	}
}

func tee1(from, to, n int) (int, error) {
	for {
		k, err := unix.Tee(from, to, n, unix.SPLICE_F_NONBLOCK)
		if err != unix.EINTR {
			return int(max(k, 0)), err
		}
	}
}

// pipePool keeps a few pairs of empty pipes.
type pipePool struct {
	mu   sync.Mutex
	idle [][2]pipe
	shut bool
}

const maxPipes = 8

func (c *pipePool) get() ([2]pipe, error) {
	c.mu.Lock()
	if n := len(c.idle); n > 0 {
		p := c.idle[n-1]
		c.idle = c.idle[:n-1]
		c.mu.Unlock()
		return p, nil
	}
	c.mu.Unlock()
	a, err := newPipe()
	if err != nil {
		return [2]pipe{}, err
	}
	b, err := newPipe()
	if err != nil {
		a.close()
		return [2]pipe{}, err
	}
	return [2]pipe{a, b}, nil
}

func (c *pipePool) put(p [2]pipe, clean bool) {
	c.mu.Lock()
	keep := clean && !c.shut && len(c.idle) < maxPipes
	if keep {
		c.idle = append(c.idle, p)
	}
	c.mu.Unlock()
	if !keep {
		p[0].close()
		p[1].close()
	}
}

func (c *pipePool) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shut = true
	for _, p := range c.idle {
		p[0].close()
		p[1].close()
	}
	c.idle = nil
}
