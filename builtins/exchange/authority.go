package exchange

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"starproxy/builtins/excerpt"
)

// ParseAuthority takes host:port apart (RFC 3986 section 3.2, without user
// information). The host is spelt as [HostName] says, and an IPv6 address has no
// brackets. Where no port is written it returns the one that it was given; with 0
// a port has to be written.
func ParseAuthority(authority string, port int) (string, int, error) {
	host, digits, err := cutPort(authority)
	if err != nil {
		return "", 0, err
	}
	if host, err = HostName(host); err != nil {
		return "", 0, err
	}
	if digits != "" {
		n, err := strconv.ParseUint(digits, 10, 16) // takes no sign
		if err != nil || n == 0 {
			return "", 0, fmt.Errorf("port: got %s, want 1 to 65535", excerpt.Quote(digits))
		}
		port = int(n)
	}
	if port == 0 {
		return "", 0, errors.New("port: got none, want host:port")
	}
	return host, port, nil
}

// cutPort parts a host from the port behind it, which is empty where none is
// written.
func cutPort(authority string) (host, digits string, err error) {
	if !strings.HasPrefix(authority, "[") {
		host, digits, _ = strings.Cut(authority, ":")
		if strings.IndexByte(digits, ':') >= 0 {
			return "", "", fmt.Errorf("host: got %s, want brackets around an IPv6 address", excerpt.Quote(authority))
		}
		return host, digits, nil
	}
	end := strings.IndexByte(authority, ']')
	if end < 0 {
		return "", "", fmt.Errorf("host: got %s without \"]\", want [address]:port", excerpt.Quote(authority))
	}
	host, digits = authority[1:end], authority[end+1:]
	if digits != "" && digits[0] != ':' {
		return "", "", fmt.Errorf("port: got %s behind \"]\", want :port", excerpt.Quote(digits))
	}
	// A "%" is written "%25" in a URL (RFC 6874 section 2).
	host = strings.Replace(host, "%25", "%", 1)
	if strings.IndexByte(host, ':') < 0 {
		return "", "", fmt.Errorf("host: got %s in brackets, want an IPv6 address", excerpt.Quote(host))
	}
	return host, strings.TrimPrefix(digits, ":"), nil
}

// SplitAuthority takes host:port apart that need not be valid, such as the value of
// a Host header. It returns the same as [ParseAuthority] where that succeeds. Else
// the host is the text before the last colon in lower case, and the port is the
// one that it was given.
func SplitAuthority(authority string, port int) (string, int) {
	if host, p, err := ParseAuthority(authority, port); err == nil {
		return host, p
	}
	host := authority
	if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.IndexByte(host[i:], ']') < 0 {
		host = host[:i]
	}
	return strings.ToLower(strings.Trim(host, "[]")), port
}

// JoinAuthority returns host:port, with brackets around an IPv6 address.
func JoinAuthority(host string, port int) string {
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// URLAuthority returns host and port as a URL of the scheme has them: brackets
// around an IPv6 address, and no port where it is the scheme's own.
func URLAuthority(scheme, host string, port int) string {
	switch {
	case port != DefaultPort(scheme):
		return JoinAuthority(host, port)
	case strings.IndexByte(host, ':') >= 0:
		return "[" + host + "]"
	}
	return host
}

// DefaultPort returns 443 for https, else 80.
func DefaultPort(scheme string) int {
	if scheme == "https" {
		return 443
	}
	return 80
}
