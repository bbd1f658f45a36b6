package mask

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"starproxy/builtins/exchange"
)

const (
	// maxSecrets bounds how many values are replaced wherever they stand.
	maxSecrets = 100_000
	// minSecret is the length in bytes from which on a value is replaced wherever it
	// stands.
	minSecret = 6
	// minWord is the same for a value of letters alone.
	minWord = 8
	// maxSecret bounds the length in bytes of a value that is looked for elsewhere.
	maxSecret = 64 << 10
)

// Options say what is a secret beside what every Masker knows.
type Options struct {
	// Names are further names of fields, parameters, cookies and headers whose values are
	// secrets. Case, "-" and "_" make no difference.
	Names []string
}

// Counts tell how much a Masker replaced.
type Counts struct {
	// Secrets is the number of different values.
	Secrets int `json:"secrets"`
	// Places is how often one was replaced, by the kind of place: "header", "url", "body",
	// "message", "text".
	Places map[string]int `json:"places"`
	// LeftOut are bodies that were removed, because they are too large to be looked
	// through or their encoding is broken where a secret stands.
	LeftOut int `json:"bodies_left_out"`
	// Overflow is how many secrets were found beyond the first 100,000 and are replaced
	// only in places that show them to be secrets.
	Overflow int `json:"overflow"`
}

// Masker finds and replaces the secrets of one session. It is for one goroutine. The
// zero value is not usable: see [New].
type Masker struct {
	names map[string]bool
	// ids number the values by their first appearance, from 1.
	ids   map[string]int
	forms forms
	Counts
}

// New makes a Masker that has seen nothing.
func New(o Options) *Masker {
	m := &Masker{names: map[string]bool{}, ids: map[string]int{}, Counts: Counts{Places: map[string]int{}}}
	for _, n := range o.Names {
		m.names[plainName(n)] = true
	}
	return m
}

// InURL returns the name of the first parameter of a URL that has a secret as its value,
// or a word for another secret in it, such as "user information". ok is false when
// there is none.
func InURL(url string) (name string, ok bool) {
	m := New(Options{})
	b := []byte(url)
	first := span{from: len(b)}
	m.seek(b, inURL, func(s span) {
		if !trivial(s.value) && s.from < first.from {
			first, ok = s, true
		}
	})
	if !ok {
		return "", false
	}
	switch before := b[:first.from]; {
	case bytes.HasSuffix(before, []byte("//")):
		return "user information", true
	case bytes.HasSuffix(before, []byte("=")):
		name, _, _ = nameBefore(b, first.from-1)
		return name, true
	}
	return "a token", true
}

// LearnText finds the secrets of a text.
func (m *Masker) LearnText(b []byte) {
	m.seek(b, inText, func(s span) { m.learnSpan(s) })
}

// LearnCode finds the secrets of a program, such as a script: they are literals in quotes.
func (m *Masker) LearnCode(b []byte) {
	m.seek(b, inCode, func(s span) { m.learnSpan(s) })
}

// learn remembers a value.
func (m *Masker) learn(value string) {
	m.id(value)
	if password, ok := passwordOf(value); ok {
		m.id(password)
	}
}

func (m *Masker) learnSpan(s span) {
	if m.spanID(s); s.like == "" {
		m.learn(s.value)
	}
}

// spanID returns the number of the secret in a place, and 0 for none.
func (m *Masker) spanID(s span) int {
	if s.like == "" || m.ids[s.value] > 0 {
		return m.id(s.value)
	}
	id := m.id(s.like)
	if id > 0 && id <= maxSecrets && len(m.ids) < 2*maxSecrets {
		m.ids[s.value] = id
		if everywhere(s.value) {
			m.forms.add(s.value, id)
		}
	}
	return id
}

// id returns the number of a value, and 0 for one that is no secret.
func (m *Masker) id(value string) int {
	if trivial(value) {
		return 0
	}
	if id, known := m.ids[value]; known {
		return id
	}
	if m.Secrets >= maxSecrets {
		m.Overflow++
		return maxSecrets + 1
	}
	id := m.Secrets + 1
	m.ids[value] = id
	m.Secrets = id
	if everywhere(value) {
		m.forms.add(value, id)
	}
	return id
}

// placeholder matches the placeholders of a Masker, so that they are never taken for
// secrets.
var placeholder = regexp.MustCompile(`^MASKED-\d+\**$`)

// trivial reports whether a value says by itself that it is no secret.
func trivial(value string) bool {
	switch strings.ToLower(value) {
	case "", "true", "false", "null", "none", "undefined", "nil", "bearer", "basic", "digest", "…":
		return true
	}
	return strings.Contains(value, "{{") && strings.Contains(value, "}}") || strings.HasPrefix(value, "$") || placeholder.MatchString(value)
}

// everywhere reports whether a value is replaced in all places, not only in those that
// show it to be a secret.
func everywhere(value string) bool {
	if len(value) < minSecret || len(value) > maxSecret {
		return false
	}
	if len(value) >= minWord {
		return true
	}
	for i := range len(value) {
		if c := value[i] | 0x20; c < 'a' || c > 'z' {
			return true
		}
	}
	return false
}

// mark is a span that is replaced by a placeholder.
type mark struct {
	from, to, id int
	bare         bool
}

// Bytes returns b with all secrets replaced, b itself when it has none.
func (m *Masker) Bytes(b []byte) []byte { return m.bytes(b, "text", inText) }

// Code is Bytes for a program, see [Masker.LearnCode].
func (m *Masker) Code(b []byte) []byte { return m.bytes(b, "text", inCode) }

// Text is Bytes for a string.
func (m *Masker) Text(s string) string { return m.text(s, "text", inText) }

