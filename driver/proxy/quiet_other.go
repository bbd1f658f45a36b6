//go:build !unix

package proxy

import (
	"errors"
	"net"
	"os"
	"time"
)

// looker looks at what has come on a socket. It reads for a moment: a byte
// that comes has spoilt the connection anyway.
type looker struct{ c *net.TCPConn }

func (l *looker) watch(c *net.TCPConn) { l.c = c }

// silent reports whether the socket is open and nothing has come.
func (l *looker) silent() bool {
	if l.c == nil {
		return false
	}
	var b [1]byte
	l.c.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := l.c.Read(b[:])
	l.c.SetReadDeadline(time.Time{})
	return errors.Is(err, os.ErrDeadlineExceeded)
}
