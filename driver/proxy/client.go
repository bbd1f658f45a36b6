package proxy

import (
	"crypto/tls"
	"net"
	"net/netip"

	"starproxy/builtins/exchange"
)

// client describes a device's connection to the exchanges on it.
type client struct {
	id     uint64 // of the connection
	addr   netip.AddrPort
	tls    bool
	agreed exchange.TLS
	sni    string
	host   string // of the CONNECT
	port   int
	target string    // host:port of the CONNECT, empty outside of one
	in     *Way      // nil for the proxy's first listener
	met    string    // the TLS fault, for captures; "" for none
	outer  *tls.Conn // with the proxy port itself, outside of a CONNECT; nil for none
	plain  bool      // bytes reach the socket as they are
	conn   net.Conn  // with TLS, if there is any
	socket net.Conn  // without
}

// base returns the connection that the device made, or the tunnel in it.
func (cl *client) base() *conn {
	c, _ := cl.socket.(*conn)
	return c
}

// network returns how captures name the network profile in force, "" for none.
func (cl *client) network() string {
	if base := cl.base(); base != nil {
		return base.lane.meets()
	}
	return ""
}

// newClient describes a connection.
func newClient(nc net.Conn) *client {
	cl := &client{conn: nc}
	t, ok := nc.(*tls.Conn)
	if c, clear := nc.(*clearConn); clear {
		t, ok = c.Conn, true
	}
	if ok {
		cl.tls, cl.sni, cl.agreed = true, t.ConnectionState().ServerName, agreed(t)
		nc = t.NetConn()
	}
	cl.socket = nc
	cl.addr = peerOf(nc).Addr
	c, ours := nc.(*conn)
	if !ours {
		return cl
	}
	if cl.id = c.p.conned.Add(1); !ok {
		cl.plain = c.bare()
	}
	cl.met, cl.in = c.meets(), c.in
	if clear, ok := c.Conn.(*clearConn); ok && c.target == "" {
		cl.outer = clear.Conn
	}
	if c.target != "" {
		cl.target = c.target
		scheme := "http"
		if cl.tls {
			scheme = "https"
		}
		cl.host, cl.port = exchange.SplitAuthority(c.target, exchange.DefaultPort(scheme))
	}
	return cl
}

// peerOf returns the address of the other end of a connection, and the outcome of
// its TLS handshake.
func peerOf(nc net.Conn) (p exchange.Peer) {
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		p.Addr = a.AddrPort()
		p.Addr = netip.AddrPortFrom(p.Addr.Addr().Unmap(), p.Addr.Port())
	}
	if t, ok := nc.(*tls.Conn); ok {
		p.TLS = agreed(t)
	}
	return p
}

// agreed returns the outcome of a handshake.
func agreed(t *tls.Conn) exchange.TLS {
	s := t.ConnectionState()
	return exchange.TLS{Version: s.Version, Cipher: s.CipherSuite, ALPN: s.NegotiatedProtocol}
}
