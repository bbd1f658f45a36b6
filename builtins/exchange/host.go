package exchange

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"starproxy/builtins/excerpt"
)

// The longest name of a host and the longest label of one, in bytes (RFC 1035
// section 2.3.4).
const (
	maxHostName = 253
	maxLabel    = 63
)

// toASCII is the mapping of names that browsers use (UTS 46, non-transitional).
// HostName checks the characters and the lengths.
var toASCII = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.Transitional(false), idna.StrictDomainName(false))

// HostName returns the one spelling in which hosts are kept and compared: lower
// case, without a dot at the end, and in ASCII, so that "Bücher.Example." is
// "xn--bcher-kva.example" (RFC 5890 section 2.3.2.1). Underscores are allowed.
// An IPv6 address has no brackets and is shortened (RFC 5952). The error tells
// what keeps the text from being the name of a host.
func HostName(s string) (string, error) {
	if hostBytes(s) {
		return checkName(s)
	}
	if strings.IndexByte(s, ':') >= 0 {
		a, err := netip.ParseAddr(s)
		if err != nil || !hostBytes(strings.ToLower(a.Zone())) {
			return "", fmt.Errorf("host: got %s, want a name or an address", excerpt.Quote(s))
		}
		return a.String(), nil
	}
	if !utf8.ValidString(s) {
		return "", fmt.Errorf("host: got %s, want ASCII or UTF-8", excerpt.Quote(s))
	}
	name := strings.ToLower(s)
	if strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) >= 0 {
		var err error
		if len(s) > 4*maxHostName {
			return "", tooLong(s)
		}
		if name, err = toASCII.ToASCII(s); err != nil {
			return "", fmt.Errorf("host: got %s, want an internationalized domain name: %s", excerpt.Quote(s),
				strings.TrimPrefix(err.Error(), "idna: "))
		}
	}
	if !hostBytes(name) {
		return "", fmt.Errorf("host: got %s, want letters, digits, dots, hyphens and underscores", excerpt.Quote(s))
	}
	return checkName(name)
}

// hostBytes reports whether s has nothing but lower-case letters, digits, dots,
// hyphens and underscores.
func hostBytes(s string) bool {
	for i := range len(s) {
		if c := s[i]; !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '.' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

// checkName takes the dot at the end off and checks the lengths.
func checkName(s string) (string, error) {
	name := strings.TrimSuffix(s, ".")
	switch {
	case name == "":
		return "", fmt.Errorf("host: got %q, want a name or an address", s)
	case len(name) > maxHostName:
		return "", tooLong(name)
	}
	for start := 0; start <= len(name); {
		end := strings.IndexByte(name[start:], '.')
		if end < 0 {
			end = len(name) - start
		}
		if end == 0 || end > maxLabel {
			return "", fmt.Errorf("host: got %s with a label of %d bytes, want 1 to %d between dots", excerpt.Quote(s), end, maxLabel)
		}
		start += end + 1
	}
	return name, nil
}

func tooLong(s string) error {
	return fmt.Errorf("host: got a name of %d bytes, want at most %d", len(s), maxHostName)
}
