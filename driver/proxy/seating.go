package proxy

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"starproxy/builtins/excerpt"
)

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

// response returns the refusal as a whole answer, the last one of its
// connection.
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
	// opaque gets the connections whose first bytes have no user: TLS to the proxy
	// port, and HTTP/2.
	opaque *seat
	idle   time.Duration // the longest of the proxies'
}

func newSeating() *seating {
	return &seating{exact: map[netip.Addr]*seat{}, ranges: map[netip.Prefix]*seat{}, users: map[string]*seat{}}
}

// add adds a proxy.
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

// byAddr returns the proxy of a device's address, nil for none.
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
		return nil, &refusal{status: http.StatusProxyAuthRequired, why: fmt.Sprintf("proxy user: got %s, want one that an export "+
			"at this address has in listen.users", excerpt.Quote(user))}
	case len(t.users) > 0:
		return nil, &refusal{status: http.StatusProxyAuthRequired, why: "proxy user: got none, want one that an export at this " +
			"address has in listen.users, with the scheme Basic", usual: credentials == ""}
	}
	return nil, &refusal{status: http.StatusForbidden, why: fmt.Sprintf("client: got %s, want an address that an export at this "+
		"address has in listen.clients", from)}
}

// judgeOpaque is judge for a connection whose first bytes have no user.
func (t *seating) judgeOpaque(from netip.Addr) (*branch, *refusal) {
	if t.asks(from) && t.opaque != nil {
		return t.opaque.open()
	}
	return t.judge(from, "")
}

// open returns the way to the proxy, or a refusal when it does not listen.
func (s *seat) open() (*branch, *refusal) {
	if s.to == nil {
		return nil, &refusal{status: http.StatusServiceUnavailable, why: "the export that this device belongs to is not started",
			usual: true}
	}
	return s.to, nil
}
