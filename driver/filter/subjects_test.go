package filter

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"unicode/utf8"
)

// vectors are what driver/cli/interop gives to the evaluator of the page.
type vectors struct {
	Rules    []Rule               `json:"rules"`
	Subjects map[string]*Subjects `json:"subjects"` // of the entries, by name
	Matches  []match              `json:"matches"`
	Mistakes []wrong              `json:"mistakes"`
	Patterns []patternMatch       `json:"patterns"`
}

type match struct{ Expr, Want string }

type wrong struct {
	Expr, Message string
	Column        int
}

// patternMatch has the numbers of the texts that a regular expression matches, or why it
// is none. Mode has its flags.
type patternMatch struct {
	Pattern, Mode, Error string
	Matches              []int
}

// texts are matched by each of patterns.
func texts() []string {
	return []string{
		"", "a", "A", "b", "ab", "abc", "a\nb", "x\r\ny", "foo(bar)", "GET /a?b=c", "Grün", "GRÜN", "ſ", "K", "\u212a", "é", "日本", "😀", "_", "-", "]", "^", "\\", "12", "0", "a1", " \t", "\v",
		"aaa", "aaaa", "{", "a{,2}", "\ufffd", "ǅ", "σς", "Σ", "İ", "ı", "I", "\x00\x7f",
	}
}

