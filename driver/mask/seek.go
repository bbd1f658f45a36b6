package mask

import (
	"bytes"
	"encoding/base64"
	"html"
	"regexp"
	"strings"

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
	{"earer", regexp.MustCompile(`(?i)\bbearer(?:\s|%20|\+)+([\w.~+/=-]{6,})`)},
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
	{"@", regexp.MustCompile(`://([^\s/?#@"'<>\\]+)@`)},
}

// seek calls found for each secret that the text shows by a name or by its shape.
func (m *Masker) seek(b []byte, inURL bool, found func(span)) {
	for _, s := range shapes {
		if !bytes.Contains(b, []byte(s.hint)) {
			continue
		}
		for _, at := range s.re.FindAllSubmatchIndex(b, -1) {
			last := len(at) - 2
			found(span{from: at[last], to: at[last+1], value: string(b[at[last]:at[last+1]])})
		}
	}
	covered := 0 // nothing is looked for inside of a secret, so the time stays linear
	named := func(s span) {
		covered = max(covered, s.to)
		found(s)
	}
	for i := 0; i < len(b); i = max(i+1, covered) {
		switch b[i] {
		case '=', ':', '>':
			m.seekAt(b, i, i+1, inURL, named)
		case '%':
			if i+3 <= len(b) && b[i+1] == '3' && (b[i+2] == 'D' || b[i+2] == 'd') {
				m.seekAt(b, i, i+3, true, named)
			}
		}
	}
	m.seekJSON(b, found)
}

// seekAt looks at the name before a separator, which is b[at:next], and at the value
// behind it.
func (m *Masker) seekAt(b []byte, at, next int, inURL bool, found func(span)) {
	name, quoted := nameBefore(b, at)
	if b[at] == '=' && name == "name" {
		m.seekPart(b, next, found)
		return
	}
	if b[at] == '=' {
		inURL = true // the notation of queries and forms
	}
	if !m.secretName(name, inURL && !quoted) {
		return
	}
	from, to, mark := valueAfter(b, next, b[at])
	if b[at] == ':' && mark == "" && !quoted {
		if line := headerLine(b, from); seekLine(name, from, line, found) {
			return
		}
	}
	if from >= to {
		return
	}
	raw := string(b[from:to])
	found(span{from: from, to: to, value: plainValue(raw, b[at], mark), bare: quoted && mark == "" && b[at] == ':'})
}

