package way

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
)

// The bounds of a resolver.
const (
	DefaultTTL     = 5 * time.Second
	forwardTimeout = 4 * time.Second // for one server
	maxForwards    = 64              // under way at once
)

// ResolverConfig says which names a resolver answers.
type ResolverConfig struct {
	// Names are those that are answered with an address of the proxy; none means all.
	Names []exchange.HostPattern
	// Addresses are those of the proxy; none means the one at which a device reaches
	// it.
	Addresses []netip.Addr
	// Forward are the resolvers that are asked for other names and other types; without
	// any, other names are refused, and other types have no data.
	Forward []netip.AddrPort
	// TTL is how long devices may keep an address. 0 stands for [DefaultTTL].
	TTL time.Duration
}

// Resolver answers queries of DNS (RFC 1035) for addresses with that of the proxy. It
// is for any number of goroutines.
type Resolver struct {
	cfg   ResolverConfig
	names map[exchange.HostPattern]bool
	busy  chan struct{} // a place for each query that is forwarded
}

// NewResolver makes a Resolver. It does no I/O.
func NewResolver(cfg ResolverConfig) *Resolver {
	r := &Resolver{cfg: cfg, names: map[exchange.HostPattern]bool{}, busy: make(chan struct{}, maxForwards)}
	for _, n := range cfg.Names {
		r.names[n] = true
	}
	if len(cfg.Names) == 0 {
		r.names[exchange.EveryHost] = true
	}
	if r.cfg.TTL == 0 {
		r.cfg.TTL = DefaultTTL
	}
	return r
}

// ParseResolver reads the address of a resolver, ADDRESS[:PORT].
func ParseResolver(text string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.AddrPortFrom(a, 53), nil
	}
	a, err := netip.ParseAddrPort(text)
	if err != nil || a.Port() == 0 {
		return netip.AddrPort{}, fmt.Errorf("got %s, want an address such as 9.9.9.9 or [2620:fe::fe]:53", excerpt.Quote(text))
	}
	return a, nil
}

// Query is a question that has come.
type Query struct {
	// Client is the address of the device.
	Client netip.Addr
	// Own reports whether an address is that of a listener of ours: nothing is
	// forwarded to it.
	Own func(netip.AddrPort) bool
}

// Answer returns the answer to a query, nil for what is no query.
func (r *Resolver) Answer(ctx context.Context, m *dns.Msg, q Query) *dns.Msg {
	if m.Response || len(m.Question) != 1 {
		return nil
	}
	if m.Opcode != dns.OpcodeQuery || m.Question[0].Qclass != dns.ClassINET {
		return new(dns.Msg).SetRcode(m, dns.RcodeNotImplemented)
	}
	asked := m.Question[0]
	ours := r.answers(asked.Name)
	switch asked.Qtype {
	case dns.TypeA, dns.TypeAAAA, dns.TypeHTTPS, dns.TypeSVCB:
		if ours {
			return r.address(m, asked, q)
		}
	}
	switch {
	case len(r.cfg.Forward) > 0:
		return r.forward(ctx, m, q)
	case ours: // there is such a name, without data of this type
		a := new(dns.Msg).SetReply(m)
		a.Authoritative, a.RecursionAvailable = true, true
		return a
	}
	return new(dns.Msg).SetRcode(m, dns.RcodeRefused)
}

// Asks returns the name whose address a query asks for; empty for other queries.
func Asks(m *dns.Msg) string {
	if len(m.Question) != 1 || m.Question[0].Qtype != dns.TypeA && m.Question[0].Qtype != dns.TypeAAAA {
		return ""
	}
	return plainName(m.Question[0].Name)
}

// plainName returns a name as hosts are spelt; one that no host can have as it is.
func plainName(name string) string {
	name = strings.TrimSuffix(name, ".")
	if host, err := exchange.HostName(name); err == nil {
		return host
	}
	return name
}

// answers reports whether a name is answered with our address.
func (r *Resolver) answers(name string) bool {
	for p := range exchange.PatternsOf(plainName(name)) {
		if r.names[p] {
			return true
		}
	}
	return false
}

// address answers with the proxy's addresses of the type that was asked for. Types that
// would lead past the proxy, with hints of other addresses or of QUIC (RFC 9460), have
// no data.
func (r *Resolver) address(m *dns.Msg, asked dns.Question, q Query) *dns.Msg {
	a := new(dns.Msg).SetReply(m)
	a.Authoritative, a.RecursionAvailable = true, true
	head := dns.RR_Header{Name: asked.Name, Rrtype: asked.Qtype, Class: dns.ClassINET, Ttl: uint32(r.cfg.TTL / time.Second)}
	for _, own := range r.addresses(q.Client) {
		switch {
		case asked.Qtype == dns.TypeA && own.Is4():
			a.Answer = append(a.Answer, &dns.A{Hdr: head, A: own.AsSlice()})
		case asked.Qtype == dns.TypeAAAA && own.Is6():
			a.Answer = append(a.Answer, &dns.AAAA{Hdr: head, AAAA: own.AsSlice()})
		}
	}
	return a
}

// addresses returns the proxy's addresses for a device.
func (r *Resolver) addresses(client netip.Addr) []netip.Addr {
	if len(r.cfg.Addresses) > 0 || !client.IsValid() {
		return r.cfg.Addresses
	}
	// Nothing is sent: the system only looks up the route.
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(client, 53)))
	if err != nil {
		return nil
	}
	defer c.Close()
	own, ok := c.LocalAddr().(*net.UDPAddr)
	if !ok {
		return nil
	}
	return []netip.Addr{own.AddrPort().Addr().Unmap().WithZone("")}
}

// forward asks other resolvers, over TCP where an answer does not fit into a datagram.
// Without an answer it returns a failure.
func (r *Resolver) forward(ctx context.Context, m *dns.Msg, q Query) *dns.Msg {
	select {
	case r.busy <- struct{}{}:
		defer func() { <-r.busy }()
	default:
		return new(dns.Msg).SetRcode(m, dns.RcodeServerFailure)
	}
	for _, to := range r.cfg.Forward {
		if q.Own != nil && q.Own(to) {
			continue
		}
		ask := m.Copy()
		ask.Id = dns.Id() // nobody may guess it
		a, err := exchangeWith(ctx, ask, to)
		if err == nil && a.Id == ask.Id && slices.Equal(a.Question, m.Question) {
			a.Id = m.Id
			return a
		}
	}
	return new(dns.Msg).SetRcode(m, dns.RcodeServerFailure)
}

// exchangeWith asks one resolver.
func exchangeWith(ctx context.Context, m *dns.Msg, to netip.AddrPort) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, forwardTimeout)
	defer cancel()
	c := &dns.Client{Timeout: forwardTimeout}
	a, _, err := c.ExchangeContext(ctx, m, to.String())
	if err == nil && a.Truncated {
		c.Net = "tcp"
		a, _, err = c.ExchangeContext(ctx, m, to.String())
	}
	if err == nil && a == nil {
		err = errors.New("no answer")
	}
	return a, err
}

// Fit cuts an answer to the size that the device takes: 512 bytes or what it says (RFC
// 6891) over UDP, all over TCP.
func Fit(a, m *dns.Msg, tcp bool) {
	size := dns.MinMsgSize
	if o := m.IsEdns0(); o != nil {
		size = min(max(size, int(o.UDPSize())), 4096)
	}
	if tcp {
		size = dns.MaxMsgSize
	}
	a.Truncate(size)
}
