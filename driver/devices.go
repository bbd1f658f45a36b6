package driver

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"starproxy/builtins/exchange"
	"starproxy/driver/proxy"
	"starproxy/driver/view"
)

// ClientRange is the address of a device, or a range of addresses in CIDR form.
type ClientRange netip.Prefix

// UnmarshalText accepts what [exchange.ParseClients] does.
func (c *ClientRange) UnmarshalText(text []byte) error {
	p, err := exchange.ParseClients(string(text))
	*c = ClientRange(p)
	return err
}

// MarshalText returns a text that UnmarshalText accepts.
func (c ClientRange) MarshalText() ([]byte, error) { return netip.Prefix(c).MarshalText() }

// ProxyUser is the name with which a device presents itself to a proxy.
type ProxyUser string

// UnmarshalText accepts the names that the scheme Basic can carry (RFC 7617).
func (u *ProxyUser) UnmarshalText(text []byte) error {
	switch s := string(text); {
	case s == "":
		return errors.New("got an empty name, want that of a proxy user")
	case strings.Contains(s, ":"):
		return errors.New("got a name with a colon, want the user's name alone: passwords are not looked at")
	case strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return fmt.Errorf("got %q, want a name without control characters", s)
	}
	*u = ProxyUser(text)
	return nil
}

// DeviceName is the name of a device in lists.
type DeviceName string

// UnmarshalText accepts what [view.CheckDeviceName] does.
func (n *DeviceName) UnmarshalText(text []byte) error {
	*n = DeviceName(text)
	return view.CheckDeviceName(string(text))
}

// checkDevices checks the addresses of devices that have names.
func (c *Config) checkDevices() error {
	for address := range c.Devices {
		if _, err := netip.ParseAddr(address); err != nil {
			return fmt.Errorf("devices: got %q, want an IP address", address)
		}
	}
	return nil
}

// names returns the configured names of devices, whose addresses were checked.
func (c *Config) names() map[netip.Addr]string {
	names := map[netip.Addr]string{}
	for address, name := range c.Devices {
		names[netip.MustParseAddr(address)] = string(name)
	}
	return names
}

// selection returns the clients and users whose connections are for the proxy.
func (l *Listen) selection() (s proxy.Selection) {
	for _, c := range l.Clients {
		s.Clients = append(s.Clients, netip.Prefix(c))
	}
	for _, u := range l.Users {
		s.Users = append(s.Users, string(u))
	}
	return s
}

// selects reports whether the proxy takes the connections of some devices only.
func (l *Listen) selects() bool { return len(l.Clients) > 0 || len(l.Users) > 0 }

// shares reports whether two proxies are configured for one address.
func (l *Listen) shares(o *Listen) bool { return l.Port == o.Port && proxy.SameHost(l.Host, o.Host) }

// Conflict finds two proxies of one exporter file that are configured for one address,
// so that a connection could be for both. It uses the names of the proxies in the
// error, and later is the index of the proxy with the mistake. The error is nil when
// there is no conflict.
//
// Proxies without any selection may be configured for one address: one of them
// at a time can run.
func Conflict(names []string, configs []*Config) (later int, err error) {
	for i, c := range configs {
		a, used := &c.Listen, c.Listen.selects()
		for _, o := range configs {
			used = used || o.Listen.selects() && o.Listen.shares(a)
		}
		if !used {
			continue
		}
		mine := a.selection()
		for j, o := range configs[:i] {
			if !o.Listen.shares(a) {
				continue
			}
			theirs := o.Listen.selection()
			if key, text := mine.Conflict(&theirs); key != "" {
				at := net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
				return i, fmt.Errorf("%s: "+text+" (both listen at %s)", key, names[j], at)
			}
		}
	}
	return 0, nil
}

// Devices lets the proxies of one exporter share listening addresses. Drivers that get
// the same Devices do so.
type Devices struct{ demux *proxy.Demux }

// NewDevices makes Devices without proxies. log gets the connections that are for no
// proxy; it may be nil.
func NewDevices(log *slog.Logger) *Devices { return &Devices{proxy.NewDemux(log)} }
