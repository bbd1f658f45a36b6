package proxy

import (
	"net"
	"time"
)

// maxDepth is how many CONNECTs may be inside each other, on one connection: a
// device may reach a proxy through another one, but not fill our memory.
const maxDepth = 4

// connect serves a CONNECT that our server has read: on a kept connection,
// inside TLS to the proxy port, or inside another tunnel. Everything that can
// be wrong is found before the connection is taken from its session.
func (p *Proxy) connect(w replier, r *inbound, cl *client) {
	if r.h2 != nil {
		p.refuse(w, cl, r, "a CONNECT over HTTP/2 is not served, only one over HTTP/1.1")
		return
	}
	target, err := connectTarget(r.target)
	if err != nil {
		p.refuse(w, cl, r, err.Error())
		return
	}
	carrier := cl.base()
	switch {
	case carrier == nil:
		p.refuse(w, cl, r, "this connection can't become a tunnel")
		return
	case carrier.depth >= maxDepth:
		p.refuse(w, cl, r, "too many CONNECTs inside each other")
		return
	}
	nc, pre, err := unserve(w)
	if err != nil {
		p.refuse(w, cl, r, "this connection can't become a tunnel: "+err.Error())
		return
	}
	next := p.newConn(nc, carrier.lane, pre)
	next.target, next.depth, next.in = target, carrier.depth+1, carrier.in.inside()
	p.untrack(carrier)
	if !p.track(next) {
		return
	}
	if _, err := next.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n")); err != nil {
		next.Close()
		return
	}
	p.admit(next)
}

// unserve takes a connection back from its session. It returns the bytes that were
// read of it already and not served.
func unserve(w replier) (nc net.Conn, pre []byte, err error) {
	nc, rw, err := w.Hijack()
	if err != nil {
		return nil, nil, err
	}
	nc.SetDeadline(time.Time{})
	if n := rw.Reader.Buffered(); n > 0 {
		held, _ := rw.Peek(n)
		pre = append(pre, held...)
	}
	if c, ok := nc.(*conn); ok { // the new conn takes its place
		return c.Conn, append(pre, c.pre...), nil
	}
	return nc, pre, nil
}

// secure does the TLS handshake with a device that speaks TLS to the proxy port
// itself (an "HTTPS proxy"). The requests inside are served as on a plain connection.
func (p *Proxy) secure(outer *conn) {
	t, err := outer.handshake(outer.pre)
	if err != nil {
		outer.Close()
		return
	}
	c := p.newConn(newClearConn(t, outer), outer.lane, nil)
	c.in = outer.in
	p.untrack(outer)
	if p.track(c) {
		p.serveH1(c)
	}
}
