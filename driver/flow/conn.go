package flow

import (
	"errors"

	"starproxy/builtins/exchange"
)

// conn reads a connection. Old formats have other names for some keys.
func (s *source) conn(v value, n *Conn, server bool) error {
	c := s.walk(v, tagDict)
	sameSNI := false
	for c.pair() {
		switch key := string(c.key[:c.nkey]); key {
		case "id":
			n.ID = c.text()
		case "address":
			if server {
				n.Address = c.address()
			} else {
				n.Peer = c.address()
			}
		case "peername", "ip_address":
			n.Peer = c.address()
		case "sockname", "source_address":
			n.Sock = c.address()
		case "tls":
			n.TLS = c.bool()
		case "tls_version":
			n.TLSVersion = c.text()
		case "cipher", "cipher_name":
			n.Cipher = c.text()
		case "sni":
			if sameSNI = c.value.tag == tagBool; !sameSNI {
				n.SNI = c.text()
			}
		case "alpn":
			n.ALPN = c.text()
		case "certificate_list":
			n.Certificates = c.list()
		case "timestamp_start":
			n.Start = c.time()
		case "timestamp_tcp_setup":
			n.Connected = c.time()
		case "timestamp_tls_setup":
			n.TLSSetup = c.time()
		case "timestamp_end":
			n.End = c.time()
		case "error":
			n.Error = c.text()
		}
	}
	if sameSNI { // true means the name in the address
		n.SNI, _, _ = splitAddress(n.Address)
	}
	if !server {
		n.Peer, n.Sock = known(n.Peer), known(n.Sock)
	}
	return c.err
}

// known returns a client's address, "" when it is not known: a record has port 0 then,
// because the address can't be null there.
func known(addr string) string {
	if _, port, _ := splitAddress(addr); port == 0 {
		return ""
	}
	return addr
}

// address reads [host, port], which for IPv6 may have two more elements.
func (c *cursor) address() string {
	var host string
	var port int
	inner := c.s.walk(c.value, tagList)
	for inner.item() {
		switch inner.index {
		case 1:
			host = inner.text()
		case 2:
			port = inner.small()
		}
	}
	c.fail(inner.err)
	switch inner.index {
	case 0:
		return ""
	case 1:
		c.fail(errors.New("expected a host and a port"))
	}
	return exchange.JoinAuthority(host, port)
}

// list reads a list of bytes.
func (c *cursor) list() [][]byte {
	var list [][]byte
	inner := c.s.walk(c.value, tagList)
	for inner.item() {
		inner.fail(c.s.hold(32))
		list = append(list, inner.bytes())
	}
	c.fail(inner.err)
	return list
}
