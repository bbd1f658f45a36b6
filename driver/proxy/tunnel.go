package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// speakFirst is how long a client may stay silent in a tunnel before we let
// the server speak first, as it does in SMTP or SSH.
const speakFirst = 2 * time.Second

// conn is a client connection that has been handed over: the bytes that were
// read already, then the socket.
type conn struct {
	*net.TCPConn
	p      *Proxy
	pre    []byte
	target string // host:port of the CONNECT, empty for plain requests
	once   sync.Once

	note      headNote     // of plain requests
	idleSince atomic.Int64 // Unix nanoseconds, 0 while a request is served
}

func (c *conn) Read(b []byte) (int, error) {
	if len(c.pre) > 0 {
		n := copy(b, c.pre)
		if c.pre = c.pre[n:]; len(c.pre) == 0 {
			c.pre = nil
		}
		c.note.add(b[:n])
		return n, nil
	}
	n, err := c.TCPConn.Read(b)
	c.note.add(b[:n])
	return n, err
}

// WriteTo keeps the embedded connection's own from skipping pre.
func (c *conn) WriteTo(w io.Writer) (n int64, err error) {
	if len(c.pre) > 0 {
		m, err := w.Write(c.pre)
		c.pre = nil
		if n = int64(m); err != nil {
			return n, err
		}
	}
	m, err := c.TCPConn.WriteTo(w)
	return n + m, err
}

// ReadFrom sends a body by the fastest way that its source allows.
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	if m, ok := r.(*mover); ok {
		return m.moveTo(c.TCPConn)
	}
	return c.TCPConn.ReadFrom(r)
}

func (c *conn) Close() error {
	err := net.ErrClosed
	c.once.Do(func() {
		c.p.untrack(c)
		err = c.TCPConn.Close()
	})
	return err
}

// client is what an exchange needs to know of its connection.
type client struct {
	id     uint64 // of the connection
	addr   netip.AddrPort
	tls    bool
	agreed exchange.TLS
	sni    string
	host   string // of the CONNECT
	port   int
	target string // host:port of the CONNECT, empty outside of one
	plain  bool   // bytes reach the socket as they are
	note   *headNote
	conn   net.Conn // with TLS, if there is any
	socket net.Conn // without
}

type clientKey struct{}

// withClient is the server's ConnContext.
func withClient(ctx context.Context, nc net.Conn) context.Context {
	cl := &client{conn: nc}
	t, ok := nc.(*tls.Conn)
	if c, clear := nc.(*clearConn); clear {
		t, ok, cl.note = c.Conn, true, &c.note
	}
	if ok {
		cl.tls, cl.sni, cl.agreed = true, t.ConnectionState().ServerName, agreed(t)
		nc = t.NetConn()
	}
	cl.socket = nc
	cl.addr = peerOf(nc).Addr
	cl.plain = !ok
	if c, ok := nc.(*conn); ok && cl.plain {
		cl.note = &c.note
	}
	if c, ok := nc.(*conn); ok {
		cl.id = c.p.conned.Add(1)
	}
	if c, ok := nc.(*conn); ok && c.target != "" {
		cl.target = c.target
		scheme := "http"
		if cl.tls {
			scheme = "https"
		}
		cl.host, cl.port = splitHostPort(c.target, exchange.DefaultPort(scheme))
	}
	return context.WithValue(ctx, clientKey{}, cl)
}

// admit sends a connection where it belongs: plain requests to the server at
// once, tunnels after a look at their first bytes.
func (p *Proxy) admit(c *conn) {
	if c.target == "" {
		p.handed.push(c)
		return
	}
	go p.tunnel(c)
}

// tunnel tells by its first bytes what a CONNECT carries.
func (p *Proxy) tunnel(c *conn) {
	if len(c.pre) == 0 {
		first := make([]byte, 1024) // a ClientHello usually fits
		c.SetReadDeadline(time.Now().Add(speakFirst))
		n, err := c.TCPConn.Read(first)
		c.SetReadDeadline(time.Time{})
		if errors.Is(err, os.ErrDeadlineExceeded) {
			p.silent(c)
			return
		}
		if n == 0 {
			c.Close()
			return
		}
		c.pre = first[:n]
	}
	p.spoken(c, nil)
}

// spoken goes on with a tunnel whose client has spoken; server is a connection
// to the real server that may be open already.
func (p *Proxy) spoken(c *conn, server net.Conn) {
	raw := false
	switch {
	case c.pre[0] == 0x16: // a TLS handshake record
		p.intercept(c)
	case looksLikeHTTP(c.pre):
		p.handed.push(c)
	default:
		raw = true
	}
	switch {
	case raw:
		p.relay(c, server)
	case server != nil:
		server.Close()
	}
}

// silent handles a tunnel in which the client waits for the server to speak.
// A device that only opens connections early is recognised when it speaks.
func (p *Proxy) silent(c *conn) {
	if p.cfg.Isolated {
		c.SetReadDeadline(time.Now().Add(idleTimeout))
		p.awaitClient(c, nil)
		return
	}
	server, err := p.upstream.dial(context.Background(), c.target)
	if err != nil {
		p.awaitClient(c, nil)
		return
	}
	spoke := make(chan []byte, 1)
	go func() {
		b := make([]byte, 1024)
		n, _ := server.Read(b)
		spoke <- b[:n]
		c.SetReadDeadline(time.Unix(1, 0)) // wake the reader below
	}()
	b := make([]byte, 1024)
	n, err := c.TCPConn.Read(b)
	if n > 0 {
		c.pre = b[:n]
		server.SetReadDeadline(time.Unix(1, 0))
		first := <-spoke
		server.SetReadDeadline(time.Time{})
		c.SetReadDeadline(time.Time{})
		if len(first) > 0 { // both spoke at once: a tunnel of bytes
			c.Write(first)
			p.relay(c, server)
			return
		}
		p.spoken(c, server)
		return
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		c.Close()
		server.Close()
		return
	}
	first := <-spoke
	c.SetReadDeadline(time.Time{})
	if len(first) == 0 {
		c.Close()
		server.Close()
		return
	}
	c.Write(first)
	p.relay(c, server)
}

