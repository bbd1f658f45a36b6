package exchange

import (
	"net/url"
)

// Request is what a device asked for.
type Request struct {
	// Method as sent; upper case for all standard methods.
	Method string
	// Scheme is "http" or "https". WebSocket handshakes carry the scheme of
	// the connection they came on.
	Scheme string
	// Host is the name or address of the server that the device meant: no
	// port, no brackets.
	Host string
	// Port of that server, always set.
	Port int
	// Target is path and query as sent, escapes untouched: "/a%20b?c=d".
	Target string
	// DialAddr is the host:port that Forward connects to when that is not Addr:
	// the target of a CONNECT by address whose requests name a host.
	DialAddr string
	// Proto is "HTTP/1.0", "HTTP/1.1" or "HTTP/2.0".
	Proto string
	// Authority is the server's name as the device wrote it: that of the target
	// in absolute form, else the Host header or :authority. It is what Host says
	// towards the real server.
	Authority string
	// Header has all lines but those of Transfer-Encoding, Host among them. With
	// HTTP/2, their order is not known.
	Header Header
	// Trailer is filled once Body has been read to its end; nil when there is none.
	Trailer Header
	// Body is nil when the request has none.
	Body *Incoming
	// ContentLength is the announced length of Body, -1 when unknown.
	ContentLength int64

	query url.Values
}

// Path returns the target without its query, escapes untouched.
func (r *Request) Path() string { return PathOf(r.Target) }

// RawQuery returns the query of the target, escapes untouched.
func (r *Request) RawQuery() string { return QueryOf(r.Target) }

// Query returns the decoded query as [Pairs] reads it, parsed at the first
// call. The caller must not change it.
func (r *Request) Query() url.Values {
	if r.query == nil {
		r.query = Values(r.RawQuery())
	}
	return r.query
}

// SetTarget changes path and query.
func (r *Request) SetTarget(target string) { r.Target, r.query = target, nil }

// Addr returns "host:port", with brackets around an IPv6 address.
func (r *Request) Addr() string { return JoinAuthority(r.Host, r.Port) }

// URL returns the full URL; the port is left out when it is the scheme's own.
func (r *Request) URL() string {
	return r.Scheme + "://" + URLAuthority(r.Scheme, r.Host, r.Port) + r.Target
}

// IsWebSocket reports whether the request asks for an upgrade to WebSocket
// (RFC 6455 section 4.1).
func (r *Request) IsWebSocket() bool {
	return r.Header.HasToken("Upgrade", "websocket")
}
