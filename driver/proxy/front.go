package proxy

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	glog "github.com/AdguardTeam/golibs/log"
	"github.com/AdguardTeam/gomitmproxy"
)

// gomitmproxy v0.2.1 can't intercept as a device would want it: only port 443,
// only HTTP/1.1, a dial before every mock. So it does what it does well, accept
// and check, with interception off, and gives each connection away:
//
//   - For a CONNECT it asks OnConnect for the connection to the real server and
//     gets a marker. It answers 200 and then copies between the two with
//     io.Copy, which prefers the source's WriteTo: frontConn.WriteTo sees the
//     marker and takes the socket over.
//   - Any other request is shown to it as a WebSocket handshake, which it treats
//     as a tunnel as well; its raw header block is replayed to our server.
//
// This rests on two facts of that version: its tunnels use io.Copy on the
// client's connection, and Upgrade is looked at after OnRequest. When either
// changes, nearly every test of this package fails.

// maxHead bounds the header block that is kept for the replay.
const maxHead = 1 << 20

var quietGomitmproxy = sync.OnceFunc(func() { glog.SetOutput(io.Discard) })

// serveFront lets gomitmproxy serve l until it is closed.
func (p *Proxy) serveFront(l net.Listener) {
	quietGomitmproxy()
	front := gomitmproxy.NewProxy(gomitmproxy.Config{
		APIHost: "gomitmproxy.invalid", // empty would match a request without a Host
		OnConnect: func(s *gomitmproxy.Session, _, _ string) net.Conn {
			// A CONNECT that can't be is taken over as a plain request: our
			// server tells what is wrong.
			m := &marker{}
			if r := s.Request(); r.Method == http.MethodConnect {
				m.target = tunnelOf(r)
			}
			return m
		},
		OnRequest: func(s *gomitmproxy.Session) (*http.Request, *http.Response) {
			r := s.Request()
			n := *r
			if r.Method == http.MethodConnect && tunnelOf(r) != "" {
				n.Header = nil // with an Upgrade it would get no answer
				return &n, nil
			}
			n.Header = http.Header{"Upgrade": {"websocket"}}
			n.Body, n.ContentLength, n.TransferEncoding = http.NoBody, 0, nil
			n.RequestURI = "" // no tunnel, for OnConnect
			return &n, nil
		},
		OnResponse: func(s *gomitmproxy.Session) *http.Response {
			if r := s.Response(); s.Request().Method == http.MethodConnect && r.StatusCode == http.StatusOK {
				r.Uncompressed = true // else the 200 says "Connection: close"
			}
			return nil
		},
	})
	front.Serve(frontListener{l, p})
	// Its Close would panic after Serve: it only knows listeners of its own.
}

// tunnelOf is the target of a CONNECT, empty for one that is to be refused.
func tunnelOf(r *http.Request) string {
	if r.ContentLength != 0 || len(r.TransferEncoding) > 0 {
		return ""
	}
	target, _ := connectTarget(r.RequestURI)
	return target
}

// frontListener gives gomitmproxy connections that can be taken back.
type frontListener struct {
	net.Listener
	p *Proxy
}

// Accept returns the next connection that gomitmproxy has to look at.
func (l frontListener) Accept() (net.Conn, error) {
	for {
		c, err := accept(l.Listener, l.p.log)
		if err != nil {
			return nil, err
		}
		var fc *frontConn
		switch c := c.(type) {
		case *arrival:
			if fc = l.p.arrive(c); fc == nil {
				continue
			}
		case *net.TCPConn:
			fc = &frontConn{TCPConn: c, p: l.p, since: time.Now()}
		}
		if !l.p.track(fc) {
			return nil, net.ErrClosed
		}
		return fc, nil
	}
}

// accept accepts from l until that is closed. It waits out what passes, such as
// a lack of descriptors: gomitmproxy would stop serving for good.
func accept(l net.Listener, log *slog.Logger) (net.Conn, error) {
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		c, err := l.Accept()
		if err == nil || errors.Is(err, net.ErrClosed) {
			return c, err
		}
		log.Warn("accept failed", slog.Any("error", err))
		time.Sleep(pause)
	}
}

// marker is what gomitmproxy gets for a connection to the real server.
type marker struct {
	target string // of a CONNECT; empty for a plain request
}

func (*marker) WriteTo(io.Writer) (int64, error)   { return 0, nil }
func (*marker) Read([]byte) (int, error)           { return 0, io.EOF }
func (*marker) Write(b []byte) (int, error)        { return len(b), nil }
func (*marker) Close() error                       { return nil }
func (*marker) LocalAddr() net.Addr                { return &net.TCPAddr{} }
func (*marker) RemoteAddr() net.Addr               { return &net.TCPAddr{} }
func (*marker) SetDeadline(time.Time) error        { return nil }
func (*marker) SetReadDeadline(time.Time) error    { return nil }
func (*marker) SetWriteDeadline(t time.Time) error { return nil }

