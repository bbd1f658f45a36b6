package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// speakFirst is how long a client may stay silent in a tunnel before we let
// the server speak first, as it does in SMTP or SSH.
const speakFirst = 2 * time.Second

// admit passes a new connection on. Plain requests go to our server at once. A
// tunnel is passed on after its first bytes are read.
func (p *Proxy) admit(c *conn) {
	if c.target == "" {
		if isPreface(c.pre) {
			p.serveH2(c)
		} else {
			go p.serveH1(c)
		}
		return
	}
	go p.tunnel(c)
}

// tunnel serves the connection inside a CONNECT.
func (p *Proxy) tunnel(c *conn) {
	c.idleSince.Store(p.ticks(time.Now()))
	host, _ := exchange.SplitAuthority(c.target, 443)
	c.lane.aim(host)
	t := &tunnel{p: p, c: c, device: c, first: c.pre, start: time.Now()}
	c.pre = nil
	t.open()
}

// tunnel is a connection for which the device named a destination with CONNECT. It
// lasts until the protocol inside is known and the connection is passed on.
type tunnel struct {
	p      *Proxy
	c      *conn
	device net.Conn  // c; after a TLS handshake the clear text of tls
	tls    *tls.Conn // nil without TLS
	first  []byte    // the bytes already read from device
	alone  bool      // it passes untouched
	server net.Conn  // the real server; nil until it is connected
	early  []byte    // the bytes already read from server
	start  time.Time
	flight capture.Flight
	stop   context.CancelFunc // ends connecting to the real server
}

// open finds the protocol by the first bytes and passes the connection on. It is
// called again for the bytes inside TLS.
func (t *tunnel) open() {
	first, what, err := sniff(t.device, t.first)
	if t.first = first; what == undecided && err == nil {
		what, err = t.silent()
	}
	if err == nil && !t.settle(what) {
		t.close()
		return
	}
	if err == nil && what == spokenTLS && t.tls == nil && !t.alone {
		t.intercept()
		return
	}
	if !t.alone {
		t.unasked(what, err)
	}
	switch {
	case err != nil:
		t.close()
	case t.alone:
		t.relay()
	case what == spokenHTTP:
		t.serve()
	default:
		t.relay()
	}
}

func (t *tunnel) close() {
	t.device.Close()
	if t.server != nil {
		t.server.Close()
	}
}

// serve hands a connection that carries HTTP to our server.
func (t *tunnel) serve() {
	if t.server != nil {
		t.server.Close()
	}
	switch device := t.device.(type) {
	case *conn:
		device.pre = t.first
	case *clearConn:
		device.pre = t.first
	}
	if isPreface(t.first) {
		t.p.serveH2(t.device)
	} else {
		go t.p.serveH1(t.device) // a handshake made the stack of this goroutine large
	}
}

// isPreface reports whether b begins with the preface of HTTP/2 (RFC 9113 section
// 3.4). A client may send it without ALPN.
func isPreface(b []byte) bool { return bytes.HasPrefix(b, []byte("PRI * HTTP/2.0\r\n")) }

// silent handles a tunnel in which the device sends nothing at first. It connects
// to the server and waits until the device or the server sends bytes. Some devices
// open connections early and send their request later: when the device sends
// first, silent looks for the protocol as usual.
func (t *tunnel) silent() (spoken, error) {
	t.c.idleSince.Store(0) // the idle time of requests does not apply here
	defer func() { t.c.idleSince.Store(t.p.ticks(time.Now())) }()
	if t.server == nil && t.waits() {
		t.server, _ = t.connect(context.Background())
	}
	if t.server == nil {
		return t.awaitDevice()
	}
	type word struct {
		b   []byte
		err error
	}
	spoke := make(chan word, 1)
	go func() {
		b := make([]byte, firstRead)
		n, err := t.server.Read(b)
		t.device.SetReadDeadline(time.Unix(1, 0)) // wake the reader below
		spoke <- word{b[:n], err}
	}()
	b := make([]byte, firstRead)
	n, err := t.device.Read(b)
	t.server.SetReadDeadline(time.Unix(1, 0))
	w := <-spoke
	t.server.SetReadDeadline(time.Time{})
	t.device.SetReadDeadline(time.Time{})
	t.early = w.b
	switch {
	case len(w.b) > 0: // the server sent first, or at the same time: this is not HTTP
		t.first = b[:n]
		return spokenElse, nil
	case n == 0 && isTimeout(err): // the server ended without sending a byte
		return undecided, w.err
	case n == 0:
		return undecided, err
	}
	if w.err != nil && !isTimeout(w.err) {
		t.server.Close()
		t.server = nil
	}
	var what spoken
	t.first, what, err = sniff(t.device, b[:n])
	return what, err
}

// waits reports whether a silent device may be waiting for its server. A device that
// has agreed on HTTP by ALPN is not.
func (t *tunnel) waits() bool {
	return !t.p.cfg.Isolated && !t.p.upstream.made(t.c.RemoteAddr(), t.c.target) &&
		(t.tls == nil || !isHTTP(t.tls.ConnectionState().NegotiatedProtocol))
}

// awaitDevice waits for the first bytes of the device and finds their protocol.
func (t *tunnel) awaitDevice() (what spoken, err error) {
	b := make([]byte, firstRead)
	n, err := t.device.Read(b)
	if n == 0 {
		return undecided, err
	}
	t.first, what, err = sniff(t.device, b[:n])
	return what, err
}

// connect connects to the real server, with TLS if the device uses TLS.
func (t *tunnel) connect(ctx context.Context) (net.Conn, error) {
	var s tls.ConnectionState
	if t.tls != nil {
		s = t.tls.ConnectionState()
	}
	if t.alone || !t.c.secures(t.tls != nil) {
		return t.p.upstream.dial(ctx, t.c.target)
	}
	var protos []string
	if s.NegotiatedProtocol != "" {
		protos = []string{s.NegotiatedProtocol}
	}
	server, err := t.p.upstream.dialTLS(ctx, t.c.serverKey(s.ServerName), protos...)
	if err != nil {
		return nil, err // server would be a net.Conn that is not nil, with a nil *tls.Conn in it
	}
	return server, nil
}

// serverKey returns the key of the real server of a tunnel with TLS. sni is the
// server name in the device's handshake. If it is empty, the name in the CONNECT
// request is used; so it is on a reverse way, unless the device's name is kept.
func (c *conn) serverKey(sni string) h1Key {
	if sni == "" || c.in.server() != nil && !c.p.cfg.KeepHost {
		sni, _ = exchange.SplitAuthority(c.target, 443)
	}
	return h1Key{addr: c.target, sni: sni, tls: true}
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// intercept does the TLS handshake with the device and opens the connection inside.
// If the handshake fails, the journal gets an entry.
func (t *tunnel) intercept() {
	c := t.c
	if t.server != nil { // silent connected without TLS, because the server might send first
		t.server.Close()
		t.server = nil
	}
	inner, err := c.handshake(t.first)
	t.first, t.server = nil, c.early // the handshake may have connected to the server
	if err != nil {
		t.close()
		return
	}
	t.tls, t.device = inner, newClearConn(inner, c)
	if inner.ConnectionState().NegotiatedProtocol == "h2" && !c.misnames() {
		t.p.serveH2(t.device)
		return
	}
	t.open()
}
