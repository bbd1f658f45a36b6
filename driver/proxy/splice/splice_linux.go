package splice

import (
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Available reports whether bodies are moved without reading them.
const Available = true

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

// moveTo moves what is left through a pipe.
func (m *Mover) moveTo(dst *net.TCPConn, moved func(), stop func() bool) (total int64, err error) {
	through, err := newPipe()
	if err != nil {
		return 0, err
	}
	defer through.close()
	p := [2]pipe{through}
	if m.Record != nil {
		if p[1], err = newPipe(); err != nil {
			return 0, err
		}
		defer p[1].close()
	}
	from, err := m.From.SyscallConn()
	if err != nil {
		return 0, err
	}
	to, err := dst.SyscallConn()
	if err != nil {
		return 0, &WriteError{err}
	}
	for m.Left > 0 && !stop() {
		n, err := fill(p[0], from, min(m.Left, pipeSize))
		if err != nil {
			return total, err
		}
		for n > 0 {
			k, err := m.forward(p, to, n)
			moved()
			total += int64(k)
			m.Left -= int64(k)
			if n -= k; err != nil {
				return total, err
			}
		}
	}
	return total, nil
}

// fill moves up to most bytes from a socket into a pipe, at least one.
func fill(p pipe, from syscall.RawConn, most int64) (n int, err error) {
	var failed error
	if err := from.Read(func(fd uintptr) bool {
		n, failed = splice1(int(fd), p.w, most)
		return failed != unix.EAGAIN
	}); err != nil {
		return 0, err
	}
	if failed == nil && n == 0 {
		failed = io.ErrUnexpectedEOF
	}
	return n, failed
}

// forward sends up to n bytes that are in the first pipe and records them.
func (m *Mover) forward(p [2]pipe, to syscall.RawConn, n int) (int, error) {
	keep := false
	if m.Record != nil {
		if f := m.Record.Take(int64(n)); f != nil {
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
			return sent, &WriteError{err}
		}
		if e != nil {
			return sent, &WriteError{e}
		}
		sent += k
	}
	switch {
	case m.Record == nil:
	case keep:
		m.save(p[1], n)
	default:
		m.Record.Took(int64(n), 0, nil)
	}
	return sent, nil
}

// save empties the second pipe into the spool file.
func (m *Mover) save(p pipe, n int) {
	f := m.Record.Take(0)
	if f == nil {
		m.Record.Took(int64(n), 0, nil)
		drain(p.r, n)
		return
	}
	saved := 0
	for saved < n {
		k, err := splice1(p.r, int(f.Fd()), int64(n-saved))
		if err != nil || k == 0 {
			m.Record.Took(int64(n), int64(saved), err)
			drain(p.r, n-saved)
			return
		}
		saved += k
	}
	m.Record.Took(int64(n), int64(n), nil)
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
