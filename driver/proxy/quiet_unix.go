//go:build unix

package proxy

import (
	"net"
	"syscall"
)

// looker looks at what has come on a socket without waiting and without
// reading. It is made once for each connection, so that a look allocates
// nothing.
type looker struct {
	raw  syscall.RawConn
	peek func(fd uintptr)
	none bool
}

func (l *looker) watch(c *net.TCPConn) {
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

// silent reports whether the socket is open and nothing has come.
func (l *looker) silent() bool {
	l.none = false
	return l.raw != nil && l.raw.Control(l.peek) == nil && l.none
}
