package mask

import (
	"bytes"
	"encoding/base64"
	"html"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"starproxy/builtins/exchange"
)

// maxName bounds the length of a field's name, in bytes.
const maxName = 80

// maxPartHeader bounds how far behind its name the value of a form's part begins, in
// bytes.
const maxPartHeader = 1 << 10

// span is a secret in a text: b[from:to] is replaced.
type span struct {
	from, to int
	// value is the secret without the escapes of its place.
	value string
	// like is another spelling of the same secret, empty for none.
	like string
	// bare says that the place is a JSON value without quotes, such as a number.
	bare bool
}

// shapes match secrets that are known by their form. The secret is the first group, or
// the whole match where there is none.
var shapes = []struct {
	hint string // the match has this text
	re   *regexp.Regexp
}{
	{"eyJ", regexp.MustCompile(`eyJ[\w-]{6,}\.[\w-]{4,}\.[\w-]*(?:\.[\w-]+\.[\w-]+)?`)},
	{"earer", regexp.MustCompile(`(?i)\bbearer(?:[\s,+]|%20)+([\w.~+/=-]{6,})`)},
	{"bearer.authorization.", regexp.MustCompile(`\bbearer\.authorization\.k8s\.io\.([\w-]{6,})`)},
	{"asic", regexp.MustCompile(`(?i)\bbasic(?:\s|%20|\+)+([A-Za-z0-9+/_-]{6,}=*)`)},
	{"AKIA", regexp.MustCompile(`\bAKIA[0-9A-Z]{16}\b`)},
	{"ASIA", regexp.MustCompile(`\bASIA[0-9A-Z]{16}\b`)},
	{"AIza", regexp.MustCompile(`\bAIza[\w-]{35}`)},
	{"gh", regexp.MustCompile(`\bgh[pousr]_[A-Za-z0-9]{30,}`)},
	{"github_pat_", regexp.MustCompile(`\bgithub_pat_\w{30,}`)},
	{"glpat-", regexp.MustCompile(`\bglpat-[\w-]{16,}`)},
	{"xox", regexp.MustCompile(`\bxox[abeoprs]-[\w-]{10,}`)},
	{"k_live_", regexp.MustCompile(`\b[rs]k_live_\w{10,}`)},
	{"PRIVATE KEY", regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[^-]|-[^-])*(?:-----END [A-Z ]*PRIVATE KEY-----)?`)},
}

// context says how a text is read.
type context uint8

const (
	inText context = iota
	inURL          // it is a URL, which has more names
	inCode         // it is a program: only literals in quotes are values
	inPart         // the text may end within a secret
)

// seek calls found for each secret that the text shows by a name or by its shape.
func (m *Masker) seek(b []byte, as context, found func(span)) {
	for _, s := range shapes {
		if !bytes.Contains(b, []byte(s.hint)) {
			continue
		}
		for _, at := range s.re.FindAllSubmatchIndex(b, -1) {
			last := len(at) - 2
			found(span{from: at[last], to: at[last+1], value: string(b[at[last]:at[last+1]])})
		}
	}
	if bytes.IndexByte(b, '@') >= 0 {
		seekUser(b, found)
	}
	covered := 0 // nothing is looked for inside of a secret, so the time stays linear
	named := func(s span) {
		covered = max(covered, s.to)
		found(s)
	}
	for i := 0; i < len(b); i = max(i+1, covered) {
		switch b[i] {
		case '=', ':', '>':
			m.seekAt(b, i, i+1, as, named)
		case '%':
			if i+3 <= len(b) && b[i+1] == '3' && (b[i+2] == 'D' || b[i+2] == 'd') {
				m.seekAt(b, i, i+3, as, named)
			}
		}
	}
	m.seekJSON(b, found)
	seekMQTT(b, found)
}

// seekAt looks at the name before a separator, which is b[at:next], and at the value
// behind it.
func (m *Masker) seekAt(b []byte, at, next int, as context, found func(span)) {
	name, begin, quoted := nameBefore(b, at)
	if b[at] == '=' && (name == "name" || name == "key" || name == "id") {
		m.seekPart(b, next, found)
	}
	if !m.secretName(name, true) {
		return
	}
	v := valueAfter(b, next, b[at])
	// A parameter of a query, or a field of a form.
	parameter := !quoted && v.mark == "" && (as == inURL || b[at] == '=' || b[at] == '%')
	if !m.secretName(name, parameter) || as == inCode && v.mark == "" {
		return
	}
	if b[at] == ':' && !quoted && v.mark == "" && startsLine(b, begin) {
		seekLine(b, line{name: name, from: v.from, indent: begin}, found)
		return
	}
	if b[at] == ':' && !quoted && v.mark == "" && startsPair(b, begin) {
		v.to = max(v.to, v.from+len(bytes.TrimRight(b[v.from:v.from+pairLength(b[v.from:])], " \t")))
	}
	if b[at] == '=' && v.mark == "" && (at > 0 && b[at-1] == ' ') && !configured(b, begin, v) {
		return
	}
	if v.from >= v.to {
		return
	}
	raw := string(b[v.from:v.to])
	if spans := lineSpans(plainName(name), raw); spans != nil && v.mark != "" && !strings.Contains(raw, `\`) {
		report(spans, v.from, found)
		return
	}
	plain := plainValue(raw, b[at], v.mark)
	found(span{from: v.from, to: v.to, value: plain, bare: quoted && v.mark == "" && b[at] == ':'})
	if plain != raw && b[at] == '=' && v.mark == "" { // it may have no escapes
		found(span{from: v.from, to: v.to, value: raw, like: plain})
	}
	if i := strings.IndexAny(raw, ",;)}]'"); i > 0 && b[at] == '=' && v.mark == "" { // the value may end here, too
		found(span{from: v.from, to: v.from + i, value: plainValue(raw[:i], b[at], "")})
	}
}

// startsPair reports whether a name that begins at a place is in a map of YAML in braces.
func startsPair(b []byte, at int) bool {
	before := bytes.TrimRight(b[max(0, at-maxName):at], " \t\r\n")
	return len(before) > 0 && (before[len(before)-1] == '{' || before[len(before)-1] == ',')
}

// pairLength returns the length of a value in such a map, which may have blanks.
func pairLength(b []byte) int {
	if n := bytes.IndexAny(b[:min(len(b), maxPartHeader)], ",{}[]\"\r\n"); n >= 0 {
		return n
	}
	return 0
}

// startsLine reports whether a line has nothing before b[at], except for the mark of a
// list.
func startsLine(b []byte, at int) bool {
	low := max(0, at-maxName)
	before := b[low:at]
	if i := bytes.LastIndexByte(before, '\n'); i >= 0 {
		before = before[i+1:]
	} else if low > 0 {
		return false
	}
	before = bytes.TrimLeft(before, " \t")
	return len(bytes.TrimLeft(bytes.TrimPrefix(before, []byte("-")), " \t")) == 0
}

// configured reports whether "name = value" is a line of a configuration, and no
// statement of a program.
func configured(b []byte, begin int, v value) bool {
	return startsLine(b, begin) && !bytes.ContainsAny(b[v.from:v.to], "([") &&
		(v.to == len(b) || b[v.to] == '\n' || b[v.to] == '\r')
}

// nameBefore returns the name that ends before a separator, where it begins, and whether
// it is in quotes.
func nameBefore(b []byte, at int) (name string, begin int, quoted bool) {
	to := at
	if b[at] == '>' { // <token a="b">
		low := max(0, at-maxName)
		open := bytes.LastIndexByte(b[low:at], '<')
		if open < 0 {
			return "", at, false
		}
		tag := string(b[low+open+1 : at])
		tag, _, _ = strings.Cut(tag, " ")
		return tag[strings.LastIndexByte(tag, ':')+1:], low + open, true
	}
	if b[at] != '%' {
		for to > 0 && at-to < maxName && (b[to-1] == ' ' || b[to-1] == '\t') {
			to--
		}
	}
	if to > 0 && (b[to-1] == '"' || b[to-1] == '\'') {
		to, quoted = to-1, true
		for to > 0 && b[to-1] == '\\' {
			to--
		}
	}
	from := to
	for from > 0 && to-from <= maxName && isNameByte(b[from-1]) {
		from--
	}
	return string(b[from:to]), from, quoted
}

func isNameByte(c byte) bool {
	switch c {
	case '_', '-', '.', '[', ']':
		return true
	}
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= 0x80
}

// value has the bounds of a value, without its quotes. mark is the quote that it stands
// in, with the backslashes before it.
type value struct {
	from, to int
	mark     string
}

// cdata begins a text of XML that has no escapes.
const cdata = "<![CDATA["

// valueAfter returns the value behind a separator.
func valueAfter(b []byte, at int, separator byte) value {
	if separator == '>' {
		end := "<"
		if bytes.HasPrefix(b[at:], []byte(cdata)) {
			at, end = at+len(cdata), "]]>"
		}
		if i := bytes.Index(b[at:], []byte(end)); i >= 0 {
			return value{at, at + i, ""}
		}
		return value{at, len(b), ""}
	}
	for separator != '%' && at < len(b) && (b[at] == ' ' || b[at] == '\t') {
		at++
	}
	quote := at
	for quote < len(b) && b[quote] == '\\' {
		quote++
	}
	if quote < len(b) && (b[quote] == '"' || b[quote] == '\'') {
		mark := string(b[at : quote+1])
		return value{quote + 1, closing(b, quote+1, mark), mark}
	}
	to := at
	for to < len(b) && !endsValue(b, to, separator) {
		to++
	}
	if separator != ':' {
		to = at + len(trimmed(b[at:to]))
	}
	return value{at, to, ""}
}

// trimmed cuts off the punctuation behind a value in a text. A bracket stays when the
// value has its counterpart.
func trimmed(v []byte) []byte {
	for len(v) > 0 {
		switch last := v[len(v)-1]; {
		case last == ',', last == ';', last == '\'':
		case last == ')' && bytes.IndexByte(v, '(') < 0:
		case last == '}' && bytes.IndexByte(v, '{') < 0, last == ']' && bytes.IndexByte(v, '[') < 0:
		default:
			return v
		}
		v = v[:len(v)-1]
	}
	return v
}

// closing returns where the mark stands that closes a quoted value: a quote behind as
// many backslashes as the opening one.
func closing(b []byte, at int, mark string) int {
	slashes := 0
	for i := at; i < len(b); i++ {
		switch b[i] {
		case '\\':
			slashes++
			continue
		case mark[len(mark)-1]:
			if slashes == len(mark)-1 || slashes < len(mark)-1 {
				return i - slashes
			}
		}
		slashes = 0
	}
	return len(b)
}

// endsValue reports whether a value without quotes ends before b[i]. Values of queries and
// forms have more characters than others.
func endsValue(b []byte, i int, separator byte) bool {
	switch c := b[i]; c {
	case '&', '"', '<', '>', '\\', '#':
		return true
	case '\'', ';', ',', ')', '}', ']', '{', '[':
		return separator == ':'
	case '%': // of a URL in a URL
		return separator == '%' && i+3 <= len(b) && (string(b[i:i+3]) == "%26" || string(b[i:i+3]) == "%23")
	default:
		return c <= ' ' || c == 0x7f
	}
}

// plainValue undoes the escapes of a value's place.
func plainValue(raw string, separator byte, mark string) string {
	switch {
	case separator == '>':
		return html.UnescapeString(raw)
	case mark != "" && strings.Contains(raw, `\`):
		text := raw
		for range max(1, len(mark)-1) {
			if out, err := jsontext.AppendUnquote(nil, `"`+text+`"`); err == nil {
				text = string(out)
			}
		}
		return text
	case mark == "" && separator != ':':
		return exchange.Unescape(raw)
	}
	return raw
}

// seekPart finds the value of a part that has its name in an attribute: of a form,
// name="password", an empty line, the value; or of an element of XML, with an attribute
// value or a text.
func (m *Masker) seekPart(b []byte, at int, found func(span)) {
	name := valueAfter(b, at, '=')
	if name.mark == "" || !m.secretName(string(b[name.from:name.to]), true) {
		return
	}
	near := b[name.to:min(len(b), name.to+maxPartHeader)]
	if head := bytes.Index(near, []byte("\r\n\r\n")); head >= 0 && bytes.IndexByte(near[:head], '>') < 0 {
		begin := name.to + head + 4
		end := bytes.Index(b[begin:], []byte("\r\n--"))
		if end < 0 {
			end = len(b) - begin
		}
		found(span{from: begin, to: begin + end, value: string(b[begin : begin+end])})
		return
	}
	tag := bytes.IndexByte(near, '>')
	if tag < 0 || bytes.IndexByte(near[:tag], '<') >= 0 {
		return
	}
	if i := bytes.Index(near[:tag], []byte(" value=")); i >= 0 {
		if v := valueAfter(b, name.to+i+len(" value="), '='); v.mark != "" && v.from < v.to {
			found(span{from: v.from, to: v.to, value: html.UnescapeString(string(b[v.from:v.to]))})
		}
		return
	}
	if near[tag-1] == '/' {
		return
	}
	if v := valueAfter(b, name.to+tag+1, '>'); v.from < v.to {
		found(span{from: v.from, to: v.to, value: html.UnescapeString(string(b[v.from:v.to]))})
	}
}

// passwordOf returns the password of Basic credentials (RFC 7617), which are in base64, or
// of the user information of a URL.
func passwordOf(credentials string) (password string, ok bool) {
	if plain, err := base64.StdEncoding.DecodeString(credentials); err == nil && utf8.Valid(plain) {
		_, password, ok = strings.Cut(string(plain), ":")
		return password, ok
	}
	return "", false
}

// seekUser finds the user information of URLs, and the password in it.
func seekUser(b []byte, found func(span)) {
	for _, at := range userInfo.FindAllSubmatchIndex(b, -1) {
		from, to := at[2], at[3]
		text := string(b[from:to])
		found(span{from: from, to: to, value: text})
		if i := strings.IndexByte(text, ':'); i >= 0 && i+1 < len(text) {
			found(span{from: from + i + 1, to: to, value: exchange.Unescape(strings.ReplaceAll(text[i+1:], "+", "%2B"))})
		}
	}
}

// userInfo matches the user information of a URL (RFC 3986 section 3.2.1).
var userInfo = regexp.MustCompile(`://([^\s/?#@"'<>\\]+)@`)
