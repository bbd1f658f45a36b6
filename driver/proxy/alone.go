package proxy

import (
	"bufio"
	"bytes"
	"log/slog"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/hello"
	"starproxy/driver/proxy/h1"
)

// settle finds out from the first bytes of a tunnel where it goes, where the address
// does not tell, and whether it passes untouched. It reports false when the tunnel
// can't be served.
func (t *tunnel) settle(found spoken) bool {
	if t.c.in != nil && t.tls == nil && !t.led(found) {
		return false
	}
	alone := t.p.cfg.LeftAlone
	if alone == nil || t.tls != nil || t.alone {
		return true
	}
	named := ""
	if name := t.name(found); name != "" {
		_, port := exchange.SplitAuthority(t.c.target, exchange.DefaultPort(""))
		named = exchange.JoinAuthority(name, port)
	}
	t.alone = alone.Holds(t.c.target, named)
	return true
}

// led finds where a connection on a transparent way goes. One that no rule of the
// network has led here goes to the host that it names, at the port of the way: the
// device has looked the name up and was told our address. It reports false when the
// connection would come back to us.
func (t *tunnel) led(found spoken) bool {
	c, why := t.c, ""
	switch {
	case c.direct:
		name := t.name(found)
		_, port := exchange.SplitAuthority(c.target, 0)
		if c.direct = false; name != "" {
			c.target = exchange.JoinAuthority(name, port)
			return true
		}
		why = "it was for the proxy itself and names no host: no rule of the network has led it here"
	case t.p.upstream.made(c.RemoteAddr(), c.target):
		why = "the proxy itself has made it: exempt the proxy's user from the rule of the network that leads connections here"
	default:
		return true
	}
	t.p.log.Warn("connection refused", slog.String("client", c.RemoteAddr().String()), slog.String("way", c.in.name),
		slog.String("target", c.target), slog.String("error", why))
	return false
}

// name returns the host that the first bytes of a tunnel name, in the ClientHello or
// in the header of a request; empty for none.
func (t *tunnel) name(found spoken) string {
	name := ""
	switch found {
	case spokenTLS:
		if h := t.hello(); h != nil {
			name = h.Name
		}
	case spokenHTTP:
		var q h1.Request
		_ = h1.NewReader(bufio.NewReader(bytes.NewReader(t.first))).Request(&q) // our server refuses a malformed one
		name, _, _ = exchange.ParseAuthority(q.Header.Get("Host"), exchange.DefaultPort("http"))
	}
	if name, err := exchange.HostName(name); err == nil {
		return name
	}
	return ""
}

// hello reads on until the whole ClientHello is there, and returns its values; nil when
// it can't be read.
func (t *tunnel) hello() *hello.Hello {
	t.device.SetReadDeadline(time.Now().Add(headerTimeout))
	defer t.device.SetReadDeadline(time.Time{})
	for {
		h, err := hello.Parse(t.first)
		if m := hello.Message(t.first); err == nil || len(t.first) >= maxHello ||
			len(m) > 4 && len(m) >= 4+(int(m[1])<<16|int(m[2])<<8|int(m[3])) { // it is whole, and malformed
			return h
		}
		b := make([]byte, firstRead)
		n, readErr := t.device.Read(b)
		if t.first = append(t.first, b[:n]...); readErr != nil {
			return nil
		}
	}
}
