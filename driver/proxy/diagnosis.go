package proxy

import (
	"crypto/tls"
	"errors"
	"time"

	"starproxy/driver/handshake"
	"starproxy/driver/proxy/way"
)

// known returns what is known of the handshake t on the connection, which began at start.
func (c *conn) known(t *tls.Conn, start time.Time) *handshake.Handshake {
	h := &handshake.Handshake{
		Start: start, Duration: time.Since(start), Client: peerOf(c).Addr, Hello: c.heard, Shown: c.offered.Load(), Met: c.meets(),
	}
	h.Host, h.Port = c.meant()
	if s := t.ConnectionState(); s.HandshakeComplete {
		h.Agreed, h.Group, h.Resumed = agreed(t), uint16(s.CurveID), s.DidResume
		h.Shown = h.Shown && !s.DidResume
	}
	return h
}

// diagnose puts a handshake in the log. One that failed has err and its verdict; of
// another one the device's next bytes decide.
func (c *conn) diagnose(t *tls.Conn, start time.Time, err error) {
	l := c.p.cfg.Handshakes
	if l == nil {
		return
	}
	h := c.known(t, start)
	if err == nil {
		c.diagnosed.Store(h)
		l.Add(h)
		return
	}
	v := (&handshake.Failure{Err: err, Last: c.last[:], Shown: h.Shown, Problem: c.p.problem()}).Verdict()
	if errors.Is(err, errFault) {
		v = handshake.Verdict{Ending: handshake.Left, Reason: "the TLS fault ended the handshake"}
	}
	h.Shown = h.Shown && !v.Early
	l.Settle(h, v)
}

// problem returns why devices that check dates refuse the CA, "" when they do not.
func (p *Proxy) problem() string {
	if p.cfg.CA == nil {
		return ""
	}
	return p.cfg.CA.Problem()
}

// heardInside notes what a read after the handshake says of the device.
func (c *conn) heardInside(h *handshake.Handshake, n int, err error) {
	if v, ok := handshake.Came(n, err); ok && c.diagnosed.CompareAndSwap(h, nil) {
		c.p.cfg.Handshakes.Settle(h, v)
	}
}

// closedInside notes that the connection inside TLS is closed.
func (c *conn) closedInside() {
	if h := c.diagnosed.Swap(nil); h != nil {
		c.p.cfg.Handshakes.Settle(h, handshake.Closed())
	}
}

// unasked notes a tunnel without TLS, where TLS was to be expected. Said is what came
// instead, err the end of a device that sent nothing.
func (t *tunnel) unasked(said spoken, err error) {
	l := t.p.cfg.Handshakes
	if l == nil || t.tls != nil {
		return
	}
	h := &handshake.Handshake{Start: t.start, Duration: time.Since(t.start), Client: peerOf(t.c).Addr}
	if h.Host, h.Port = t.c.meant(); !t.c.expectsTLS(h.Port, said) {
		return
	}
	reason := "it speaks no TLS"
	switch {
	case err != nil:
		reason = "it sent nothing in its tunnel"
	case said == spokenHTTP:
		reason = "it speaks HTTP without TLS"
	}
	l.Settle(h, handshake.Unasked(reason))
}

// expectsTLS reports whether a connection without TLS is worth a note. A device that
// sends a CONNECT has a secure connection in mind, except for WebSockets over HTTP. By
// the other ways all connections come, and only the port of HTTPS tells.
func (c *conn) expectsTLS(port int, said spoken) bool {
	if c.in == nil || c.in.mode.Kind == way.Regular || c.in.mode.Kind == way.Upstream {
		return port != 80 || said != spokenHTTP
	}
	return port == 443
}
