package proxy

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"unicode/utf8"

	"starproxy/builtins/exchange"
)

// parseAuthority takes host:port apart (RFC 3986 section 3.2, without user
// information). The host is spelt as [exchange.HostName] says. Where no port is
// given it is the one passed; 0 asks for one.
func parseAuthority(authority string, port int) (string, int, error) {
	host, digits := authority, ""
	if strings.HasPrefix(authority, "[") {
		end := strings.IndexByte(authority, ']')
		if end < 0 {
			return "", 0, fmt.Errorf("host: got %s without \"]\", want [address]:port", exchange.Clip(authority))
		}
		host, digits = authority[1:end], authority[end+1:]
		if digits != "" && digits[0] != ':' {
			return "", 0, fmt.Errorf("port: got %s behind \"]\", want :port", exchange.Clip(digits))
		}
		digits = strings.TrimPrefix(digits, ":")
		// A "%" is written "%25" in a URL (RFC 6874 section 2).
		host = strings.Replace(host, "%25", "%", 1)
		if strings.IndexByte(host, ':') < 0 {
			return "", 0, fmt.Errorf("host: got %s in brackets, want an IPv6 address", exchange.Clip(host))
		}
	} else if i := strings.IndexByte(authority, ':'); i >= 0 {
		host, digits = authority[:i], authority[i+1:]
		if strings.IndexByte(digits, ':') >= 0 {
			return "", 0, fmt.Errorf("host: got %s, want brackets around an IPv6 address", exchange.Clip(authority))
		}
	}
	host, err := exchange.HostName(host)
	if err != nil {
		return "", 0, err
	}
	if digits != "" {
		if port, err = parsePort(digits); err != nil {
			return "", 0, err
		}
	}
	if port == 0 {
		return "", 0, errors.New("port: got none, want host:port")
	}
	return host, port, nil
}

func parsePort(digits string) (int, error) {
	n, err := strconv.ParseUint(digits, 10, 16) // takes no sign
	if err != nil || n == 0 {
		return 0, fmt.Errorf("port: got %s, want 1 to 65535", exchange.Clip(digits))
	}
	return int(n), nil
}

// connectTarget returns the host:port that the target of a CONNECT asks for (RFC
// 9110 section 9.3.6), in the spelling of [exchange.HostName].
func connectTarget(target string) (string, error) {
	switch {
	case target == "":
		return "", errors.New("CONNECT: target: got none, want host:port")
	case strings.IndexByte(target, '@') >= 0: // not shown: it may have a password
		return "", errors.New("CONNECT: target: got user information, want host:port")
	case strings.Contains(target, "://"), strings.IndexByte(target, '/') >= 0:
		return "", fmt.Errorf("CONNECT: target: got %s, want host:port", exchange.Clip(target))
	}
	host, port, err := parseAuthority(target, 0)
	if err != nil {
		return "", fmt.Errorf("CONNECT: %w", err)
	}
	return net.JoinHostPort(host, strconv.Itoa(port)), nil
}

// splitHostPort takes apart what need not be right, such as the Host header
// inside a tunnel: as parseAuthority where that can, else up to the last colon,
// with the port that was passed.
func splitHostPort(authority string, port int) (string, int) {
	if host, p, err := parseAuthority(authority, port); err == nil {
		return host, p
	}
	host := authority
	if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.IndexByte(host[i:], ']') < 0 {
		host = host[:i]
	}
	return strings.ToLower(strings.Trim(host, "[]")), port
}

// asciiAuthority is a right authority as a Host header can have it: a name that
// is not in ASCII is spelt as [exchange.HostName] does; all others stay.
func asciiAuthority(authority string) string {
	if strings.IndexFunc(authority, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
		return authority
	}
	host, port, err := parseAuthority(authority, -1)
	switch {
	case err != nil:
		return authority
	case port < 0: // none is written
		return host
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}
