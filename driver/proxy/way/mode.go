// Package way has the parts of a proxy's ways in that need no proxy: the notation of
// modes, the handshake of SOCKS5, the users that devices present themselves as, the
// hosts that are left alone, the proxy of a company on the way out, and the resolver.
//
// driver reads modes with it, and proxy listens for them.
package way

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
	"starproxy/builtins/nearest"
)

// Kind is the first word of a mode.
type Kind string

// The kinds of modes.
const (
	Regular     Kind = "regular"     // devices know the proxy
	Transparent Kind = "transparent" // the network leads connections here
	Reverse     Kind = "reverse"     // devices take the proxy for the server
	SOCKS5      Kind = "socks5"      // devices know the proxy as one of SOCKS
	Upstream    Kind = "upstream"    // regular, and servers are asked through another proxy
	DNS         Kind = "dns"         // devices ask the proxy for addresses
)

// form is how a kind of modes is written.
type form struct {
	kind Kind
	text string
	port int // where none is written; 0 for none
}

// kinds are all forms.
var kinds = [...]form{
	{Regular, "regular or regular@PORT", 0},
	{Transparent, "transparent@PORT", 0},
	{Reverse, "reverse:URL@PORT", 0},
	{SOCKS5, "socks5 or socks5@PORT", 1080},
	{Upstream, "upstream:URL", 0},
	{DNS, "dns or dns@PORT", 53},
}

// Mode is a way in, or, with Upstream, the way out. It is written in the notation of
// mitmproxy: MODE[:DATA][@[HOST:]PORT]
// (https://docs.mitmproxy.org/stable/concepts/modes/).
type Mode struct {
	Kind Kind
	// URL is the server of Reverse, or the proxy of Upstream, which may have a user
	// and a password. Its host has a port. Nil for other kinds.
	URL *url.URL
	// Host is the address to listen at; empty stands for that of the proxy.
	Host string
	// Port is the port to listen at, or AnyPort; 0 stands for the proxy's own listener, which
	// Regular and Upstream without a port mean.
	Port int
}

// AnyPort is Mode.Port of a mode that listens at any free port; its notation is @0.
const AnyPort = -1

// Listen returns the address to listen at, at the host of the proxy unless the mode has one.
func (m *Mode) Listen(host string) string {
	return exchange.JoinAuthority(cmp.Or(m.Host, host), max(m.Port, 0))
}

// Own reports whether the mode has a listener of its own.
func (m *Mode) Own() bool { return m.Port != 0 }

// String returns the mode as ParseMode reads it, but for a password, which it hides.
func (m Mode) String() string {
	s := string(m.Kind)
	if m.URL != nil {
		s += ":" + m.URL.Redacted()
	}
	switch {
	case m.Port == 0:
		return s
	case m.Host == "":
		return s + "@" + strconv.Itoa(max(m.Port, 0))
	}
	return s + "@" + m.Listen("")
}

// ParseMode reads a mode. An address behind "@" is where to listen. In an upstream's
// URL the part before a single "@" is a user, unless only digits follow it. An error
// never has the text of a URL with a user in it.
func ParseMode(text string) (Mode, error) {
	word, rest := text, ""
	if i := strings.IndexAny(text, ":@"); i >= 0 {
		word, rest = text[:i], text[i:]
	}
	i := slices.IndexFunc(kinds[:], func(f form) bool { return string(f.kind) == word })
	if i < 0 {
		return Mode{}, unknown(word)
	}
	k := kinds[i]
	m := Mode{Kind: k.kind, Port: k.port}
	data, at := m.cut(rest)
	if at != "" {
		var err error
		if m.Host, m.Port, err = parseListen(at[1:]); err != nil {
			return Mode{}, fmt.Errorf("%s: %w", word, err)
		}
	}
	if err := m.parseURL(data); err != nil {
		return Mode{}, fmt.Errorf("%s: %w", word, err)
	}
	if m.Port == 0 && (m.Kind == Transparent || m.Kind == Reverse) {
		return Mode{}, fmt.Errorf("%s: got no port, want %s", word, k.text)
	}
	return m, nil
}

