package way

import (
	"fmt"
	"regexp"
)

// LeftAlone decides whose connections pass untouched. Nil leaves none alone.
type LeftAlone struct{ ignored, intercepted []*regexp.Regexp }

// NewLeftAlone takes regular expressions on host:port, as mitmproxy's options
// ignore_hosts and allow_hosts do: the case of letters does not count, and a part of
// the text is enough. Of both lists one has to be empty; without any the result is
// nil.
func NewLeftAlone(ignore, allow []string) (*LeftAlone, error) {
	if len(ignore) > 0 && len(allow) > 0 {
		return nil, fmt.Errorf("allow_hosts: got some beside ignore_hosts, want one of both")
	}
	if len(ignore)+len(allow) == 0 {
		return nil, nil
	}
	l := &LeftAlone{}
	for _, p := range []struct {
		key  string
		list []string
		into *[]*regexp.Regexp
	}{{"ignore_hosts", ignore, &l.ignored}, {"allow_hosts", allow, &l.intercepted}} {
		for i, text := range p.list {
			r, err := regexp.Compile("(?i:" + text + ")")
			if err != nil || text == "" {
				return nil, fmt.Errorf("%s[%d]: got %q, want a regular expression on host:port", p.key, i, text)
			}
			*p.into = append(*p.into, r)
		}
	}
	return l, nil
}

// Holds reports whether a connection is left alone. Addresses are its host:port as it
// is known: the one that the device asked for, and the one with the name in its
// handshake or request; empty ones do not count.
func (l *LeftAlone) Holds(addresses ...string) bool {
	if l == nil {
		return false
	}
	list, whole := l.ignored, true
	if len(list) == 0 {
		list, whole = l.intercepted, false
	}
	for _, a := range addresses {
		for _, r := range list {
			if a != "" && r.MatchString(a) {
				return whole
			}
		}
	}
	return !whole
}
