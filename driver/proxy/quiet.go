package proxy

import (
	"crypto/tls"
	"errors"
	"net"

	"starproxy/driver/proxy/splice"
)

// Before a kept connection is used again, all that the server may have sent
// since is looked for: a server that closed it, or that said something unasked,
// has spoilt it (RFC 9112 section 9.3). A look costs about as much as one
// system call.

// idleSocket is the socket below TLS to a real server. While the TLS layer is
// looked through it says that nothing has come.
type idleSocket struct {
	*net.TCPConn
	look    splice.Looker
	looking bool
}

func newIdleSocket(c net.Conn) net.Conn {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	w := &idleSocket{TCPConn: t}
	w.look.Watch(t)
	return w
}

func (w *idleSocket) Read(b []byte) (int, error) {
	if w.looking {
		return 0, errNothing
	}
	return w.TCPConn.Read(b)
}

// errNothing is a passing error to crypto/tls: the connection stays good.
var errNothing net.Error = nothing{}

type nothing struct{}

func (nothing) Error() string   { return "nothing has come" }
func (nothing) Timeout() bool   { return true }
func (nothing) Temporary() bool { return true }

// socketBelow returns the socket below a connection with TLS, which may be one inside
// that to an upstream proxy; nil for none that can be looked through.
func socketBelow(t *tls.Conn) *idleSocket {
	for {
		switch below := t.NetConn().(type) {
		case *idleSocket:
			return below
		case *tls.Conn:
			t = below
		default:
			return nil
		}
	}
}

// quiet reports whether an idle connection is open and has nothing to say.
func (c *h1Conn) quiet() bool {
	t, ok := c.Conn.(*tls.Conn)
	if !ok {
		return c.look.Silent()
	}
	w := socketBelow(t)
	if w == nil || !w.look.Silent() {
		return false
	}
	// A close_notify, or more, may have been read together with the last answer.
	var b [1]byte
	w.looking = true
	_, err := t.Read(b[:])
	w.looking = false
	return errors.Is(err, errNothing)
}
