package proxy

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
)

// Seen is the kind of a [Sighting].
type Seen uint8

// The kinds of sightings.
const (
	SeenConnection Seen = iota // a device has connected
	SeenTurnedAway             // its address may not connect
	SeenQuery                  // it has asked the resolver for a name
	SeenQUIC                   // it has sent a datagram for port 443
)

// Sighting is a sign of a device that may be no request.
type Sighting struct {
	Kind   Seen
	Client netip.Addr
	Way    string // see [Way.Name]
	Name   string // of a query
}

// Sightings hands signs of devices to those that watch. The zero value is ready for
// use by any number of goroutines; without a watcher it costs one atomic load.
type Sightings struct {
	mu       sync.Mutex
	watchers atomic.Pointer[[]*func(Sighting)]
}

// Watch calls f with each sign until end is called. F must not wait.
func (s *Sightings) Watch(f func(Sighting)) (end func()) {
	s.change(func(list []*func(Sighting)) []*func(Sighting) { return append(list, &f) })
	return sync.OnceFunc(func() {
		s.change(func(list []*func(Sighting)) []*func(Sighting) {
			return slices.DeleteFunc(list, func(o *func(Sighting)) bool { return o == &f })
		})
	})
}

// change replaces the list by the result of edit on a copy.
func (s *Sightings) change(edit func([]*func(Sighting)) []*func(Sighting)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*func(Sighting)
	if old := s.watchers.Load(); old != nil {
		list = slices.Clone(*old)
	}
	if list = edit(list); len(list) == 0 {
		s.watchers.Store(nil)
		return
	}
	s.watchers.Store(&list)
}

// sight hands a sign on; s may be nil.
func (s *Sightings) sight(kind Seen, client net.Addr, w *Way, name string) {
	if s == nil {
		return
	}
	list := s.watchers.Load()
	if list == nil {
		return
	}
	for _, f := range *list {
		(*f)(Sighting{Kind: kind, Client: addrOf(client), Way: w.Name(), Name: name})
	}
}

// sightQUIC looks at the datagrams that the network leads to a transparent way: those
// for port 443 are of QUIC, which no proxy of HTTP can carry. They get no answer, so
// that devices fall back to TCP.
func (p *Proxy) sightQUIC(w *Way) {
	b := make([]byte, 64)
	for {
		_, from, err := w.packets.ReadFrom(b)
		if err != nil {
			if isClosed(err) {
				return
			}
			continue
		}
		if p.letsAddr(addrOf(from)) {
			p.cfg.Sightings.sight(SeenQUIC, from, w, "")
		}
	}
}

// isClosed reports whether a socket was closed by us.
func isClosed(err error) bool { return errors.Is(err, net.ErrClosed) }

// addrOf returns the address of a peer over UDP or TCP, without a zone.
func addrOf(a net.Addr) netip.Addr { return zonedAddr(a).WithZone("") }

// zonedAddr is addrOf with the zone.
func zonedAddr(a net.Addr) (at netip.Addr) {
	switch a := a.(type) {
	case *net.TCPAddr:
		at = a.AddrPort().Addr()
	case *net.UDPAddr:
		at = a.AddrPort().Addr()
	}
	return at.Unmap()
}
