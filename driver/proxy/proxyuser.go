package proxy

import (
	"encoding/base64"
	"strings"

	"starproxy/builtins/exchange"
)

// challenge is the header that asks for a proxy user (RFC 7617 section 2).
const challenge = `Basic realm="starproxy", charset="UTF-8"`

// loginOf returns user:password of credentials of the scheme Basic (RFC 7617), empty
// for none.
func loginOf(credentials string) string {
	scheme, code, _ := strings.Cut(credentials, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return ""
	}
	pair, err := base64.StdEncoding.DecodeString(code)
	if err != nil || !strings.Contains(string(pair), ":") {
		return ""
	}
	return string(pair)
}

// userOf returns the user that credentials of the scheme Basic name, empty for none.
func userOf(credentials string) string {
	user, _, _ := strings.Cut(loginOf(credentials), ":")
	return user
}

// hideCredentials replaces the credentials of the proxy's user in a header. The
// scheme stays, so that captures show that there were some.
func hideCredentials(h exchange.Header) {
	for i := range h {
		if !exchange.EqualName(h[i].Name, "Proxy-Authorization") {
			continue
		}
		scheme, _, ok := strings.Cut(h[i].Value, " ")
		if h[i].Value = hidden; ok {
			h[i].Value = scheme + " " + hidden
		}
	}
}
