package proxy

import (
	"strings"

	"starproxy/builtins/exchange"
)

// NTLM and Negotiate authenticate a connection, not a request (RFC 4559 section
// 6). A connection to a server that carried either is used for the device's own
// connection alone, and is closed with it.

// owner returns the device's connection if it has connections to servers of its
// own, or is about to have one; else nil.
func (s *serving) owner() *conn {
	c := s.cl.base()
	if c != nil && (c.owns.Load() || authenticates(s.req.Header, "Authorization", "Proxy-Authorization")) {
		c.owns.Store(true)
		return c
	}
	return nil
}

// claim makes a server's connection the device's own, if its answer offers to
// authenticate it.
func (s *serving) claim(c *h1Conn, answer exchange.Header) {
	if c.key.owner == nil && authenticates(answer, "WWW-Authenticate", "Proxy-Authenticate") {
		if own := s.cl.base(); own != nil {
			own.owns.Store(true)
			c.key.owner = own
		}
	}
}

// authenticates reports whether one of the named headers uses a scheme that
// authenticates connections.
func authenticates(h exchange.Header, names ...string) bool {
	for _, name := range names {
		for _, v := range h.Values(name) {
			for element := range strings.SplitSeq(v, ",") {
				scheme, _, _ := strings.Cut(strings.TrimSpace(element), " ")
				if strings.EqualFold(scheme, "NTLM") || strings.EqualFold(scheme, "Negotiate") {
					return true
				}
			}
		}
	}
	return h.HasToken("Persistent-Auth", "true")
}

// disown closes the idle connections to servers that are a device's own.
func (p *h1Pool) disown(owner *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, idle := range p.idle {
		if key.owner == owner {
			for _, c := range idle {
				c.Close()
			}
			delete(p.idle, key)
		}
	}
}
