//go:build !unix

package splice

import (
	"errors"
	"net"
	"os"
	"time"
)

// Looker looks at what has come on a socket. It reads for a moment: a byte
// that comes has spoilt the connection anyway.
type Looker struct{ c *net.TCPConn }

// Watch sets the socket. Without one, Silent reports false.
func (l *Looker) Watch(c *net.TCPConn) { l.c = c }

// Silent reports whether the socket is open and nothing has come.
func (l *Looker) Silent() bool {
	if l.c == nil {
		return false
	}
	var b [1]byte
	l.c.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := l.c.Read(b[:])
	l.c.SetReadDeadline(time.Time{})
	return errors.Is(err, os.ErrDeadlineExceeded)
}
