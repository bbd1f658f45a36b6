package proxy

import (
	"bufio"
	"bytes"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/hello"
	"starproxy/driver/proxy/h1"
)

// settle finds out whether a tunnel passes untouched, from its first bytes. It reports
// false when the tunnel can't be served.
func (t *tunnel) settle(found spoken) bool {
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