func (m *Masker) text(s, place string, as context) string {
	if s == "" {
		return s
	}
	b := []byte(s)
	if out := m.bytes(b, place, as); &out[0] != &b[0] {
		return string(out)
	}
	return s
}

// bytes replaces the secrets of b. place is the kind of place for the counts.
func (m *Masker) bytes(b []byte, place string, as context) []byte {
	marks := m.marks(b, as)
	if len(marks) == 0 {
		return b
	}
	m.Places[place] += len(marks)
	return replace(b, marks)
}

// replace returns a copy of b with placeholders in the places of marks.
func replace(b []byte, marks []mark) []byte {
	keepLength := !utf8.Valid(b) || bytes.ContainsFunc(b, isBinary) // a binary format counts its bytes
	out := make([]byte, 0, len(b)+16*len(marks))
	at := 0
	for _, k := range marks {
		out = append(out, b[at:k.from]...)
		word := fmt.Sprintf("MASKED-%d", k.id)
		switch n := k.to - k.from; {
		case keepLength && len(word) > n:
			word = strings.Repeat("*", n)
		case keepLength:
			word += strings.Repeat("*", n-len(word))
		case k.bare:
			word = `"` + word + `"`
		}
		out = append(out, word...)
		at = k.to
	}
	return append(out, b[at:]...)
}

// isBinary reports whether a character tells that a text is none.
func isBinary(r rune) bool { return r < '\t' || r > '\r' && r < ' ' && r != 0x1b }

// marks returns the spans of b that are replaced, in order and without overlaps.
func (m *Masker) marks(b []byte, as context) []mark {
	var list []mark
	m.seek(b, as, func(s span) {
		if id := m.spanID(s); id > 0 {
			list = append(list, mark{s.from, s.to, id, s.bare})
		}
	})
	m.forms.find(b, func(from, to, id int) { list = append(list, mark{from, to, id, false}) })
	list = m.cutMarks(b, as, list)
	return merge(list)
}

// ellipsis stands in texts that this program has shortened.
const ellipsis = "…"

// A text of a length within these bounds, in bytes, may have been shortened without a sign.
const (
	minShortened = 200
	maxShortened = 4 << 10
)

// maxWindow bounds how far before the end of a shortened text a secret is looked for, in
// bytes.
const maxWindow = 4 << 10

// cutMarks appends the beginnings of secrets at the ends of texts that were shortened.
func (m *Masker) cutMarks(b []byte, as context, list []mark) []mark {
	if len(m.forms.byHead) == 0 {
		return list
	}
	from := 0
	look := func(to int) {
		if begin, id, ok := m.forms.cut(b, max(from, to-maxWindow), to); ok {
			list = append(list, mark{begin, to, id, false})
		}
	}
	for {
		i := bytes.Index(b[from:], []byte(ellipsis))
		if i < 0 {
			break
		}
		look(from + i)
		from += i + len(ellipsis)
	}
	if as == inPart || len(b) >= minShortened && len(b) <= maxShortened {
		look(len(b))
	}
	return list
}

// merge sorts marks and unites those that overlap. The longest one of each union gives
// it its number.
func merge(list []mark) []mark {
	if len(list) < 2 {
		return list
	}
	slices.SortFunc(list, func(a, b mark) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to), cmp.Compare(a.id, b.id))
	})
	out := list[:1]
	longest := list[0].to - list[0].from
	for _, k := range list[1:] {
		last := &out[len(out)-1]
		if k.from >= last.to {
			out = append(out, k)
			longest = k.to - k.from
			continue
		}
		if n := k.to - k.from; n > longest {
			longest, last.id = n, k.id
		}
		last.bare = last.bare && k.to <= last.to
		last.to = max(last.to, k.to)
	}
	return out
}

// headerField returns the value of a header line with its secrets replaced, and learns
// them when replaced is false.
func (m *Masker) headerField(f exchange.Field, learnOnly bool) string {
	spans := m.headerSpans(f)
	if learnOnly {
		for _, s := range spans {
			m.learnSpan(s)
		}
		m.LearnText([]byte(f.Value))
		return f.Value
	}
	b := []byte(f.Value)
	list := m.marks(b, inText)
	for _, s := range spans {
		if id := m.spanID(s); id > 0 {
			list = append(list, mark{s.from, s.to, id, false})
		}
	}
	list = merge(list)
	if len(list) == 0 {
		return f.Value
	}
	for i := range list {
		list[i].bare = false
	}
	m.Places["header"] += len(list)
	return string(replace(b, list))
}

// headerSpans returns the secrets that a header line has because of its name.
func (m *Masker) headerSpans(f exchange.Field) (spans []span) {
	n := plainName(f.Name)
	if spans = lineSpans(n, f.Value); spans != nil {
		return spans
	}
	if m.secretName(f.Name, false) && !strings.HasPrefix(n, "accesscontrol") {
		return []span{{to: len(f.Value), value: f.Value}}
	}
	return nil
}

// cookieSpans returns the values of a Cookie line, or that of a Set-Cookie line, whose
// other pairs are attributes.
func cookieSpans(line string, all bool) (spans []span) {
	at := 0
	for pair := range strings.SplitSeq(line, ";") {
		if i := strings.IndexByte(pair, '='); i >= 0 {
			value := strings.TrimSpace(pair[i+1:])
			from := at + i + 1 + strings.Index(pair[i+1:], value)
			plain := strings.Trim(value, `"`)
			from += strings.Index(value, plain)
			spans = append(spans, span{from: from, to: from + len(plain), value: plain})
		}
		if !all {
			break
		}
		at += len(pair) + 1
	}
	return spans
}

// URL returns a URL with placeholders in the place of its secrets.
func URL(url string) string { return New(Options{}).text(url, "url", inURL) }
