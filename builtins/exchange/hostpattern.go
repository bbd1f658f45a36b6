package exchange

import (
	"fmt"
	"iter"
	"net/netip"
	"strings"

	"starproxy/builtins/excerpt"
)

// HostPattern stands for hosts: one host by its name or address, the hosts below a
// domain ("*.example.com", which example.com itself is not), or every host ("*").
type HostPattern string

// EveryHost is the pattern of all hosts.
const EveryHost HostPattern = "*"

// ParseHostPattern reads a pattern. Names have the spelling of [HostName] in it.
func ParseHostPattern(s string) (HostPattern, error) {
	if s == string(EveryHost) {
		return EveryHost, nil
	}
	domain, below := strings.CutPrefix(s, "*.")
	name, err := HostName(domain)
	if err == nil && below {
		if _, numeric := netip.ParseAddr(name); numeric == nil {
			err = fmt.Errorf("host: got %s, want a domain behind the *", excerpt.Quote(s))
		}
	}
	if err != nil {
		return "", fmt.Errorf("%w; patterns are a host, *.domain or *", err)
	}
	return HostPattern(s[:len(s)-len(domain)] + name), nil
}

// Covers reports whether a host falls under the pattern. The host may have any spelling
// that [HostName] reads.
func (p HostPattern) Covers(host string) bool {
	if name, err := HostName(host); err == nil {
		host = name
	}
	for other := range PatternsOf(host) {
		if other == p {
			return true
		}
	}
	return false
}

// PatternsOf yields the patterns that a host falls under, the closest first: the host
// itself, the domains above it from the longest to the shortest, and *. The host has
// the spelling of [HostName].
func PatternsOf(host string) iter.Seq[HostPattern] {
	return func(yield func(HostPattern) bool) {
		if host != "" && !yield(HostPattern(host)) {
			return
		}
		if _, err := netip.ParseAddr(host); err != nil {
			for i := strings.IndexByte(host, '.'); i >= 0; {
				if !yield(HostPattern("*" + host[i:])) {
					return
				}
				next := strings.IndexByte(host[i+1:], '.')
				if next < 0 {
					break
				}
				i += 1 + next
			}
		}
		yield(EveryHost)
	}
}
