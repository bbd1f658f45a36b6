package document

import (
	"errors"
	"strings"
	"testing"
)

func TestSyntaxErrorsHaveTheirPlace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text   string
		line, column int
		message      string
	}{
		{"colon in text", "a: b: c", 1, 5, "quotes"},
		{"flow map not closed", "GET /a:\n  body: {a: 1\nGET /b: {}\n", 2, 13, "expected ',' or '}'"},
		{"flow map not closed, after one that is", "GET /a: {body: {a: 1}}\nGET /b: {body: {a: 1}\nGET /c: {}\n", 2, 20, "expected ',' or '}'"},
		{"flow list not closed", "GET /a:\n  body: [1, 2\n", 2, 13, "expected ',' or ']'"},
		{"quote not closed", "GET /a:\n  body: 'abc\nGET /b: {}\n", 2, 9, "end of stream"},
		{"quote not closed in the first line", "a: \"x\nb: 2\n", 1, 4, "end of stream"},
		{"too little indentation", "GET /a:\n   body: 1\n  status: 200\n", 3, 3, "same column"},
		{"too much indentation", "GET /a:\n  body: 1\n   status: 200\n", 3, 10, "same column"},
		{"tab", "GET /a:\n\tbody: 1", 2, 1, "not tabs"},
		{"any method without quotes", "GET /a: {}\n* /any: {body: 1}\n", 2, 1, `quotes, as in "* /path"`},
		{"reserved character", "GET /a:\n  body: @foo\n", 2, 9, "quotes"},
		{"unknown anchor", "x: *nope", 1, 4, "nope"},
		{"brace too many", "GET /a: {body: 1}}\n", 1, 18, "expected key"},
		{"key without value", "GET /a: 1\nfoo\nGET /b: 2\n", 2, 1, "':'"},
		{"escape", `a: "\q"`, 1, 5, "escape"},
		{"umlauts count as one column", "GET /ü: \"ä\": 1", 1, 12, "mapping values"},
		{"not UTF-8", "a: \xff\n", 1, 4, "UTF-8"},
		{"template without quotes", "GET /x: {body_template: {{uuid}}}", 1, 26, "quotes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := Read("s.yaml", []byte(c.text))
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("Read gave %v, expected an Error", err)
			}
			if e.Line != c.line || e.Column != c.column || !strings.Contains(e.Message, c.message) {
				t.Errorf("Read gave %v, expected %d:%d and %q", e, c.line, c.column, c.message)
			}
		})
	}
}

func FuzzSyntaxErrorPlace(f *testing.F) {
	for _, s := range []string{"a: b: c", "a: [1\nb: 2", "x: *nope", "a: 'b", "\t", "%", "a: {b\n", "\r!0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, err := Read("s.yaml", []byte(text))
		var e *Error
		if err == nil || !errors.As(err, &e) {
			return
		}
		breaks := strings.Count(text, "\n")
		for _, other := range []string{"\r", "\u0085", "\u2028", "\u2029"} {
			breaks += strings.Count(text, other)
		}
		if e.Line < 0 || e.Line > breaks+1 || e.Column < 0 || e.Column > len(text)+1 {
			t.Errorf("%q: %v is no place in the text", text, e)
		}
	})
}
