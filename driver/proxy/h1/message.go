package h1

import (
	"strings"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
)

// Request is the head of a request.
type Request struct {
	// Method is as it was sent, a token.
	Method string
	// Target is as it was sent; ParseTarget takes it apart.
	Target string
	// Proto is "HTTP/1.0" or "HTTP/1.1".
	Proto string
	// Header has all lines.
	Header exchange.Header
	// Body tells how long the body is.
	Body Framing
}

// Response is the head of a response.
type Response struct {
	// Proto is "HTTP/1.0" or "HTTP/1.1".
	Proto string
	// Status is 100 to 999.
	Status int
	// Reason is the reason phrase, which may be empty.
	Reason string
	// Header has all lines.
	Header exchange.Header
	// Body tells how long the body is.
	Body Framing
}

// Interim reports whether another response follows (RFC 9110 section 15.2). 101
// is the last one.
func (r *Response) Interim() bool { return r.Status < 200 && r.Status != 101 }

// Persists reports whether the connection serves another message after this one
// (RFC 9112 section 9.3), by its version, its Connection lines and the end of its
// body.
func Persists(proto string, h exchange.Header, body Framing) bool {
	switch {
	case body.Kind == UntilClose, body.Closes, h.HasToken("Connection", "close"):
		return false
	case proto == "HTTP/1.0":
		return h.HasToken("Connection", "keep-alive")
	}
	return true
}

// Form is one of the forms of a request target (RFC 9112 section 3.2).
type Form uint8

// The forms of a target.
const (
	OriginForm    Form = iota // /path?query
	AbsoluteForm              // http://host/path?query
	AuthorityForm             // host:port, of a CONNECT
	AsteriskForm              // *, of an OPTIONS
)

// Target is a request target that is taken apart. Nothing in it is decoded.
type Target struct {
	Form Form
	// Scheme and Authority are those of the absolute form, the scheme in lower
	// case, the authority without user information: nobody behind us needs it, and
	// it hides which host is meant (RFC 9110 section 4.2.4). Authority is that of
	// the authority form too.
	Scheme, Authority string
	// Path is path and query of the origin and the absolute form, "*" of the
	// asterisk form: as a server gets it that is not a proxy.
	Path string
}

// ParseTarget takes a target apart. Schemes are http and https. The error is an
// *Error.
func ParseTarget(method, target string) (Target, error) {
	switch {
	case target == "":
		return Target{}, bad("target: got nothing, want /path or http://host/path")
	case method == "CONNECT":
		i := strings.LastIndexByte(target, ':')
		if !isAuthority(target) || i <= 0 || !isDigits(target[i+1:]) {
			return Target{}, bad("target: got " + excerpt.QuoteASCII(exchange.HideUser(target)) + ", want host:port")
		}
		return Target{Form: AuthorityForm, Authority: target}, nil
	case target == "*":
		if method != "OPTIONS" {
			return Target{}, bad(`target: got "*", which is for OPTIONS`)
		}
		return Target{Form: AsteriskForm, Path: target}, nil
	case target[0] == '/':
		return Target{Path: target}, nil
	}
	scheme, rest, ok := strings.Cut(target, ":")
	if !ok || !isScheme(scheme) {
		return Target{}, bad("target: got " + excerpt.QuoteASCII(exchange.HideUser(target)) + ", want /path or http://host/path")
	}
	t := Target{Form: AbsoluteForm, Scheme: strings.ToLower(scheme)}
	if t.Path, ok = strings.CutPrefix(rest, "//"); ok {
		end := strings.IndexAny(t.Path, "/?#")
		if end < 0 {
			end = len(t.Path)
		}
		t.Authority, t.Path = t.Path[:end], t.Path[end:]
		t.Authority = t.Authority[strings.LastIndexByte(t.Authority, '@')+1:]
	}
	switch {
	case t.Scheme != "http" && t.Scheme != "https":
		return Target{}, bad("target: scheme: got " + excerpt.QuoteASCII(t.Scheme) + ", want http or https")
	case t.Authority == "" || t.Authority[0] == ':':
		return Target{}, bad("target: host: got none, want http://host/path")
	case !isAuthority(t.Authority):
		return Target{}, bad("target: got " + excerpt.QuoteASCII(exchange.HideUser(target)) + ", want host or host:port behind ://")
	}
	if !strings.HasPrefix(t.Path, "/") {
		t.Path = "/" + t.Path
		if method == "OPTIONS" && t.Path == "/" {
			t.Path = "*" // RFC 9112 section 3.2.4
		}
	}
	return t, nil
}

func isDigits(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

// isScheme reports whether s is a scheme (RFC 3986 section 3.1).
func isScheme(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if letter := 'a' <= c && c <= 'z'; !letter && (i == 0 || strings.IndexByte("0123456789+-.", s[i]) < 0) {
			return false
		}
	}
	return s != ""
}