// awaitClient waits for the client alone.
func (p *Proxy) awaitClient(c *conn, server net.Conn) {
	b := make([]byte, 1024)
	n, _ := c.TCPConn.Read(b)
	c.SetReadDeadline(time.Time{})
	if n == 0 {
		c.Close()
		return
	}
	c.pre = b[:n]
	p.spoken(c, server)
}

// looksLikeHTTP tells whether bytes may begin a request line (or the HTTP/2
// preface): a method of upper-case letters, then a space.
func looksLikeHTTP(b []byte) bool {
	method, _, found := bytes.Cut(b, []byte{' '})
	if len(method) == 0 || len(method) > 24 {
		return false
	}
	for _, x := range method {
		if x < 'A' || x > 'Z' {
			return x == '-' && found
		}
	}
	return true
}

// intercept does the TLS handshake with a device and lets the server serve
// what is inside. A device that breaks it off leaves an entry.
func (p *Proxy) intercept(c *conn) {
	start := time.Now()
	t := tls.Server(c, p.tls)
	ctx, cancel := context.WithTimeout(context.Background(), headerTimeout)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		p.handshakeFailed(c, start, t.ConnectionState().ServerName, err)
		c.Close()
		return
	}
	if t.ConnectionState().NegotiatedProtocol == "h2" {
		p.handed.push(t)
	} else {
		p.handed.push(&clearConn{Conn: t})
	}
}

// certificate is the TLS configuration's GetCertificate.
func (p *Proxy) certificate(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
	host := ""
	if c, ok := h.Conn.(*conn); ok {
		host, _ = splitHostPort(c.target, 443)
	}
	return p.cfg.CA.Certificate(h, host)
}

// handshakeFailed journals a handshake that did not come off.
func (p *Proxy) handshakeFailed(c *conn, start time.Time, sni string, err error) {
	text := err.Error()
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		text = "the device closed the connection during the TLS handshake"
	case strings.HasPrefix(text, "remote error: "):
		text = "the device refused the TLS handshake: " + strings.TrimPrefix(text, "remote error: ")
	case strings.HasSuffix(text, "tls: bad record MAC"):
		// OpenSSL encrypts its alert with keys that crypto/tls does not expect yet.
		text = "the device broke the TLS handshake off with an alert that can't be read; most likely it does not trust the CA"
	}
	host, port := splitHostPort(c.target, 443)
	p.log.Warn("TLS handshake failed", slog.String("target", c.target), slog.String("sni", sni), slog.String("error", text))
	if p.cfg.Journal == nil {
		return
	}
	addr, _ := netip.ParseAddrPort(c.RemoteAddr().String())
	p.journal(&capture.Entry{
		Kind: capture.TLSError, Start: start, Duration: time.Since(start), Client: addr,
		Method: "CONNECT", Scheme: "https", Host: host, Port: port, Authority: c.target, SNI: sni, Error: text,
	})
}

// relay copies bytes between a device and the real server that neither speak
// TLS nor HTTP.
func (p *Proxy) relay(c *conn, server net.Conn) {
	defer c.Close()
	if p.cfg.Isolated {
		p.log.Warn("raw tunnel refused", slog.String("target", c.target))
		return
	}
	if server == nil {
		var err error
		if server, err = p.upstream.dial(context.Background(), c.target); err != nil {
			p.log.Warn("tunnel failed", slog.String("target", c.target), slog.Any("error", err))
			return
		}
	}
	if !p.track(server) {
		return
	}
	defer p.untrack(server)
	splice(c, server)
}

// splice copies both ways until both sides have ended, passing half-closes on.
func splice(a, b net.Conn) {
	done := make(chan struct{})
	go func() {
		copyHalf(a, b)
		close(done)
	}()
	copyHalf(b, a)
	<-done
	a.Close()
	b.Close()
}

func copyHalf(dst, src net.Conn) {
	if _, err := io.Copy(dst, src); err != nil {
		dst.Close()
		src.Close()
		return
	}
	if h, ok := dst.(interface{ CloseWrite() error }); ok {
		h.CloseWrite()
	} else {
		dst.Close()
	}
}

// handedListener gives our server the connections that were handed over.
type handedListener struct {
	ch   chan net.Conn
	done chan struct{}
	once sync.Once
	addr net.Addr
}

func newHandedListener(addr net.Addr) *handedListener {
	return &handedListener{ch: make(chan net.Conn), done: make(chan struct{}), addr: addr}
}

func (l *handedListener) push(c net.Conn) {
	select {
	case l.ch <- c:
	case <-l.done:
		c.Close()
	}
}

func (l *handedListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.ch:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *handedListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *handedListener) Addr() net.Addr { return l.addr }

// splitHostPort takes an authority apart: no brackets, lower case, the default
// port where none is given.
func splitHostPort(authority string, port int) (string, int) {
	host := authority
	if i := strings.LastIndexByte(authority, ':'); i >= 0 && strings.IndexByte(authority[i:], ']') < 0 &&
		(strings.IndexByte(authority, ':') == i || authority[0] == '[') {
		if n, err := strconv.Atoi(authority[i+1:]); err == nil && n > 0 && n < 1<<16 {
			port = n
		}
		host = authority[:i]
	}
	if len(host) > 1 && host[0] == '[' && host[len(host)-1] == ']' {
		host = host[1 : len(host)-1]
	}
	return strings.ToLower(host), port
}
