package proxy

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
)

// connectTarget returns the host:port that the target of a CONNECT asks for (RFC
// 9110 section 9.3.6), in the spelling of [exchange.HostName].
func connectTarget(target string) (string, error) {
	switch {
	case target == "":
		return "", errors.New("CONNECT: target: got none, want host:port")
	case strings.IndexByte(target, '@') >= 0: // not shown: it may have a password
		return "", errors.New("CONNECT: target: got user information, want host:port")
	case strings.Contains(target, "://"), strings.IndexByte(target, '/') >= 0:
		return "", fmt.Errorf("CONNECT: target: got %s, want host:port", excerpt.Quote(target))
	}
	host, port, err := exchange.ParseAuthority(target, 0)
	if err != nil {
		return "", fmt.Errorf("CONNECT: %w", err)
	}
	return exchange.JoinAuthority(host, port), nil
}

// asciiAuthority returns a right authority as a Host header can have it: a name
// that is not in ASCII is spelt as [exchange.HostName] does; all others stay.
func asciiAuthority(authority string) string {
	if strings.IndexFunc(authority, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
		return authority
	}
	host, port, err := exchange.ParseAuthority(authority, -1)
	switch {
	case err != nil:
		return authority
	case port < 0: // none is written
		return host
	}
	return exchange.JoinAuthority(host, port)
}
