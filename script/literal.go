package script

import (
	"bytes"
	"math/big"
	"strings"
)

// widened is a source whose binary and octal literals beyond 64 bits are written
// in hexadecimal, the only such base that the scanner reads at any size. Every
// other place of the text stays where it is.
func widened(src []byte) []byte {
	if !hasRadix(src) {
		return src
	}
	out := bytes.Clone(src)
	text := string(src)
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == '#':
			n := strings.IndexByte(text[i:], '\n')
			if n < 0 {
				return out
			}
			i += n
		case c == '"' || c == '\'':
			end := quoted(text, i)
			if end < 0 {
				return out // the parser will say so
			}
			i = end + 1
		case wordByte(c):
			end := i
			for end < len(text) && wordByte(text[end]) {
				end++
			}
			if n, ok := new(big.Int).SetString(text[i:end], 0); ok && !n.IsInt64() && strings.IndexByte("bBoO", text[i+1]) >= 0 {
				copy(out[i:end], strings.Repeat(" ", end-i))
				copy(out[i:end], "0x"+n.Text(16))
			}
			i = end
		default:
			i++
		}
	}
	return out
}

// hasRadix reports whether a source may have a binary or octal literal.
func hasRadix(src []byte) bool {
	for i := 0; i+1 < len(src); i++ {
		if src[i] == '0' && strings.IndexByte("bBoO", src[i+1]) >= 0 {
			return true
		}
	}
	return false
}

func wordByte(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || c >= 0x80
}
