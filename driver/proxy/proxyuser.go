package proxy

import (
	"net/http"
	"strings"

	"starproxy/builtins/exchange"
)

// challenge is the header that asks for a proxy user (RFC 7617 section 2).
const challenge = `Basic realm="starproxy", charset="UTF-8"`

// userOf is the user that credentials of the scheme Basic name, empty for none.
func userOf(credentials string) string {
	if credentials == "" {
		return ""
	}
	user, _, _ := (&http.Request{Header: http.Header{"Authorization": {credentials}}}).BasicAuth()
	return user
}

// hideCredentials replaces what a device tells the proxy of its user. The scheme
// stays, so that captures tell that there was something.
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
