package contract

import (
	"slices"
	"strings"

	"starproxy/builtins/exchange"
)

// met reports whether a request has all of these credentials.
func met(all []scheme, r *Request) bool {
	for _, s := range all {
		if !s.met(r) {
			return false
		}
	}
	return true
}

func (s scheme) met(r *Request) bool {
	kind, credentials, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch s.kind {
	case "apiKey":
		return s.key(r)
	case "http":
		return strings.EqualFold(kind, s.scheme) && credentials != ""
	case "oauth2", "openIdConnect":
		return strings.EqualFold(kind, "bearer") && credentials != ""
	}
	return true // mutualTLS shows in the handshake only
}

func (s scheme) key(r *Request) bool {
	switch s.in {
	case inQuery:
		return slices.ContainsFunc(r.pairs(), func(p [2]string) bool { return p[0] == s.name })
	case inCookie:
		return len(exchange.CookieValues(r.Header)[s.name]) > 0
	}
	return r.Header.Has(s.name)
}

// wanted names credentials for a message.
func wanted(lists [][]scheme) string {
	var options []string
	for _, all := range lists {
		var names []string
		for _, s := range all {
			switch s.kind {
			case "apiKey":
				names = append(names, "the "+s.in+" "+s.name)
			case "http":
				names = append(names, "Authorization: "+s.scheme)
			default:
				names = append(names, s.kind)
			}
		}
		options = append(options, strings.Join(names, " and "))
	}
	return strings.Join(options, ", or ")
}
