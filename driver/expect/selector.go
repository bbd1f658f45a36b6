package expect

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/document"
	"starproxy/driver/mock"
	"starproxy/driver/scenario"
)

// selector picks exchanges.
type selector struct {
	key    *mock.Match // nil for any request
	host   exchange.HostPattern
	client netip.Addr
	status []int
	match  *mock.Match // nil without conditions
}

// selector compiles the keys that pick, with the key of a request.
func (e *Expectation) selector(request, key, path string) (s selector, err error) {
	join := func(key string) string { return document.Join(path, key) }
	base, _, _ := strings.Cut(key, "[")
	if request != "" {
		if strings.HasPrefix(request, "/") {
			request = "* " + request
		}
		m, err := mock.ParseKey(request)
		if err == nil {
			err = m.Compile()
		}
		if err != nil {
			return s, document.Errorf(document.Child(e.at, base), "%s: %v", join(key), err)
		}
		s.key = &m
	} else if key != "request" {
		return s, document.Errorf(document.Child(e.at, base), "%s: got no text, want a request", join(key))
	}
	s.host = exchange.EveryHost
	if e.Host != "" {
		if s.host, err = exchange.ParseHostPattern(e.Host); err != nil {
			return s, document.Errorf(document.Child(e.at, "host"), "%s: %v", join("host"), err)
		}
	}
	if e.Client != "" {
		if s.client, err = netip.ParseAddr(e.Client); err != nil {
			return s, document.Wrong(document.Child(e.at, "client"), join("client"), "an IP address")
		}
	}
	s.status = e.Status
	if e.Match.Kind != 0 {
		if s.match, err = scenario.CompileConditions(&e.Match, join("match")); err != nil {
			return s, err
		}
	}
	return s, nil
}

// fits reports whether an exchange is picked.
func (s *selector) fits(e *capture.Entry) bool {
	if !s.plain(e) {
		return false
	}
	if s.key == nil && s.match == nil {
		return true
	}
	if e.Kind != capture.HTTP {
		return false
	}
	r := requestOf(e)
	for _, m := range []*mock.Match{s.key, s.match} {
		if m == nil {
			continue
		}
		if _, ok := m.Matches(r); !ok {
			return false
		}
	}
	return true
}

// plain reports whether host, device and status are those that are picked.
func (s *selector) plain(e *capture.Entry) bool {
	return s.host.Covers(cmp.Or(e.Host, e.SNI)) && (!s.client.IsValid() || s.client == e.Client.Addr().Unmap()) &&
		(len(s.status) == 0 || slices.Contains(s.status, e.Status))
}

// why returns the reasons why an exchange is not picked.
func (s *selector) why(e *capture.Entry) (why []string) {
	if !s.host.Covers(cmp.Or(e.Host, e.SNI)) {
		why = append(why, fmt.Sprintf("host is %s, expected %s", e.Host, s.host))
	}
	if s.client.IsValid() && s.client != e.Client.Addr().Unmap() {
		why = append(why, fmt.Sprintf("device is %s, expected %s", e.Client.Addr(), s.client))
	}
	if len(s.status) > 0 && !slices.Contains(s.status, e.Status) {
		why = append(why, fmt.Sprintf("status is %d, expected %d", e.Status, s.status))
	}
	r := requestOf(e)
	if s.key != nil {
		why = append(why, s.key.Explain(r)...)
	}
	if s.match != nil {
		why = append(why, s.match.Explain(r)...)
	}
	return why
}

// requestOf returns the request of an exchange, with the beginning of its body.
func requestOf(e *capture.Entry) *exchange.Request { return e.Request(maxBody) }
