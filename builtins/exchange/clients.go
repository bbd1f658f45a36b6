package exchange

import (
	"fmt"
	"net/netip"

	"starproxy/builtins/excerpt"
)

// ParseClients reads the address of a device, or a range of them in CIDR form. An
// IPv4 address that is written as an IPv6 one is taken as such.
func ParseClients(text string) (netip.Prefix, error) {
	const want = "want an address such as 10.0.0.7 or a range such as 10.0.0.0/24"
	if a, err := netip.ParseAddr(text); err == nil {
		if a.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("got %s, want it without the zone %%%s", text, a.Zone())
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("got %s, %s", excerpt.Quote(text), want)
	}
	if a := p.Addr(); a.Is4In6() {
		if p.Bits() < 96 {
			return netip.Prefix{}, fmt.Errorf("got %s, %s", text, want)
		}
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("got %s, want %s for the range or %s for the address", text, p.Masked(), p.Addr())
	}
	return p, nil
}

// ClientsText returns a range as ParseClients reads it.
func ClientsText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
