package proxy

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"starproxy/builtins/exchange"
)

// Demux lets several proxies listen at one address: each connection is given to
// the proxy that it is meant for, by the [Selection] of each. A proxy that
// shares its address with nobody and has no selection gets a socket of its own,
// with nothing in between.
//
// A Demux is for any number of goroutines.
type Demux struct {
	log *slog.Logger

	mu      sync.Mutex
	members []*Member
	trunks  []*trunk
	free    map[string]int // by host: the port that was free, for those that share port 0
}

// Member is a proxy of a Demux, whether it listens or not.
type Member struct {
	demux     *Demux
	host      string // as it is configured
	port      int    // 0 for any free one
	selection Selection
	idle      time.Duration
}

// NewDemux has no members. Connections that are refused are logged; a nil log
// drops that.
func NewDemux(log *slog.Logger) *Demux {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Demux{log: log, free: map[string]int{}}
}

// Join adds a proxy that will listen at host and port; with port 0 at one that is
// free, together with the others of this host and port 0 if one of them has a
// selection. A connection that is meant for a member which does not listen is
// refused; no other gets it. Idle is the proxy's [Config.Idle]: until it is known
// whose a connection is, the longest of those at its address counts.
func (d *Demux) Join(host string, port int, s Selection, idle time.Duration) *Member {
	m := &Member{demux: d, host: host, port: port, selection: s, idle: cmp.Or(idle, DefaultIdle)}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.members = append(d.members, m)
	d.seat()
	return m
}

// Leave takes the proxy out. Its listeners stay open.
func (m *Member) Leave() {
	d := m.demux
	d.mu.Lock()
	defer d.mu.Unlock()
	d.members = slices.DeleteFunc(d.members, func(o *Member) bool { return o == m })
	d.seat()
}

// Settle notes that the proxy listens at another port from now on.
func (m *Member) Settle(port int) {
	d := m.demux
	d.mu.Lock()
	defer d.mu.Unlock()
	m.port = port
	d.seat()
}

// address is where members listen together.
type address struct {
	host string // see hostKey
	port int
}

// at resolves an address; d.mu is held. Port 0 stays when none was shared yet.
func (d *Demux) at(host string, port int) address {
	a := address{hostKey(host), port}
	if port == 0 {
		a.port = d.free[a.host]
	}
	return a
}

// around lists the other members at an address; d.mu is held.
func (m *Member) around(a address) (others []*Member) {
	d := m.demux
	for _, o := range d.members {
		if o != m && d.at(o.host, o.port) == a {
			others = append(others, o)
		}
	}
	return others
}

// Listen binds the proxy's host and a port, 0 for any free one, or joins those
// that listen there already. Errors are those of net.Listen, or tell why the
// selections of two members exclude each other.
func (m *Member) Listen(port int) (net.Listener, error) {
	d := m.demux
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.at(m.host, port)
	others := m.around(a)
	// A member that is told a port while the members with port 0 have none settles
	// the port for them, too.
	free := port == 0
	if zero := d.at(m.host, 0); port != 0 && m.port == 0 && zero.port == 0 {
		free, others = true, append(others, m.around(zero)...)
	}
	t := d.trunk(a)
	if t == nil && m.selection.empty() && !slices.ContainsFunc(others, func(o *Member) bool { return !o.selection.empty() }) {
		l, err := Listen(exchange.JoinAuthority(m.host, port))
		if len(others) > 0 && errors.Is(err, syscall.EADDRINUSE) {
			err = fmt.Errorf("%w; another export is configured for it, and neither has listen.clients or listen.users", err)
		}
		return l, err
	}
	for _, o := range others {
		if key, text := m.selection.Conflict(&o.selection); key != "" {
			at := exchange.JoinAuthority(m.host, a.port)
			return nil, fmt.Errorf("listen at %s: %s: "+text+": %w", at, key, "another export", syscall.EADDRINUSE)
		}
	}
	if t == nil {
		var err error
		if t, err = d.bind(m.host, port, a); err != nil {
			return nil, err
		}
		if free {
			d.free[a.host] = t.address.port
		}
	} else if t.branches[m] != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: t.listener.Addr(), Err: syscall.EADDRINUSE}
	}
	b := newBranch(t)
	t.branches[m] = b
	d.seat()
	return b.listen(), nil
}

// trunk returns the socket at an address, nil for none; d.mu is held.
func (d *Demux) trunk(a address) *trunk {
	for _, t := range d.trunks {
		if t.address == a {
			return t
		}
	}
	return nil
}

// bind opens the socket at an address; d.mu is held. For port 0 it is the port
// that was free before, if it still is.
func (d *Demux) bind(host string, port int, a address) (*trunk, error) {
	l, err := Listen(exchange.JoinAuthority(host, a.port))
	if err != nil && port == 0 && a.port != 0 {
		l, err = Listen(net.JoinHostPort(host, "0"))
	}
	if err != nil {
		return nil, err
	}
	a.port = l.Addr().(*net.TCPAddr).Port
	t := newTrunk(d, l, a)
	d.trunks = append(d.trunks, t)
	go t.serve()
	return t, nil
}

// seat settles anew whose the connections of each socket are; d.mu is held.
func (d *Demux) seat() {
	for _, t := range d.trunks {
		s := newSeating()
		for _, m := range d.members {
			if b := t.branches[m]; b != nil || d.at(m.host, m.port) == t.address {
				s.add(&m.selection, &seat{b})
				s.idle = max(s.idle, m.idle)
			}
		}
		t.seating.Store(s)
	}
}
