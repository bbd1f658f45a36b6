package flow

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"starproxy/builtins/exchange"
)

// conversation returns the connection that a flow is on. A new one gets its handshake. The
// exchanges that are under way at the same time in a connection of HTTP/2 are on several
// ones.
func (p *packetWriter) conversation(f *Flow) *conversation {
	key := connectionKey(f)
	began := firstTime(f.Request.Start, f.Created)
	list := p.open[key]
	for _, c := range list[max(0, len(list)-maxConcurrent):] {
		if !began.Before(c.last) {
			return c
		}
	}
	if start := f.Client.Start; len(list) == 0 && !start.IsZero() && start.Before(began) {
		began = start
	}
	dst := p.serverEnd(f)
	src, err := netip.ParseAddrPort(f.Client.Peer)
	if err != nil {
		src = netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, 0, 1}), 49152)
	}
	ends := sameFamily(src, dst)
	for p.used[ends] && p.spare > 1024 {
		ends[device] = netip.AddrPortFrom(ends[device].Addr(), p.spare)
		p.spare--
	}
	p.used[ends] = true
	c := &conversation{out: &p.out, ends: ends}
	p.name(ends[server].Addr(), f.Request.Host)
	comment := ""
	if f.Client.TLS {
		comment = strings.TrimSpace("decrypted: the device spoke TLS here " + f.Client.TLSVersion)
	}
	if len(list) > 0 {
		comment = strings.TrimSpace(comment + "\nat the same time as others of the connection from port " + strconv.Itoa(int(src.Port())))
	}
	c.open(began, comment)
	if !f.Stream || f.WebSocket.ClosedByClient == nil {
		p.open[key] = append(list, c)
	}
	return c
}

// connectionKey returns what tells the connections of devices to servers apart: over a
// proxy's connection requests for several servers can come.
func connectionKey(f *Flow) string {
	id := cmp.Or(f.Client.ID, f.ID, f.Client.Peer)
	if f.Stream {
		return "stream " + id
	}
	return id + " " + f.Request.Scheme + " " + exchange.JoinAuthority(f.Request.Host, f.Request.Port)
}

// plainPorts are the ports of protocols without TLS, by those with it.
var plainPorts = map[int]uint16{443: 80, 8443: 8080, 8883: 1883, 636: 389, 993: 143, 995: 110, 465: 25, 5671: 5672, 853: 53, 990: 21}

// serverEnd returns the address and the port of a flow's server.
func (p *packetWriter) serverEnd(f *Flow) netip.AddrPort {
	port := uint16(f.Request.Port)
	if f.Request.Scheme == "https" || f.Request.Scheme == "tls" || f.Request.Scheme == "wss" {
		switch plain := plainPorts[f.Request.Port]; {
		case plain != 0:
			port = plain
		case !f.Stream:
			port = 80
		}
	}
	if peer, err := netip.ParseAddrPort(f.Server.Peer); err == nil {
		return netip.AddrPortFrom(peer.Addr(), port)
	}
	if addr, err := netip.ParseAddr(strings.Trim(f.Request.Host, "[]")); err == nil {
		return netip.AddrPortFrom(addr, port)
	}
	addr, known := p.hosts[f.Request.Host]
	if !known {
		addr = madeUpAddr(len(p.hosts))
		p.hosts[f.Request.Host] = addr
	}
	return netip.AddrPortFrom(addr, port)
}

// madeUpAddr returns the address of the n-th server that has none: first those for
// documentation (RFC 5737), then those for tests of devices (RFC 2544).
func madeUpAddr(n int) netip.Addr {
	if n < 254 {
		return netip.AddrFrom4([4]byte{192, 0, 2, byte(n + 1)})
	}
	n = (n-254)%(1<<17-2) + 2
	return netip.AddrFrom4([4]byte{198, 18 + byte(n>>16), byte(n >> 8), byte(n)})
}

// sameFamily returns both ends as addresses of one version of IP.
func sameFamily(a, b netip.AddrPort) [2]netip.AddrPort {
	x, y := a.Addr().Unmap().WithZone(""), b.Addr().Unmap().WithZone("")
	if x.Is4() != y.Is4() {
		x, y = netip.AddrFrom16(x.As16()), netip.AddrFrom16(y.As16())
	}
	return [2]netip.AddrPort{netip.AddrPortFrom(x, a.Port()), netip.AddrPortFrom(y, b.Port())}
}

// name writes the host of an address, once.
func (p *packetWriter) name(addr netip.Addr, host string) {
	if _, err := netip.ParseAddr(host); err == nil || p.named[addr] || host == "" || len(host) > 255 || strings.ContainsRune(host, 0) {
		return
	}
	p.named[addr] = true
	p.out.name(addr, host)
}

// failureComment tells why a request has no response.
func failureComment(f *Flow) string {
	text := "no response"
	if f.Error != nil {
		text += ": " + f.Error.Message
	}
	if status, ok := f.Metadata[sentKey].(int64); ok {
		text += fmt.Sprintf("\nthe proxy told this to the device with status %d", status)
	}
	return text + notesComment(f)
}
