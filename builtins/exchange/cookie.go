package exchange

import (
	"iter"
	"strings"
)

// Cookies returns the names and values of the Cookie lines of a request, in
// their order. It reads as mitmproxy does: any text may be a name or a value, a
// quoted value loses its quotes and backslashes, and a cookie without "=" has
// an empty value.
func Cookies(h Header) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for _, f := range h {
			if !EqualName(f.Name, "Cookie") {
				continue
			}
			for line := f.Value; line != ""; {
				var name, value string
				name, value, _, line = cookiePair(line)
				if (name != "" || value != "") && !yield(name, value) {
					return
				}
			}
		}
	}
}

// CookieValues returns the values of [Cookies] by their names.
func CookieValues(h Header) map[string][]string {
	m := map[string][]string{}
	for name, value := range Cookies(h) {
		m[name] = append(m[name], value)
	}
	return m
}

// SetCookie is a cookie that a server sets, with its attributes as pairs in
// their order. An attribute without a value ("Secure") has an empty one.
type SetCookie struct {
	Name, Value string
	Attributes  [][2]string
}

// Attribute returns the value of an attribute, ignoring case; of several the
// last one counts (RFC 6265 section 5.3).
func (c *SetCookie) Attribute(name string) (value string, ok bool) {
	for _, a := range c.Attributes {
		if strings.EqualFold(strings.TrimSpace(a[0]), name) {
			value, ok = strings.TrimSpace(a[1]), true
		}
	}
	return value, ok
}

// SetCookies returns the cookies of the Set-Cookie lines of an answer, one for
// each line. Names and values are read as those of [Cookies]; a line without
// "=" sets nothing.
func SetCookies(h Header) []SetCookie {
	var list []SetCookie
	for _, line := range h.Values("Set-Cookie") {
		name, value, ok, rest := cookiePair(line)
		if !ok {
			continue
		}
		c := SetCookie{Name: name, Value: value}
		for rest != "" {
			name, value, _, rest = cookiePair(rest)
			if name != "" || value != "" {
				c.Attributes = append(c.Attributes, [2]string{name, value})
			}
		}
		list = append(list, c)
	}
	return list
}

// cookiePair takes the first pair off a list that ";" separates. ok says that
// there was a "=".
func cookiePair(s string) (name, value string, ok bool, rest string) {
	i := strings.IndexAny(s, "=;")
	if i < 0 {
		return strings.TrimLeft(s, " \t"), "", false, ""
	}
	name, rest = strings.TrimLeft(s[:i], " \t"), s[i+1:]
	switch {
	case s[i] == ';':
		return name, "", false, rest
	case strings.HasPrefix(rest, `"`):
		value, rest = quotedValue(rest[1:])
		_, rest, _ = strings.Cut(rest, ";")
	default:
		value, rest, _ = strings.Cut(rest, ";")
	}
	return name, value, true, rest
}

// quotedValue reads up to the closing quote, or to the end without one; a
// backslash stands before a character that is meant as it is.
func quotedValue(s string) (value, rest string) {
	if i := strings.IndexAny(s, `"\`); i >= 0 && s[i] == '"' {
		return s[:i], s[i+1:]
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:]
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}
