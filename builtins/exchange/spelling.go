package exchange

import "net/http"

// Spelling copies a header whose names are as somebody wrote them into one with
// canonical names, and gives the spellings that differ, as Response.Names wants
// them (nil for none).
func Spelling(h http.Header) (canonical http.Header, names map[string]string) {
	canonical = make(http.Header, len(h)+4)
	for name, values := range h {
		c := http.CanonicalHeaderKey(name)
		canonical[c] = append(canonical[c], values...)
		if c != name {
			if names == nil {
				names = map[string]string{}
			}
			names[c] = name
		}
	}
	return canonical, names
}
