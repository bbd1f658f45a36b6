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
	maxDatagram    = 1232            // bytes: it passes all networks in one piece (https://www.dnsflagday.net/2020/)
	maxOwn         = 8               // addresses of a network interface in an answer
)

// notThere are names that a network answers with NXDOMAIN to say that it has a resolver
// of its own: browsers and systems then do not go around it by DNS over HTTPS or a relay
// (https://support.mozilla.org/kb/canary-domain-use-application-dnsnet,
// https://developer.apple.com/support/prepare-your-network-for-icloud-private-relay/).
var notThere = [...]string{"use-application-dns.net", "mask.icloud.com", "mask-h2.icloud.com"}

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
	// Local is the address that the device has asked, where it is known.
	Local netip.Addr
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
	if opt := m.IsEdns0(); opt != nil && opt.Version() != 0 {
		return new(dns.Msg).SetRcode(m, dns.RcodeBadVers).SetEdns0(maxDatagram, false)
	}
	asked := m.Question[0]
	ours := r.Answers(asked.Name)
	name, listed := strings.ToLower(plainName(asked.Name)), r.lists(asked.Name)
	switch t := asked.Qtype; {
	case t == dns.TypeAXFR, t == dns.TypeIXFR:
		return new(dns.Msg).SetRcode(m, dns.RcodeRefused)
	case listed && slices.Contains(notThere[:], name):
		return new(dns.Msg).SetRcode(m, dns.RcodeNameError)
	case t != dns.TypeA && t != dns.TypeAAAA && t != dns.TypeHTTPS && t != dns.TypeSVCB:
	case ours:
		return r.address(m, r.addresses(q))
	case listed && isBelow(name, "localhost"): // RFC 6761 section 6.3
		return r.address(m, loopback[:])
	}
	switch {
	case len(r.cfg.Forward) > 0:
		return r.forward(ctx, m, q)
	case listed: // there is such a name, without data of this type
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

// Answers reports whether a name is answered with our address: one of those that are
// configured, unless it is no name of a host or has another meaning. An address of
// ipv4only.arpa would be taken for a translation of addresses (RFC 7050).
func (r *Resolver) Answers(name string) bool {
	plain := strings.ToLower(plainName(name))
	return plain != "" && r.lists(name) && !isBelow(plain, "arpa") && !isBelow(plain, "localhost") && !slices.Contains(notThere[:], plain)
}

// isBelow reports whether a name in small letters is a domain or below it.
func isBelow(name, domain string) bool { return name == domain || strings.HasSuffix(name, "."+domain) }

// lists reports whether the configuration has a name.
func (r *Resolver) lists(name string) bool {
	for p := range exchange.PatternsOf(plainName(name)) {
		if r.names[p] {
			return true
		}
	}
	return false
}

// address answers with those addresses of a list that are of the type that was asked
// for. Types that would lead past the proxy, with hints of other addresses or of QUIC
// (RFC 9460), have no data.
func (r *Resolver) address(m *dns.Msg, list []netip.Addr) *dns.Msg {
	asked := m.Question[0]
	a := new(dns.Msg).SetReply(m)
	a.Authoritative, a.RecursionAvailable = true, true
	head := dns.RR_Header{Name: asked.Name, Rrtype: asked.Qtype, Class: dns.ClassINET, Ttl: uint32(r.cfg.TTL / time.Second)}
	for _, own := range list {
		switch {
		case asked.Qtype == dns.TypeA && own.Is4():
			a.Answer = append(a.Answer, &dns.A{Hdr: head, A: own.AsSlice()})
		case asked.Qtype == dns.TypeAAAA && own.Is6():
			a.Answer = append(a.Answer, &dns.AAAA{Hdr: head, AAAA: own.AsSlice()})
		}
	}
	return a
}

// loopback are the addresses of localhost.
var loopback = [...]netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}

// addresses returns the proxy's addresses for a device: those of the configuration, or
// the one that the device has asked, or the one from which the route to it begins. A
// link-local one, which answers can't carry, stands for the others of its interface.
func (r *Resolver) addresses(q Query) []netip.Addr {
	if len(r.cfg.Addresses) > 0 || !q.Client.IsValid() {
		return r.cfg.Addresses
	}
	own := q.Local
	if !own.IsValid() || own.IsUnspecified() {
		// Nothing is sent: the system only looks up the route.
		c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(q.Client, 53)))
		if err != nil {
			return nil
		}
		defer c.Close()
		if at, ok := c.LocalAddr().(*net.UDPAddr); ok {
			own = at.AddrPort().Addr().Unmap()
		}
	}
	if own.Is6() && own.IsLinkLocalUnicast() {
		return besides(own.Zone())
	}
	return []netip.Addr{own.WithZone("")}
}

// besides returns the addresses of a network interface that are not link-local.
func besides(name string) (list []netip.Addr) {
	face, err := net.InterfaceByName(name)
	if err != nil {
		return nil
	}
	all, err := face.Addrs()
	if err != nil {
		return nil
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLinkLocalUnicast() && len(list) < maxOwn {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				list = append(list, ip.Unmap())
			}
		}
	}
	return list
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

// Fit cuts an answer to the size that the device takes: over UDP 512 bytes, or as much
// as it says and networks pass in one piece; all over TCP. A device that speaks EDNS gets
// an answer with it (RFC 6891 section 6.1.1).
func Fit(a, m *dns.Msg, tcp bool) {
	size := dns.MinMsgSize
	if o := m.IsEdns0(); o != nil {
		if size = min(max(size, int(o.UDPSize())), maxDatagram); a.IsEdns0() == nil {
			a.SetEdns0(maxDatagram, false)
		}
	}
	if tcp {
		size = dns.MaxMsgSize
	}
	a.Truncate(size)
}
