package mock

import (
	"strings"

	"starproxy/builtins/exchange"
)

// canonicalPath returns a path in the one spelling in which patterns and
// requests are compared. Characters that clients escape (all that are not
// ASCII, blanks, and "<>[\]^`{|}) are escaped, and so is a % that begins no
// escape; letters, digits and -._~ are not (RFC 3986 section 6.2.2). Escapes of
// all other characters stay what they are, for "/a%2Fb" is not "/a/b".
func canonicalPath(path string) string {
	for i := 0; i < len(path); i++ {
		if !literalByte(path[i]) {
			return respelt(path, i)
		}
	}
	return path
}

// requestPath returns the path of a request as patterns are compared with it.
func requestPath(r *exchange.Request) string { return canonicalPath(r.Path()) }

// literalLow and literalHigh are the bytes of a path, below 64 and from there on,
// that are never escaped, or stay as the client sent them.
const (
	literalLow  uint64 = (1<<64 - 1<<('!')) &^ (1<<'"' | 1<<'%' | 1<<'<' | 1<<'>')
	literalHigh uint64 = (1<<63 - 1) &^ (1<<('['-64) | 1<<('\\'-64) | 1<<(']'-64) | 1<<('^'-64) | 1<<('`'-64) | 1<<('{'-64) | 1<<('|'-64) | 1<<('}'-64))
)

// literalByte reports whether c is one of them.
func literalByte(c byte) bool {
	if c < 64 {
		return literalLow>>c&1 != 0
	}
	return c < 128 && literalHigh>>(c-64)&1 != 0
}

// respelt is canonicalPath from the first byte on that is not literal.
func respelt(path string, from int) string {
	const digits = "0123456789ABCDEF"
	b := append(make([]byte, 0, len(path)+16), path[:from]...)
	for i := from; i < len(path); i++ {
		c, plain := path[i], false
		switch {
		case c == '%' && i+2 < len(path) && exchange.HexDigit(path[i+1]) >= 0 && exchange.HexDigit(path[i+2]) >= 0:
			c = byte(exchange.HexDigit(path[i+1])<<4 | exchange.HexDigit(path[i+2]))
			i += 2
			plain = unreserved(c)
		default:
			plain = literalByte(c)
		}
		if plain {
			b = append(b, c)
		} else {
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return string(b)
}

// unreserved reports whether a character means the same with an escape as without.
func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

// canonicalLead is canonicalPath for the text before the rest of a path: an escape
// that only begins in it stays open.
func canonicalLead(text string) string {
	for n := 1; n <= 2 && n <= len(text); n++ {
		if text[len(text)-n] == '%' {
			open := text[len(text)-n:]
			if n == 2 && exchange.HexDigit(open[1]) < 0 {
				break
			}
			return canonicalPath(text[:len(text)-n]) + strings.ToUpper(open)
		}
	}
	return canonicalPath(text)
}
