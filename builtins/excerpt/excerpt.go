// Package excerpt shortens texts for messages.
package excerpt

import (
	"strconv"
	"unicode/utf8"
)

// MaxQuoted is the largest number of characters that [Quote] and [QuoteASCII] show.
const MaxQuoted = 120

// Cut returns s, or its first max characters and "…" if it has more. A byte that is
// not valid UTF-8 counts as one character and is kept as it is.
func Cut(s string, max int) string {
	if begin, longer := first(s, max); longer {
		return begin + "…"
	}
	return s
}

// Quote returns s in double quotes, with escapes as in Go. It shows at most [MaxQuoted]
// characters. "…" behind the quotes tells that s has more.
func Quote(s string) string { return quoted(s, strconv.Quote) }

// QuoteASCII is [Quote] with escapes for all characters beyond ASCII. It is for the words
// of protocols, in which the Kelvin sign, for example, looks like a correct K.
func QuoteASCII(s string) string { return quoted(s, strconv.QuoteToASCII) }

func quoted(s string, quote func(string) string) string {
	begin, longer := first(s, MaxQuoted)
	if longer {
		return quote(begin) + "…"
	}
	return quote(s)
}

// first returns the first max characters of s, and whether s has more.
func first(s string, max int) (begin string, longer bool) {
	if len(s) <= max {
		return s, false
	}
	end := 0
	for range max {
		if end == len(s) {
			break
		}
		_, size := utf8.DecodeRuneInString(s[end:])
		end += size
	}
	return s[:end], end < len(s)
}