// unknown returns the error for a word that is no kind.
func unknown(word string) error {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = string(k.kind)
	}
	near := ""
	if n := nearest.Name(word, names); n != "" {
		near = "; did you mean " + n + "?"
	}
	return fmt.Errorf("got %s, want one of %s%s", excerpt.Quote(word), strings.Join(names, ", "), near)
}

// cut parts the text behind the word: the data with its colon, and the address with
// its "@".
func (m *Mode) cut(rest string) (data, at string) {
	i := strings.LastIndexByte(rest, '@')
	if i < 0 {
		return rest, ""
	}
	data, at = rest[:i], rest[i:]
	digits := strings.TrimLeft(at[1:], "0123456789") == ""
	if m.Kind == Upstream && !digits && strings.IndexByte(data, '@') < 0 {
		return rest, ""
	}
	return data, at
}

// parseListen reads [HOST:]PORT.
func parseListen(text string) (host string, port int, err error) {
	digits := text
	if strings.IndexByte(text, ':') >= 0 {
		if host, digits, err = net.SplitHostPort(text); err != nil {
			return "", 0, fmt.Errorf("address: got %s, want [HOST:]PORT behind the @", excerpt.Quote(text))
		}
		if host, err = exchange.HostName(host); err != nil {
			return "", 0, fmt.Errorf("address: %w", err)
		}
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	switch {
	case err != nil:
		return "", 0, fmt.Errorf("port: got %s, want 0 to 65535 behind the @", excerpt.Quote(digits))
	case n == 0:
		return host, AnyPort, nil
	}
	return host, int(n), nil
}

// schemes are those of the URL of a kind that has one.
func (k Kind) schemes() []string {
	switch k {
	case Reverse:
		return []string{"http", "https"}
	case Upstream:
		return []string{"http", "https", "socks5", "socks5h"}
	}
	return nil
}

// parseURL reads the data of a mode, which begins with a colon.
func (m *Mode) parseURL(data string) error {
	schemes := m.Kind.schemes()
	text, some := strings.CutPrefix(data, ":")
	switch {
	case schemes == nil && some:
		return errors.New("got something behind it, want none") // it may have a password
	case schemes == nil:
		return nil
	case text == "":
		return fmt.Errorf("got no URL, want %s:%s://HOST[:PORT]", m.Kind, schemes[0])
	}
	if !strings.Contains(text, "://") {
		text = schemes[0] + "://" + text
		if m.Kind == Reverse { // as mitmproxy takes it
			text = "https" + strings.TrimPrefix(text, schemes[0])
		}
	}
	u, err := url.Parse(text)
	if err != nil { // its text may have a password in it
		return errors.New("URL: got one that can't be read, want SCHEME://HOST[:PORT], with special characters of a password escaped")
	}
	u.Scheme = strings.ToLower(u.Scheme)
	switch {
	case !slices.Contains(schemes, u.Scheme):
		return fmt.Errorf("URL: scheme: got %s, want %s", excerpt.Quote(u.Scheme), strings.Join(schemes, " or "))
	case u.User != nil && m.Kind == Reverse:
		return errors.New("URL: got a user, want SCHEME://HOST[:PORT]")
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return errors.New("URL: got something behind the host, want SCHEME://HOST[:PORT]")
	}
	port := exchange.DefaultPort(u.Scheme)
	if strings.HasPrefix(u.Scheme, "socks") {
		port = 1080
	}
	host, port, err := exchange.ParseAuthority(u.Host, port)
	if err != nil {
		return fmt.Errorf("URL: %w", err)
	}
	m.URL = &url.URL{Scheme: u.Scheme, User: u.User, Host: exchange.JoinAuthority(host, port)}
	return nil
}
