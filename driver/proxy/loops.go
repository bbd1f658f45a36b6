package proxy

import (
	"net"
	"net/netip"
	"sync"
)

// maxMade is how many connections are remembered.
const maxMade = 4096

// made remembers the connections that were made to servers of late, by both
// addresses, so that a transparent way knows those that a rule of the network leads
// back to us. Each would make another one, without end. Nil remembers none.
type made struct {
	mu    sync.Mutex
	known map[[2]netip.AddrPort]struct{}
	order [][2]netip.AddrPort // a ring
	next  int
}

func newMade() *made {
	return &made{known: map[[2]netip.AddrPort]struct{}{}, order: make([][2]netip.AddrPort, maxMade)}
}

// add remembers a connection, and forgets the oldest.
func (m *made) add(c net.Conn) {
	if m == nil {
		return
	}
	local, ok1 := c.LocalAddr().(*net.TCPAddr)
	remote, ok2 := c.RemoteAddr().(*net.TCPAddr)
	if !ok1 || !ok2 {
		return
	}
	pair := [2]netip.AddrPort{plainAddr(local.AddrPort()), plainAddr(remote.AddrPort())}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, m.order[m.next])
	m.order[m.next] = pair
	m.next = (m.next + 1) % maxMade
	m.known[pair] = struct{}{}
}

// made reports whether a connection that has come is one that was made to the address
// to. Its first bytes have come, so it was remembered before.
func (u *upstream) made(from net.Addr, to string) bool {
	client, ok := from.(*net.TCPAddr)
	server, err := netip.ParseAddrPort(to)
	if u.recent == nil || !ok || err != nil {
		return false
	}
	u.recent.mu.Lock()
	defer u.recent.mu.Unlock()
	_, known := u.recent.known[[2]netip.AddrPort{plainAddr(client.AddrPort()), plainAddr(server)}]
	return known
}
