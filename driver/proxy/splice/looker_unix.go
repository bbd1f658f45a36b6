//go:build unix

package splice

import (
	"net"
	"syscall"
)

// Looker looks at what has come on a socket without waiting and without
// reading. It is made once for each connection, so that a look allocates
// nothing.
type Looker struct {
	raw  syscall.RawConn
	peek func(fd uintptr)
	none bool
}

// Watch sets the socket. Without one, Silent reports false.
func (l *Looker) Watch(c *net.TCPConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	l.raw = raw
	l.peek = func(fd uintptr) {
		var b [1]byte
		for {
			_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
			if err == syscall.EINTR {
				continue
			}
			l.none = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK
			return
		}
	}
}

// Silent reports whether the socket is open and nothing has come.
func (l *Looker) Silent() bool {
	l.none = false
	return l.raw != nil && l.raw.Control(l.peek) == nil && l.none
}
