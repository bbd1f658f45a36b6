package proxy

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"starproxy/builtins/exchange"

	glog "github.com/AdguardTeam/golibs/log"
	"github.com/AdguardTeam/gomitmproxy"
)

// gomitmproxy v0.2.1 intercepts port 443 and HTTP/1.1 only, and dials the real server
// before every mock. So its interception is off. It accepts connections, checks the
// first request of each, and hands them over:
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

var quietGomitmproxy = sync.OnceFunc(func() { glog.SetOutput(io.Discard) })

// serveFront has gomitmproxy serve l until it is closed. The way is that of the
// listener, nil for the proxy's first one.
func (p *Proxy) serveFront(l net.Listener, in *Way) {
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
			if r.Method == http.MethodConnect && tunnelOf(r) != "" && p.knows(r.Header.Get("Proxy-Authorization")) {
				n.Header = nil // with an Upgrade it would get no answer
				return &n, nil
			}
			n.Header = exchange.HeaderOf("Upgrade", "websocket").Map()
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
	front.Serve(frontListener{l, p, in})
	// Its Close would panic after Serve: it only knows listeners of its own.
}

// tunnelOf returns the target of a CONNECT, empty for one that is to be
// refused.
func tunnelOf(r *http.Request) string {
	if r.ContentLength != 0 || len(r.TransferEncoding) > 0 {
		return ""
	}
	target, _ := connectTarget(r.RequestURI)
	return target
}

// frontListener accepts connections for gomitmproxy that the proxy can take back.
type frontListener struct {
	net.Listener
	p  *Proxy
	in *Way
}

// Accept returns the next connection that gomitmproxy has to look at.
func (l frontListener) Accept() (net.Conn, error) {
	for {
		c, err := accept(l.Listener, l.p.log)
		if err != nil {
			return nil, err
		}
		if !l.p.lets(c, l.in) {
			c.Close()
			continue
		}
		var fc *frontConn
		switch c := c.(type) {
		case *arrival:
			if fc = l.p.arrive(c); fc == nil {
				continue
			}
		case *net.TCPConn:
			fc = &frontConn{lane: l.p.newLane(c), p: l.p, in: l.in, since: time.Now()}
		}
		if !l.p.track(fc) {
			return nil, net.ErrClosed
		}
		return fc, nil
	}
}

// accept accepts a connection. It tries again after an error that may pass, such as
// a lack of file descriptors: gomitmproxy stops serving at the first error.
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

// marker is the connection that gomitmproxy gets in the place of one to the real
// server.
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
