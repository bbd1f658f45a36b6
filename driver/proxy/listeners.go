package proxy

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
)

// Listeners are the addresses at which this process listens itself: proxies,
// web UIs, the exporter. Devices must not reach them through a proxy: a client on
// this machine controls the exporter without a passphrase, and a request that one
// proxy sends to another may come back for ever. That holds for the proxies of
// other exports too; a bench that wants two in a row connects its device to the
// second.
//
// The zero value is empty and ready for use, by any number of goroutines. A
// lookup takes no lock, and asks the system for its addresses only when the
// port is one of ours.
type Listeners struct {
	mu   sync.Mutex
	list atomic.Pointer[[]netip.AddrPort]
}

// errOwn is the refusal of a destination.
var errOwn = errors.New("refused: the destination is the proxy itself, or another listener of the same exporter")

// Add adds the address of a listener, until forget is called. A listener that is not
// on TCP, such as a unix socket, can't be reached and is left out.
func (l *Listeners) Add(addr net.Addr) (forget func()) {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return func() {}
	}
	at := plainAddr(tcp.AddrPort())
	l.change(func(list []netip.AddrPort) []netip.AddrPort { return append(list, at) })
	return sync.OnceFunc(func() {
		l.change(func(list []netip.AddrPort) []netip.AddrPort {
			if i := slices.Index(list, at); i >= 0 {
				return slices.Delete(list, i, i+1)
			}
			return list
		})
	})
}

// All returns the addresses.
func (l *Listeners) All() []netip.AddrPort {
	if list := l.list.Load(); list != nil {
		return slices.Clone(*list)
	}
	return nil
}

// change replaces the list by the result of edit on a copy.
func (l *Listeners) change(edit func([]netip.AddrPort) []netip.AddrPort) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []netip.AddrPort
	if old := l.list.Load(); old != nil {
		list = slices.Clone(*old)
	}
	list = edit(list)
	l.list.Store(&list)
}

// Reaches reports whether a connection to the address to would reach one of the
// listeners.
func (l *Listeners) Reaches(to netip.AddrPort) bool {
	list := l.list.Load()
	if list == nil {
		return false
	}
	to = plainAddr(to)
	for _, own := range *list {
		if own.Port() == to.Port() && reaches(to.Addr(), own.Addr()) {
			return true
		}
	}
	return false
}

// plainAddr returns an address in its shortest form: without a zone, an IPv4
// one as such.
func plainAddr(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// reaches reports whether a connection to the address to reaches a listener at
// own. The unspecified address means this machine, as destination too.
func reaches(to, own netip.Addr) bool {
	switch {
	case to == own:
		return true
	case to.IsUnspecified():
		return own.IsLoopback() || own.IsUnspecified()
	case !own.IsUnspecified():
		return false
	}
	return to.IsLoopback() || isLocal(to)
}

// isLocal reports whether an address is one of this machine's. When the system
// does not tell, every address counts as one.
func isLocal(a netip.Addr) bool {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return true
	}
	return slices.ContainsFunc(all, func(own net.Addr) bool {
		n, ok := own.(*net.IPNet)
		if !ok {
			return false
		}
		ip, ok := netip.AddrFromSlice(n.IP)
		return ok && ip.Unmap() == a
	})
}

// looped reports whether a connection ends on this machine at one of the
// listeners: with some routes whole networks lead here, and the system knows
// only from the connection.
func (l *Listeners) looped(c net.Conn) bool {
	local, ok1 := c.LocalAddr().(*net.TCPAddr)
	remote, ok2 := c.RemoteAddr().(*net.TCPAddr)
	list := l.list.Load()
	if !ok1 || !ok2 || list == nil || !local.IP.Equal(remote.IP) {
		return false
	}
	return slices.ContainsFunc(*list, func(own netip.AddrPort) bool {
		return int(own.Port()) == remote.Port && own.Addr().IsUnspecified()
	})
}
