package driver

import (
	"fmt"
	"net/netip"
	"time"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
	"starproxy/driver/proxy/way"
)

// maxTTL is the longest time that devices may keep an address, in seconds.
const maxTTL = 86400

// read returns the values of the block. An error begins with its key.
func (d *DNS) read() (c way.ResolverConfig, err error) {
	for i, text := range d.Names {
		p, err := exchange.ParseHostPattern(text)
		if err != nil {
			return c, fmt.Errorf("dns.names[%d]: %w", i, err)
		}
		c.Names = append(c.Names, p)
	}
	for i, text := range d.Addresses {
		a, err := netip.ParseAddr(text)
		if err != nil || a.IsUnspecified() || a.Zone() != "" {
			return c, fmt.Errorf("dns.addresses[%d]: got %s, want an address of the proxy", i, excerpt.Quote(text))
		}
		c.Addresses = append(c.Addresses, a.Unmap())
	}
	for i, text := range d.Forward {
		a, err := way.ParseResolver(text)
		if err != nil {
			return c, fmt.Errorf("dns.forward[%d]: %w", i, err)
		}
		c.Forward = append(c.Forward, a)
	}
	if d.TTL < 0 || d.TTL > maxTTL {
		return c, fmt.Errorf("dns.ttl: got %d, want seconds from 0 to %d (a day)", d.TTL, maxTTL)
	}
	c.TTL = time.Duration(d.TTL) * time.Second
	return c, nil
}

func (d *DNS) check() error {
	_, err := d.read()
	return err
}

// resolver makes the resolver of a block that was checked.
func (d *DNS) resolver() *way.Resolver {
	c, _ := d.read()
	return way.NewResolver(c)
}