// patterns has all of RE2's syntax.
func patterns() []string {
	return []string{
		``, `a`, `A`, `^a$`, `^a`, `b$`, `\Aa`, `b\z`, `.`, `^.$`, `a.b`, `(?s)a.b`, `(?m)^b`, `(?m)a$`, `(?-i)A`, `(?-i:A)|b`, `a(?-i)B|C`, `(?i-s:A)`, `(?s-i:A.)`, `(?U)a+`, `(?:ab)+`, `(a)(b)`,
		`(?P<n>a)`, `(?<n>a)`, `a*`, `^a*$`, `^a+$`, `^a?$`, `^a{2,3}$`, `^a{3}$`, `^a{2,}$`, `a{,2}`, `^a{0}$`, `a*?`, `a+?b`, `x|`, `|x`, `a||b`, `()`, `(|a)b`, `(a|b)*c`, `^(?:a|)+$`, `^*`, `(?:^|b)c?`,
		`[abc]`, `[^abc]`, `^[^a]$`, `[a-c]`, `[A-C]`, `(?-i)[A-C]`, `(?-i)[^A]`, `[]a]`, `[^]a]`, `[-a]`, `[a-]`, `[\]]`, `[\^]`, `[\\]`, `[a\-c]`, `[.]`, `[{}()|&&--]`, `[\d]`, `[^\d]`, `[\D]`, `[\Da]`, `[^\D]`,
		`\d`, `\D`, `\w`, `\W`, `\s`, `\S`, `^\w$`, `^\W$`, `^[\W]$`, `(?-i)^\w$`, `\bb`, `a\b`, `\B`, `a\Bb`, `(?-i)\b`, `[[:alpha:]]`, `[[:^alpha:]]`, `[[:word:]]`, `[[:space:][:digit:]]`, `[^[:upper:]]`, `(?-i)[[:upper:]]`, `[[:punct:]]`,
		`[[:xdigit:]]`, `[[:blank:]]`, `[[:cntrl:]]`, `[[:graph:]]`, `[[:print:]]`, `[[:ascii:]]`, `[[:alnum:]]`, `[[:lower:]]`, `[[:foo:]]`, `[[:alpha]`, `[:alpha:]`,
		`\pL`, `\PL`, `^\p{Lu}$`, `^\P{Lu}$`, `(?-i)^\p{Lu}$`, `(?-i)^\P{Lu}$`, `^\p{^Lu}$`, `^\p{Greek}$`, `\p{Latin}`, `^\p{Han}`, `[\p{Greek}\d]`, `[^\p{L}]`, `\p{Any}`, `\p{Foo}`, `\p{L`, `\pX`,
		`\x41`, `\x{1F600}`, `\x{}`, `\x{110000}`, `\xg1`, `\x4`, `\x`, `\0`, `\12`, `\101`, `\1`, `\8`, `\a`, `\f`, `\n`, `\r\n`, `\t`, `\v`, `\_`, `\-`, `\/`, `\.`, `\é`, `\q`, `\C`, `\Z`, `\`, `a\`, `[\`, `[\b]`,
		`\Qa.b\E`, `\Q(`, `\Qab\E+`, `\Q\E*`, `(?i)`, `a(?i)*`, `(?i)*`, `*`, `+a`, `?`, `{2}`, `a|*`, `(*)`, `a**`, `a+*`, `a*?*`, `a{2}{3}`, `a{2}*`, `a{1001}`, `a{2,1}`, `a{2`, `a{x}`, `a{2,3}?`, `(`, `)`, `(a`, `a)`, `(?`, `(?i`,
		`(?=a)`, `(?!a)`, `(?<=a)`, `(?<!a)`, `(?P=n)`, `(?P<n`, `(?P<1->a)`, `(?<>a)`, `(?x)`, `(?i-)`, `(?--i)`, `(?#c)`, `(?>a)`, `a++`, `[`, `[a`, `[]`, `[^]`, `[b-a]`, `[a-\d]`, `[\d-z]`, `[z-\x{61}]`, `((((a))))`, `ǆ`, `σ`, `ı`, `i`, `İ`, `k`, `s`,
		`é`, `ü`, `日.`, `^.{1}$`, `^..$`, `\x{FFFD}`, `\x00`, `[\x00-\x1f]`, `[^\x00-\x{10FFFF}]`, `[\x{10FFFF}]`, `/`, `a/b`, `GET /a\?b=c`, `foo\(bar\)`, `"`, `'`, "`", `#`, `&&`, `~`, `\~`, `^^a$$`, `$a`, `a^`, `(?m)$`, `(?m)^$`, `(?m:^)y`, `(?s:.)`,
		`(a{10}){10}`, `((a{100}){10}){10}`, `(?i:K)`, `(?-i:k)`, `(?-i)\W`, `(?-i)[^\w]`,
	}
}

// newVectors returns the vectors with the answers of this package.
func newVectors(t *testing.T) *vectors {
	v := &vectors{Rules: Rules(), Subjects: map[string]*Subjects{}}
	for name, e := range entries() {
		v.Subjects[name] = SubjectsOf(e, socketMessages, marks{4: {":red_circle:", "look\nat this"}}, 0)
	}
	for _, tt := range append(operatorCases(), grammarCases()...) {
		v.Matches = append(v.Matches, match{tt.expr, tt.want})
	}
	for _, tt := range mistakes() {
		_, err := Parse(tt.expr)
		var e *Error
		if !errors.As(err, &e) {
			t.Fatalf("%q: %v", tt.expr, err)
		}
		if len(tt.expr) < 1000 && utf8.ValidString(tt.expr) {
			v.Mistakes = append(v.Mistakes, wrong{tt.expr, e.Message, e.Column})
		}
	}
	for _, text := range patterns() {
		for _, mode := range []string{"", "s", "m"} {
			m := patternMatch{Pattern: text, Mode: mode, Matches: []int{}}
			p, err := newPattern(text, mode)
			if err != nil {
				m.Error = err.Error()
			}
			for i, s := range texts() {
				if err == nil && p.text(s) {
					m.Matches = append(m.Matches, i)
				}
			}
			v.Patterns = append(v.Patterns, m)
		}
	}
	return v
}

// TestVectors keeps testdata/vectors.json, by which the evaluator of the page is compared
// with this package. UPDATE=1 writes it.
func TestVectors(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	if err := out.Encode(map[string]any{"texts": texts(), "vectors": newVectors(t)}); err != nil {
		t.Fatal(err)
	}
	text := bytes.ReplaceAll(b.Bytes(), []byte(`},{`), []byte("},\n{"))
	const path = "testdata/vectors.json"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, want) {
		t.Errorf("%s differs from the answers of this package: UPDATE=1 go test ./driver/filter -run Vectors", path)
	}
}

// A subject has what its operator looks at, and nothing where it can't match.
func TestSubjects(t *testing.T) {
	t.Parallel()
	s := SubjectsOf(entries()["login"], nil, nil, 4)
	if s.Fields["c"] != int64(401) || s.Fields["slow"] != int64(5e6) || s.Fields["s"] != true || s.Fields["q"] != nil {
		t.Errorf("got %v, want the status 401, 5 ms, and a response", s.Fields)
	}
	if got := s.Bodies["bq"]; len(got) != 1 || string(got[0]) != "name" {
		t.Errorf("got the body %q, want its first 4 bytes", got)
	}
	if got := s.Bodies["bs"]; len(got) != 1 || string(got[0]) != `{"er` {
		t.Errorf("got the body %q, want 4 bytes with the content encoding undone", got)
	}
	if got := s.Headers["hs"]; len(got) != 1 || !bytes.Contains([]byte(got[0]), []byte("Set-Cookie: b=2\r\n")) {
		t.Errorf("got the header %q, want its lines", got)
	}
	if s := SubjectsOf(entries()["tls"], nil, nil, 0); s.Fields["c"] != nil || s.Headers["h"] != nil {
		t.Errorf("got %v %v of a TLS handshake, want no status and no header", s.Fields, s.Headers)
	}
}
