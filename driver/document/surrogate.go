package document

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// JSON writes a character beyond U+FFFF as two escapes, "\ud83d\ude00". People
// paste JSON into YAML. Our parser refuses these escapes in double quotes; Python's
// parser accepts them. In all other text they are no escapes. Only the parser knows
// where double quotes are. So the backslashes of these escapes are replaced by a
// rune that the document does not have, and restored after parsing.

// hideSurrogates replaces the backslash of each escape of a surrogate by a rune,
// and returns the rune. It returns data itself and 0 if there are no such escapes.
func hideSurrogates(data []byte) ([]byte, rune) {
	if !bytes.Contains(data, []byte(`\ud`)) && !bytes.Contains(data, []byte(`\uD`)) {
		return data, 0
	}
	mark := rune(0xe000) // the first rune for private use
	for ; bytes.ContainsRune(data, mark); mark++ {
		if mark == 0xf8ff {
			return data, 0
		}
	}
	var out []byte
	done := 0
	for i := 0; i < len(data); i++ {
		if data[i] != '\\' {
			continue
		}
		if surrogateHex(data[i+1:]) != 0 {
			out = utf8.AppendRune(append(out, data[done:i]...), mark)
			done = i + 1
		} else {
			i++ // the next character is escaped
		}
	}
	if done == 0 {
		return data, 0
	}
	return append(out, data[done:]...), mark
}

// surrogateHex returns the surrogate of the text that follows a backslash, 0 if the
// text is no escape of a surrogate.
func surrogateHex[T []byte | string](s T) rune {
	if len(s) < 5 || s[0] != 'u' {
		return 0
	}
	n, err := strconv.ParseUint(string(s[1:5]), 16, 16)
	if err != nil || !utf16.IsSurrogate(rune(n)) {
		return 0
	}
	return rune(n)
}

// showSurrogates restores the backslashes that hideSurrogates replaced, in a node
// and all nodes in it. In double quotes a pair becomes its character, and a single
// surrogate becomes U+FFFD.
func showSurrogates(n *yaml.Node, mark rune) {
	if n.Kind == yaml.ScalarNode && strings.ContainsRune(n.Value, mark) {
		n.Value = shown(n.Value, string(mark), n.Style&yaml.DoubleQuotedStyle != 0)
	}
	for _, c := range n.Content {
		showSurrogates(c, mark)
	}
}

func shown(text, mark string, escapes bool) string {
	if !escapes {
		return strings.ReplaceAll(text, mark, `\`)
	}
	before, rest, more := strings.Cut(text, mark)
	var b strings.Builder
	for b.WriteString(before); more; {
		high := surrogateHex(rest)
		r := rune(utf8.RuneError)
		rest = rest[5:]
		if low, ok := strings.CutPrefix(rest, mark); ok {
			if pair := utf16.DecodeRune(high, surrogateHex(low)); pair != utf8.RuneError {
				r, rest = pair, low[5:]
			}
		}
		b.WriteRune(r)
		before, rest, more = strings.Cut(rest, mark)
		b.WriteString(before)
	}
	return b.String()
}
