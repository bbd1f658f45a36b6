package mock

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"starproxy/builtins/exchange"
)

// WebSocket is the Method of endpoints that answer only upgrades to WebSocket.
const WebSocket = "WEBSOCKET"

const keyForms = `want "METHOD /path", "* /path", "WEBSOCKET /path" or a URL such as "https://host/path"`

// ParseKey reads the key of an endpoint: the requests that it answers, in one line.
//
//	GET /api/status               this method, this path
//	GET /api/*                    every path that begins with /api/
//	GET /devices/{id}             one segment each, kept as a parameter; {id}.json works too
//	GET /devices/*/log            one segment, not kept
//	* /api/status                 any method
//	WEBSOCKET /live*              upgrades to WebSocket
//	https://host:8443/path        this server only; the scheme's own port when none is written
//	POST https://host/path        the same with a method; wss:// stands for WEBSOCKET
//	GET /search?q=x               a query condition, as match.query says it; ?id=1&id=2 asks for both values
//	GET /my café|é                characters that clients escape; an escaped key is the same
//	GET /login#locked             "#locked" only tells endpoints with one key apart
//
// A URL without a method leaves Method empty (any); the caller sets what the
// document says. The Match still has to be compiled.
func ParseKey(key string) (Match, error) {
	m, err := parseKey(key)
	if err != nil {
		return Match{}, fmt.Errorf("endpoint key %q: %w", key, err)
	}
	return m, nil
}

func parseKey(key string) (Match, error) {
	key, _, _ = strings.Cut(key, "#")
	words := strings.Fields(key)
	for _, w := range words {
		if i := strings.IndexFunc(w, func(c rune) bool { return c < ' ' || c == 0x7f }); i >= 0 {
			return Match{}, fmt.Errorf("got the control character %q, want none", w[i])
		}
	}
	var m Match
	var target string
	switch {
	case len(words) > 0 && strings.Contains(words[0], "://") && !strings.HasPrefix(words[0], "/"):
		target = strings.TrimSpace(key)
	case len(words) == 2 || len(words) > 2 && !slices.ContainsFunc(words[2:], func(w string) bool { return w[0] == '/' }):
		method := strings.ToUpper(words[0])
		if !httpguts.ValidHeaderFieldName(method) {
			return Match{}, fmt.Errorf("method: got %q, %s", words[0], keyForms)
		}
		if method != "*" {
			m.Method = method
		}
		target = strings.TrimSpace(strings.TrimSpace(key)[len(words[0]):]) // a path may have blanks
	default:
		return Match{}, fmt.Errorf("%s", keyForms)
	}
	if scheme, rest, ok := strings.Cut(target, "://"); ok && !strings.HasPrefix(target, "/") {
		var err error
		if target, err = m.parseServer(strings.ToLower(scheme), rest); err != nil {
			return Match{}, err
		}
	}
	path := exchange.PathOf(target)
	if path != "*" && !strings.HasPrefix(path, "/") {
		return Match{}, fmt.Errorf("path: got %q, which does not begin with /; %s", path, keyForms)
	}
	m.Path = path
	for name, values := range exchange.Values(exchange.QueryOf(target)) {
		if len(values) > 1 {
			m.SetQueryAll(name, values)
		} else {
			m.SetQuery(name, values[0])
		}
	}
	if _, err := parsePath(path); err != nil {
		return Match{}, err
	}
	return m, nil
}

// parseServer reads the host and port of a URL, sets them and scheme, and returns
// the rest of the URL. rest is the URL without its scheme.
func (m *Match) parseServer(scheme, rest string) (string, error) {
	switch scheme {
	case "http", "https":
		m.Scheme = scheme
	case "ws", "wss":
		if m.Method != "" && m.Method != WebSocket && m.Method != "GET" {
			return "", fmt.Errorf("method: got %s, which does not go with %s://, want GET or none", m.Method, scheme)
		}
		m.Method = WebSocket
		m.Scheme = "http" + strings.TrimPrefix(scheme, "ws")
	default:
		return "", fmt.Errorf("scheme: got %q, want http, https, ws or wss", scheme)
	}
	authority, target := rest, "/"
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, target = rest[:i], rest[i:]
		if target[0] == '?' {
			target = "/" + target
		}
	}
	var err error
	m.Host, m.Port, err = exchange.ParseAuthority(authority, exchange.DefaultPort(m.Scheme))
	if err != nil {
		return "", err
	}
	return target, nil
}
