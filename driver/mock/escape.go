package mock

import (
	"strings"

	"starproxy/builtins/exchange"
)

// canonicalPath returns a path in the spelling in which patterns and requests are
// compared. It escapes characters that clients escape: all that are not ASCII,
// blanks, "<>[\]^`{|}, and a % that begins no escape. It undoes the escapes of
// letters, digits and -._~ (RFC 3986 section 6.2.2). Other escapes stay, because
// "/a%2Fb" is not "/a/b".
func canonicalPath(path string) string {
	for i := 0; i < len(path); i++ {
		if !literalByte(path[i]) {
			return respelt(path, i)
		}
	}
	return path
}

// requestPath returns the path of a request in the spelling in which it is compared.
func requestPath(r *exchange.Request) string { return canonicalPath(r.Path()) }

// literalLow and literalHigh are bit sets of the bytes that canonicalPath does not
// change. literalLow has the bytes below 64, literalHigh those from 64 on.
const (
	literalLow  uint64 = (1<<64 - 1<<('!')) &^ (1<<'"' | 1<<'%' | 1<<'<' | 1<<'>')
	literalHigh uint64 = (1<<63 - 1) &^ (1<<('['-64) | 1<<('\\'-64) | 1<<(']'-64) | 1<<('^'-64) | 1<<('`'-64) | 1<<('{'-64) | 1<<('|'-64) | 1<<('}'-64))
)

// literalByte reports whether c is in these sets.
func literalByte(c byte) bool {
	if c < 64 {
		return literalLow>>c&1 != 0
	}
	return c < 128 && literalHigh>>(c-64)&1 != 0
}

// respelt implements canonicalPath. from is the offset of the first byte that is not
// literal.
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

// unreserved reports whether a character has the same meaning escaped and unescaped.
func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

// canonicalLead is canonicalPath for the literal text at the start of a path. An
// escape that is incomplete at its end stays as it is.
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
