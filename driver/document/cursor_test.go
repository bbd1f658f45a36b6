package document_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"starproxy/driver/document"
)

// TestCursorAt checks where a place is, which | marks.
func TestCursorAt(t *testing.T) {
	t.Parallel()
	key := func(path, prefix string, from int) document.Cursor {
		return document.Cursor{Path: strings.Fields(path), Prefix: prefix, From: from}
	}
	value := func(path, prefix string, from int) document.Cursor {
		c := key(path, prefix, from)
		c.Value = true
		return c
	}
	quoted := func(c document.Cursor, open bool) document.Cursor {
		c.Quoted, c.Open = true, open
		return c
	}
	for text, want := range map[string]document.Cursor{
		"|":                                      key("", "", 1),
		"sta|":                                   key("", "sta", 1),
		"status: 200\nbo|dy: x":                  key("", "bo", 1),
		"match:\n  |":                            key("match", "", 3),
		"match:\n  query:\n    a: b\n  he|":      key("match", "he", 3),
		"match:\n\n  # remark\n  he|":            key("match", "he", 3),
		"fault: re|":                             value("fault", "re", 8),
		"fault: \"re|":                           {Path: []string{"fault"}, Value: true, Prefix: "re", From: 9, Open: true},
		"sequence:\n  - bo|":                     key("sequence []", "bo", 5),
		"sequence:\n  - body: a\n    re|":        key("sequence []", "re", 5),
		"sequence:\n- body: a\n  re|":            key("sequence []", "re", 3),
		"sequence:\n- body: a\n- re|":            key("sequence []", "re", 3),
		"rules:\n  - match:\n      me|":          key("rules [] match", "me", 7),
		"endpoints:\n  GET /a/{id}:\n    st|":    key("endpoints GET /a/{id}", "st", 5),
		"https://x.test/a:\n  st|":               key("https://x.test/a", "st", 3),
		"fault: {kind: re|":                      value("fault kind", "re", 15),
		"match: {query: {a: b}, he|":             key("match", "he", 24),
		"sequence: [{bo|":                        key("sequence []", "bo", 13),
		"{|":                                     quoted(key("", "", 2), false),
		"{\"sta|":                                quoted(key("", "sta", 3), true),
		"{\"match\": {\"query\": {}, \"he|":      quoted(key("match", "he", 26), true),
		"{\n  \"fault\": \"re|":                  quoted(value("fault", "re", 13), true),
		"{\"sequence\": [{\"a\\\"\": 1}, {\"bo|": quoted(key("sequence []", "bo", 29), true),
		"{\"a\": [1, 2|":                         quoted(value("a []", "2", 11), false),
		"é: 1\nkey: ä|":                          value("key", "ä", 6),
	} {
		before, _, _ := strings.Cut(text, "|")
		line := strings.Count(before, "\n") + 1
		column := len([]rune(before[strings.LastIndex(before, "\n")+1:])) + 1
		got, ok := document.CursorAt(strings.Replace(text, "|", "", 1), line, column)
		if want.Path == nil {
			want.Path = []string{}
		}
		got.Path = append([]string{}, got.Path...)
		want.Path = strings.Fields(strings.ReplaceAll(strings.Join(want.Path, " "), "GET /a", "GET_/a"))
		got.Path = strings.Fields(strings.ReplaceAll(strings.Join(got.Path, " "), "GET /a", "GET_/a"))
		if d := cmp.Diff(want, got); d != "" || !ok {
			t.Errorf("%q: ok is %v\n%s", text, ok, d)
		}
	}
	for _, text := range []string{"# st|", "body: |2\n  st\u0000", "body: a # st\u0000", "body: |-\n\n    deep\n    st\u0000"} {
		mark := "|"
		if strings.Contains(text, "\u0000") {
			mark = "\u0000"
		}
		before, _, _ := strings.Cut(text, mark)
		column := len(before[strings.LastIndex(before, "\n")+1:]) + 1
		if c, ok := document.CursorAt(strings.Replace(text, mark, "", 1), strings.Count(before, "\n")+1, column); ok {
			t.Errorf("%q: got %+v, want none", text, c)
		}
	}
}

// FuzzCursorAt checks that no text and no place makes it fail.
func FuzzCursorAt(f *testing.F) {
	for _, text := range []string{"a:\n  - b: {c: [", "{\"a\": \"", "- - -", "|\n  x"} {
		f.Add(text, 1, 3)
		f.Add(text, 2, 0)
	}
	f.Fuzz(func(t *testing.T, text string, line, column int) {
		c, ok := document.CursorAt(text, line, column)
		if ok && c.From < 1 {
			t.Errorf("the word begins at column %d", c.From)
		}
	})
}
