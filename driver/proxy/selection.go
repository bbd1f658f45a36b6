package proxy

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

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

// Conflict tells why s, at the address of other, leaves open whose a connection
// is: the key of the configuration, and the text behind it in which %s stands
// for the other proxy. Both are empty when nothing is left open.
func (s *Selection) Conflict(other *Selection) (key, text string) {
	if s.empty() && other.empty() {
		return "listen", "got no clients and no users, want some: %s has none either"
	}
	for _, a := range s.Clients {
		for _, b := range other.Clients {
			if a.Overlaps(b) {
				return "listen.clients", fmt.Sprintf("got %s, want no address that %%s has too: %s", clientText(a), clientText(b))
			}
		}
	}
	for _, a := range s.Users {
		for _, b := range other.Users {
			if a == b {
				return "listen.users", fmt.Sprintf("got %s, want no user that %%s has too", strings.ReplaceAll(exchange.Clip(a), "%", "%%"))
			}
		}
	}
	return "", ""
}

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
		return netip.Prefix{}, fmt.Errorf("got %s, %s", exchange.Clip(text), want)
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

// clientText is a range as ParseClients reads it.
func clientText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
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

// refusal is the answer to a request that no proxy is meant for.
type refusal struct {
	status int
	why    string
	usual  bool // nothing is wrong: many devices tell their user only when they are asked
}

// log logs the refusal: as a warning, if it is not a usual one.
func (r *refusal) log(to *slog.Logger, client string) {
	level := slog.LevelWarn
	if r.usual {
		level = slog.LevelInfo
	}
	to.Log(context.Background(), level, "request refused", slog.String("client", client), slog.String("error", r.why))
}

// challenge is the header that asks for a proxy user (RFC 7617 section 2).
const challenge = `Basic realm="starproxy", charset="UTF-8"`

// response is the refusal as a whole answer, the last one of its connection.
func (r *refusal) response() string {
	ask := ""
	if r.status == http.StatusProxyAuthRequired {
		ask = "Proxy-Authenticate: " + challenge + "\r\n"
	}
	return "HTTP/1.1 " + strconv.Itoa(r.status) + " " + http.StatusText(r.status) + "\r\n" + ask +
		"Content-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\nContent-Length: " + strconv.Itoa(len(r.why)+1) +
		"\r\nConnection: close\r\n\r\n" + r.why + "\n"
}

// seat is a proxy at a listening address.
type seat struct {
	to *branch // nil while the proxy does not listen
}

// seating is whose the connections at a listening address are. It is not
// changed after it was made.
type seating struct {
	exact  map[netip.Addr]*seat
	ranges map[netip.Prefix]*seat
	users  map[string]*seat
	rest   *seat // nil when every proxy has a selection
	// opaque has connections that tell no user before they are taken: TLS to
	// the proxy port, and HTTP/2.
	opaque *seat
	idle   time.Duration // the longest of the proxies'
}

func newSeating() *seating {
	return &seating{exact: map[netip.Addr]*seat{}, ranges: map[netip.Prefix]*seat{}, users: map[string]*seat{}}
}

// add gives a proxy its place.
func (t *seating) add(s *Selection, at *seat) {
	for _, p := range s.Clients {
		if p.IsSingleIP() {
			t.exact[p.Addr()] = at
		} else {
			t.ranges[p] = at
		}
	}
	for _, u := range s.Users {
		t.users[u] = at
	}
	if s.empty() {
		t.rest = at
	}
	if at.to != nil && (s.empty() || t.opaque == nil && len(s.Users) > 0) {
		t.opaque = at
	}
}

// byAddr is the proxy of a device's address, nil for none.
func (t *seating) byAddr(a netip.Addr) *seat {
	if at := t.exact[a]; at != nil {
		return at
	}
	for p, at := range t.ranges {
		if p.Contains(a) {
			return at
		}
	}
	return nil
}

// asks reports whether only its first request tells whose a connection is.
func (t *seating) asks(from netip.Addr) bool { return len(t.users) > 0 && t.byAddr(from) == nil }

// judge finds whose a request is: by the address that it comes from, else by the
// Proxy-Authorization that it carries.
func (t *seating) judge(from netip.Addr, credentials string) (*branch, *refusal) {
	at := t.byAddr(from)
	user := ""
	if at == nil && len(t.users) > 0 {
		user = userOf(credentials)
		at = t.users[user] // there is none of an empty name
	}
	if at == nil {
		at = t.rest
	}
	switch {
	case at != nil:
		return at.open()
	case user != "":
		return nil, &refusal{status: http.StatusProxyAuthRequired, why: fmt.Sprintf("proxy user: got %s, want one that an export at this address has in listen.users", exchange.Clip(user))}
	case len(t.users) > 0:
		return nil, &refusal{status: http.StatusProxyAuthRequired, why: "proxy user: got none, want one that an export at this address has in listen.users, with the scheme Basic", usual: credentials == ""}
	}
	return nil, &refusal{status: http.StatusForbidden, why: fmt.Sprintf("client: got %s, want an address that an export at this address has in listen.clients", from)}
}

// judgeOpaque is judge for a connection that tells no user before it is taken.
func (t *seating) judgeOpaque(from netip.Addr) (*branch, *refusal) {
	if t.asks(from) && t.opaque != nil {
		return t.opaque.open()
	}
	return t.judge(from, "")
}

// open gives the way to the proxy while it listens.
func (s *seat) open() (*branch, *refusal) {
	if s.to == nil {
		return nil, &refusal{status: http.StatusServiceUnavailable, why: "the export that this device belongs to is not started", usual: true}
	}
	return s.to, nil
}

// userOf is the user that credentials of the scheme Basic name, empty for none.
func userOf(credentials string) string {
	if credentials == "" {
		return ""
	}
	user, _, _ := (&http.Request{Header: http.Header{"Authorization": {credentials}}}).BasicAuth()
	return user
}

// hideCredentials replaces what a device tells the proxy of its user. The scheme
// stays, so that captures tell that there was something.
func hideCredentials(h exchange.Header) {
	for i := range h {
		if !exchange.EqualName(h[i].Name, "Proxy-Authorization") {
			continue
		}
		scheme, _, ok := strings.Cut(h[i].Value, " ")
		if h[i].Value = hidden; ok {
			h[i].Value = scheme + " " + hidden
		}
	}
}
