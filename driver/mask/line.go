package mask

import (
	"bytes"
	"strings"
)

// line is a line "name: value" of a header or of YAML, whose value begins at from. Its
// name begins at indent.
type line struct {
	name         string
	from, indent int
}

// seekLine finds the secrets of a line, and of the lines that belong to it in YAML.
func seekLine(b []byte, l line, found func(span)) {
	end := l.from + lineLength(b[l.from:])
	text := b[l.from:end]
	for len(text) > 0 && (text[0] == '&' || text[0] == '!') { // an anchor or a tag
		i := bytes.IndexByte(text, ' ')
		if i < 0 {
			return
		}
		text = bytes.TrimLeft(text[i:], " ")
	}
	from := end - len(text)
	if len(text) == 0 || bytes.IndexByte([]byte("*{["), text[0]) >= 0 {
		return
	}
	if q := text[0]; q == '"' || q == '\'' {
		to := closing(b, from+1, string(q))
		found(span{from: from + 1, to: to, value: plainValue(string(b[from+1:to]), ':', string(q))})
		return
	}
	if isBlock(text) {
		seekBlock(b, end, l.indent, found)
		return
	}
	if i := bytes.Index(text, []byte(" #")); i >= 0 {
		text = text[:i]
	}
	if i := bytes.IndexByte(text, '"'); i >= 0 && bytes.IndexByte(text[i+1:], '"') < 0 {
		text = text[:i] // the line is in a text in quotes
	}
	v := strings.TrimRight(string(text), " \t")
	if spans := lineSpans(plainName(l.name), v); spans != nil {
		report(spans, from, found)
		return
	}
	found(span{from: from, to: from + len(v), value: v})
}

// report calls found for spans of a text that begins at from.
func report(spans []span, from int, found func(span)) {
	for _, s := range spans {
		s.from, s.to = s.from+from, s.to+from
		found(s)
	}
}

// lineLength returns the length of the first line, without its end.
func lineLength(b []byte) int {
	n := bytes.IndexByte(b, '\n')
	if n < 0 {
		n = len(b)
	}
	if n > 0 && b[n-1] == '\r' {
		n--
	}
	return n
}

// isBlock reports whether text is the head of a block scalar of YAML, such as "|-".
func isBlock(text []byte) bool {
	return (text[0] == '|' || text[0] == '>') && len(bytes.Trim(text[1:], "+-0123456789 ")) == 0
}

// seekBlock finds the lines of a block scalar, which begins behind at. Each of them is a
// secret of its own.
func seekBlock(b []byte, at, nameAt int, found func(span)) {
	indent := nameAt - (bytes.LastIndexByte(b[:nameAt], '\n') + 1)
	for at < len(b) {
		at++ // over the end of the line
		if at < len(b) && b[at-1] == '\r' {
			at++
		}
		if at >= len(b) {
			return
		}
		n := lineLength(b[at:])
		text := bytes.TrimLeft(b[at:at+n], " ")
		if len(text) > 0 && n-len(text) <= indent {
			return
		}
		if v := bytes.TrimRight(text, " "); len(v) > 0 {
			from := at + n - len(text)
			found(span{from: from, to: from + len(v), value: string(v)})
		}
		at += n
	}
}

// lineSpans returns the secrets of the value of a header line that has cookies or
// credentials (RFC 6265, RFC 9110 section 11.4), nil for any other name.
func lineSpans(plainName, v string) []span {
	switch plainName {
	case "cookie":
		return cookieSpans(v, true)
	case "setcookie":
		return cookieSpans(v, false)
	case "authorization", "proxyauthorization":
		from := strings.IndexByte(v, ' ') + 1 // behind the scheme
		return []span{{from: from, to: len(v), value: v[from:]}}
	}
	return nil
}