// frontConn is a client connection while gomitmproxy has it. A Read never goes
// past the end of a header block, so gomitmproxy's buffer never holds bytes of
// a tunnel, of a body or of the next request.
type frontConn struct {
	*net.TCPConn
	p     *Proxy
	rest  []byte // read from the socket, not yet given
	head  []byte // given: the raw header block
	state headState
	wrote bool
	taken atomic.Bool
	since time.Time // when it was accepted
}

// SetDeadline does nothing: gomitmproxy would give a header five minutes; the
// sweep bounds it.
func (c *frontConn) SetDeadline(time.Time) error { return nil }

// cut closes a connection of which no whole header has come. It touches nothing
// that a Read may be at.
func (c *frontConn) cut() error {
	if !c.taken.CompareAndSwap(false, true) {
		return net.ErrClosed
	}
	c.p.untrack(c)
	return c.TCPConn.Close()
}

func (c *frontConn) Read(b []byte) (int, error) {
	if c.taken.Load() {
		return 0, io.EOF
	}
	if len(c.rest) == 0 {
		n, err := c.TCPConn.Read(b)
		if n == 0 {
			return 0, err
		}
		if isRecord(b[:n]) && len(c.head) == 0 {
			c.takeTLS(b[:n])
			return 0, io.EOF
		}
		k := c.state.scan(b[:n])
		if k < n {
			c.rest = append([]byte(nil), b[k:n]...)
		}
		return c.gave(b[:k])
	}
	if isRecord(c.rest) && len(c.head) == 0 { // a trunk has read it
		c.takeTLS(c.rest)
		return 0, io.EOF
	}
	n := copy(b, c.rest)
	k := c.state.scan(b[:n])
	c.rest = c.rest[k:]
	return c.gave(b[:k])
}

func (c *frontConn) gave(b []byte) (int, error) {
	if c.head = append(c.head, b...); len(c.head) > maxHead { // our server refuses it
		return 0, errors.New("request header too large")
	}
	return len(b), nil
}

func (c *frontConn) Write(b []byte) (int, error) {
	if c.taken.Load() {
		return 0, net.ErrClosed
	}
	c.wrote = true
	return c.TCPConn.Write(b)
}

// Close is gomitmproxy's word that it is done. When it closes without having
// answered, it could not make sense of the request: our server gets it and
// says what is wrong.
func (c *frontConn) Close() error {
	if !c.wrote && len(c.head) > 0 && c.takeOver("") {
		return nil
	}
	if c.taken.Load() {
		return nil
	}
	c.p.untrack(c)
	return c.TCPConn.Close()
}

// WriteTo is where the connection changes hands.
func (c *frontConn) WriteTo(w io.Writer) (int64, error) {
	m, ok := w.(*marker)
	if !ok {
		return io.Copy(w, struct{ io.Reader }{c})
	}
	c.takeOver(m.target)
	return 0, nil
}

// takeOver makes the connection ours, once; a target is that of a CONNECT.
func (c *frontConn) takeOver(target string) bool {
	if !c.taken.CompareAndSwap(false, true) {
		return false
	}
	nc := c.p.newConn(c.TCPConn, c.TCPConn, c.rest)
	if nc.target = target; target == "" {
		nc.pre = append(c.head, c.rest...)
	} else {
		nc.depth = 1
	}
	c.head, c.rest = nil, nil
	c.p.untrack(c)
	if c.p.track(nc) {
		c.p.admit(nc)
	}
	return true
}

// takeTLS makes a connection ours that begins with a TLS handshake: a device
// speaks TLS to the proxy port.
func (c *frontConn) takeTLS(first []byte) {
	if !c.taken.CompareAndSwap(false, true) {
		return
	}
	nc := c.p.newConn(c.TCPConn, c.TCPConn, bytes.Clone(first))
	c.p.untrack(c)
	if c.p.track(nc) {
		go c.p.secure(nc)
	}
}

// headState finds the blank line that ends a header block.
type headState uint8

const (
	inLine headState = iota
	afterLF
	afterLFCR
)

// ends reports whether the header block ends within b, which is not empty.
func (s *headState) ends(b []byte) bool {
	return s.scan(b) < len(b) || b[len(b)-1] == '\n' && *s == inLine
}

// scan returns how much of b belongs to the header block.
func (s *headState) scan(b []byte) int {
	for i, x := range b {
		switch {
		case x == '\n' && *s != inLine:
			*s = inLine
			return i + 1
		case x == '\n':
			*s = afterLF
		case x == '\r' && *s == afterLF:
			*s = afterLFCR
		default:
			*s = inLine
		}
	}
	return len(b)
}
