package proxy

import (
	"fmt"
	"net/netip"
	"strings"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
)

// Selection says which connections at a listening address are a proxy's. The
// zero value stands for those that no other proxy there is meant for.
type Selection struct {
	// Clients are the addresses of the devices, without zones; IPv4 addresses
	// are in their own form.
	Clients []netip.Prefix
	// Users are names of proxy users, as devices give them with the scheme
	// Basic. Passwords are not looked at.
	Users []string
}

func (s *Selection) empty() bool { return len(s.Clients) == 0 && len(s.Users) == 0 }

// Conflict returns why a connection may belong both to s and to other at the same
// address: the key of the configuration, and a text in which %s is to be replaced by
// the name of the other proxy. Both are empty when there is no conflict.
func (s *Selection) Conflict(other *Selection) (key, text string) {
	if s.empty() && other.empty() {
		return "listen", "got no clients and no users, want some: %s has none either"
	}
	for _, a := range s.Clients {
		for _, b := range other.Clients {
			if a.Overlaps(b) {
				return "listen.clients", fmt.Sprintf("got %s, want no address that %%s has too: %s", exchange.ClientsText(a),
					exchange.ClientsText(b))
			}
		}
	}
	for _, a := range s.Users {
		for _, b := range other.Users {
			if a == b {
				return "listen.users", fmt.Sprintf("got %s, want no user that %%s has too", strings.ReplaceAll(excerpt.Quote(a), "%", "%%"))
			}
		}
	}
	return "", ""
}

// SameHost reports whether two listening addresses have the same host. An empty
// one is the unspecified address, which stands for IPv4 and IPv6.
func SameHost(a, b string) bool { return hostKey(a) == hostKey(b) }

func hostKey(host string) string {
	a, err := netip.ParseAddr(host)
	switch {
	case host == "", err == nil && a.IsUnspecified():
		return ""
	case err == nil:
		return a.Unmap().String()
	}
	return strings.ToLower(host)
}
