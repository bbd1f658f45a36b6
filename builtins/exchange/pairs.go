package exchange

import (
	"iter"
	"net/url"
	"strings"
)

// PathOf returns the path of a request target, escapes untouched: the text
// before the first '?'.
func PathOf(target string) string {
	path, _, _ := strings.Cut(target, "?")
	return path
}

// QueryOf returns the query of a request target or of a URL: the text between
// the first '?' and the fragment.
func QueryOf(target string) string {
	i := strings.IndexByte(target, '?')
	if i < 0 {
		return ""
	}
	if j := strings.IndexByte(target, '#'); j >= 0 {
		if j < i {
			return ""
		}
		return target[i+1 : j]
	}
	return target[i+1:]
}

// Pairs decodes the pairs of a query, or of a form of the type
// application/x-www-form-urlencoded, in their order. It reads as mitmproxy does:
// only "&" separates, a pair without "=" has an empty value, "+" is a space, and
// escapes that are none ("100%") stay as they are. No pair is left out.
func Pairs(text string) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for p := range strings.SplitSeq(text, "&") {
			if p == "" {
				continue
			}
			name, value, _ := strings.Cut(p, "=")
			if !yield(Unescape(name), Unescape(value)) {
				return
			}
		}
	}
}

// Values returns the values of [Pairs] by their names, in their order.
func Values(text string) url.Values {
	v := url.Values{}
	for name, value := range Pairs(text) {
		v[name] = append(v[name], value)
	}
	return v
}

// Unescape decodes a name or a value of a pair. What is no escape stays as it is.
func Unescape(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			b = append(b, ' ')
		case s[i] == '%' && i+2 < len(s) && HexDigit(s[i+1]) >= 0 && HexDigit(s[i+2]) >= 0:
			b = append(b, byte(HexDigit(s[i+1])<<4|HexDigit(s[i+2])))
			i += 2
		default:
			b = append(b, s[i])
		}
	}
	return string(b)
}

// HexDigit returns the value of a hexadecimal digit, -1 for what is none.
func HexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