// nameBefore returns the name that ends before a separator, and whether it is in
// quotes.
func nameBefore(b []byte, at int) (name string, quoted bool) {
	to := at
	if b[at] == '>' { // <token a="b">
		low := max(0, at-maxName)
		open := bytes.LastIndexByte(b[low:at], '<')
		if open < 0 {
			return "", false
		}
		tag := string(b[low+open+1 : at])
		tag, _, _ = strings.Cut(tag, " ")
		return tag[strings.LastIndexByte(tag, ':')+1:], true
	}
	if b[at] == ':' {
		for to > 0 && (b[to-1] == ' ' || b[to-1] == '\t') {
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
	return string(b[from:to]), quoted
}

func isNameByte(c byte) bool {
	switch c {
	case '_', '-', '.', '[', ']':
		return true
	}
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= 0x80
}

// valueAfter returns the bounds of the value behind a separator, without its quotes.
// mark is the quote that it stands in, with the backslashes before it.
func valueAfter(b []byte, at int, separator byte) (from, to int, mark string) {
	if separator == '>' {
		if i := bytes.IndexByte(b[at:], '<'); i >= 0 {
			return at, at + i, ""
		}
		return at, len(b), ""
	}
	for separator == ':' && at < len(b) && (b[at] == ' ' || b[at] == '\t') {
		at++
	}
	quote := at
	for quote < len(b) && b[quote] == '\\' {
		quote++
	}
	if quote < len(b) && (b[quote] == '"' || b[quote] == '\'') {
		mark = string(b[at : quote+1])
		return quote + 1, closing(b, quote+1, mark), mark
	}
	to = at
	for to < len(b) && !endsValue(b, to) {
		to++
	}
	return at, to, ""
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

// endsValue reports whether a value without quotes ends before b[i].
func endsValue(b []byte, i int) bool {
	switch c := b[i]; c {
	case '&', '"', '\'', '<', '>', ';', ',', ')', '}', ']', '{', '[', '\\', '#':
		return true
	case '%':
		return i+3 <= len(b) && (string(b[i:i+3]) == "%26" || string(b[i:i+3]) == "%23")
	default:
		return c <= ' ' || c == 0x7f
	}
}

// headerLine returns the rest of a line "name: value".
func headerLine(b []byte, from int) string {
	end := from
	for end < len(b) && b[end] != '\r' && b[end] != '\n' && b[end] != '"' {
		end++
	}
	return string(b[from:end])
}

// seekLine finds the secrets of a header line in a text, whose value begins at from. It
// reports false for a line that is no cookie and no credentials.
func seekLine(name string, from int, line string, found func(span)) bool {
	spans := lineSpans(plainName(name), line)
	for _, s := range spans {
		s.from, s.to = s.from+from, s.to+from
		found(s)
	}
	return len(spans) > 0
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

// seekPart finds the value of a form's part, behind its name: name="password", an empty
// line, the value.
func (m *Masker) seekPart(b []byte, at int, found func(span)) {
	from, to, _ := valueAfter(b, at, '=')
	if !m.secretName(string(b[from:to]), true) {
		return
	}
	head := bytes.Index(b[to:min(len(b), to+maxPartHeader)], []byte("\r\n\r\n"))
	if head < 0 {
		return
	}
	begin := to + head + 4
	end := bytes.Index(b[begin:], []byte("\r\n--"))
	if end < 0 {
		end = len(b) - begin
	}
	found(span{from: begin, to: begin + end, value: string(b[begin : begin+end])})
}

// seekJSON finds all values below a name that stands for a secret, in a document or a
// sequence of documents.
func (m *Masker) seekJSON(b []byte, found func(span)) {
	if t := bytes.TrimLeft(b, " \t\r\n"); len(t) == 0 || t[0] != '{' && t[0] != '[' {
		return
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(b), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	secret := 0 // the depth of the container that is a secret as a whole; 0 for none
	named := false
	for {
		depth := dec.StackDepth()
		kind, count := dec.StackIndex(depth)
		isName := kind == '{' && count%2 == 0
		v, err := dec.ReadToken()
		if err != nil {
			return
		}
		if d := dec.StackDepth(); secret > d {
			secret = 0
		}
		switch v.Kind() {
		case '{', '[':
			if secret == 0 && named {
				secret = dec.StackDepth()
			}
			named = false
			continue
		case '}', ']', 't', 'f', 'n':
			named = false
			continue
		}
		if isName {
			named = m.secretName(v.String(), false)
			continue
		}
		if secret > 0 || named {
			end := int(dec.InputOffset())
			m.jsonValue(b, v, end, found)
		}
		named = false
	}
}

// jsonValue reports the text or the number that ends at a place.
func (m *Masker) jsonValue(b []byte, v jsontext.Token, end int, found func(span)) {
	value := v.String()
	if v.Kind() == '0' {
		found(span{from: end - len(value), to: end, value: value, bare: true})
		return
	}
	from := end - 1
	for from > 0 { // the opening quote: the last one that no backslash escapes
		from--
		if b[from] != '"' {
			continue
		}
		slashes := 0
		for from-slashes > 0 && b[from-slashes-1] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			break
		}
	}
	found(span{from: from + 1, to: end - 1, value: value})
}

// basicPassword returns the password of Basic credentials (RFC 7617).
func basicPassword(credentials string) (password string, ok bool) {
	plain, err := base64.StdEncoding.DecodeString(credentials)
	if err != nil {
		return "", false
	}
	_, password, ok = strings.Cut(string(plain), ":")
	return password, ok && password != ""
}
