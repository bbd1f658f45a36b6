package document

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"starproxy/builtins/jsonvalue"
)

const edited = `# A scenario.
# It has comments.

name: x   # a name

endpoints:
  # the first
  GET /a: # about a
    status: 200   # fine
    # about the body
    body: {a: 1,   b: [1,2]}

  # a text
  'GET /b':
    headers:
      X-A:   "1"
    body: |
      # no comment
      text

      more

  # flow
  GET /c: {status:   404}   # gone
  GET /d:
  - body: "one

      # two"
    repeat: 1
  - {body: 3}

# the end
# of it
`

// value reads YAML as a value of package jsonvalue.
func value(t testing.TB, text string) any {
	t.Helper()
	n, err := Read("v.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return Value(n)
}

// replaced returns text in which old has been replaced by with, and fails unless old is
// there once.
func replaced(t testing.TB, text, old, with string) string {
	t.Helper()
	if strings.Count(text, old) != 1 {
		t.Fatalf("%q is there %d times", old, strings.Count(text, old))
	}
	return strings.Replace(text, old, with, 1)
}

func TestSetYAML(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, key, value, old, with string }{
		{"the same", "GET /a", "{status: 200, body: {a: 1, b: [1, 2]}}", "", ""},
		{"a number, whose comment stays", "GET /a", "{status: 201, body: {a: 1, b: [1, 2]}}", "status: 200   # fine", "status: 201   # fine"},
		{"a part in one line", "GET /a", "{status: 200, body: {a: 2}}", "body: {a: 1,   b: [1,2]}", "body: {a: 2}"},
		{"a key is added", "GET /a", "{status: 200, body: {a: 1, b: [1, 2]}, headers: {X: w}}", "b: [1,2]}\n", "b: [1,2]}\n    headers: {X: w}\n"},
		{"a key is removed with its comment", "GET /a", "{status: 200}", "    # about the body\n    body: {a: 1,   b: [1,2]}\n", ""},
		{"inside of a map", "GET /b", "{headers: {X-A: '2'}, body: \"# no comment\\ntext\\n\\nmore\\n\"}", `X-A:   "1"`, `X-A: "2"`},
		{"a text in lines", "GET /b", "{headers: {X-A: '1'}, body: \"x\\ny\\n\"}", "body: |\n      # no comment\n      text\n\n      more\n", "body: |\n      x\n      y\n"},
		{"a line of flow", "GET /c", "{status: 405}", "{status:   404}", "{status: 405}"},
		{"flow that becomes long", "GET /c", "{body: '" + strings.Repeat("x", 130) + "'}", " {status:   404}   # gone", "\n    body: " + strings.Repeat("x", 130)},
		{"a list", "GET /d", "[{body: 4}]", "\n  - body: \"one\n\n      # two\"\n    repeat: 1\n  - {body: 3}\n", "\n    - body: 4\n"},
		{"another key", "GET /e#x", "{body: x, headers: {}}", "  - {body: 3}\n", "  - {body: 3}\n  GET /e#x:\n    body: x\n    headers: {}\n"},
		{"a key that needs quotes", "* /e", "{body: 'yes'}", "  - {body: 3}\n", "  - {body: 3}\n  '* /e':\n    body: \"yes\"\n"},
	} {
		want := edited
		if c.old != "" {
			want = replaced(t, edited, c.old, c.with)
		}
		want = strings.Replace(want, `'* /e'`, `"* /e"`, 1)
		got, err := Set("s.yaml", []byte(edited), []string{"endpoints", c.key}, value(t, c.value))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if diff := cmp.Diff(want, strings.Replace(string(got), `'* /e'`, `"* /e"`, 1)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		crlf := strings.ReplaceAll(edited, "\n", "\r\n")
		got, err = Set("s.yaml", []byte("\xef\xbb\xbf"+crlf), []string{"endpoints", c.key}, value(t, c.value))
		if want := "\xef\xbb\xbf" + strings.ReplaceAll(want, "\n", "\r\n"); err != nil || strings.Replace(string(got), `'* /e'`, `"* /e"`, 1) != want {
			t.Errorf("%s with CRLF: %v\n%s", c.name, err, cmp.Diff(want, string(got)))
		}
	}
}

func TestRemoveYAML(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ key, old string }{
		{"GET /a", "  # the first\n  GET /a: # about a\n    status: 200   # fine\n    # about the body\n    body: {a: 1,   b: [1,2]}\n\n"},
		{"GET /b", "\n  # a text\n  'GET /b':\n    headers:\n      X-A:   \"1\"\n    body: |\n      # no comment\n      text\n\n      more\n"},
		{"GET /c", "  # flow\n  GET /c: {status:   404}   # gone\n"},
		{"GET /d", "  GET /d:\n  - body: \"one\n\n      # two\"\n    repeat: 1\n  - {body: 3}\n"},
		{"GET /none", ""},
	} {
		want := edited
		if c.old != "" {
			want = replaced(t, edited, c.old, "")
		}
		got, err := Remove("s.yaml", []byte(edited), []string{"endpoints", c.key})
		if err != nil {
			t.Errorf("%s: %v", c.key, err)
		} else if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.key, diff)
		}
	}
}

func TestEditSmallDocuments(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, path, value, want string }{
		{"s.yaml", "", "endpoints|GET /a", "{body: 1}", "endpoints:\n  GET /a:\n    body: 1\n"},
		{"s.yaml", "# only a comment\n", "GET /a", "{body: 1}", "# only a comment\nGET /a:\n  body: 1\n"},
		{"s.yaml", "endpoints:\n", "endpoints|GET /a", "{body: 1}", "endpoints:\n  GET /a:\n    body: 1\n"},
		{"s.yaml", "endpoints: {}  # none\n", "endpoints|GET /a", "{}", "endpoints: {GET /a: {}}  # none\n"},
		{"s.yaml", "endpoints: {GET /x: {body: 1}}\n", "endpoints|GET /a", "{body: 2}", "endpoints: {GET /x: {body: 1}, GET /a: {body: 2}}\n"},
		{"s.yaml", "GET /x: {body: 1}", "GET /a", "{body: 2}", "GET /x: {body: 1}\nGET /a: {body: 2}"},
		{"s.yaml", "GET /x:\n    body: 1\n...\n", "GET /a", "{body: {a: 2}}", "GET /x:\n    body: 1\nGET /a:\n    body:\n        a: 2\n...\n"},
		{"s.yaml", "---\nGET /x:\n  body: plain\n    # still plain\n    text\n\n\n# foot\n", "GET /x", "{body: w}", ""},
		{"s.yaml", "---\nGET /x:\n  body: plain\n    text\n\n\n# foot\n", "GET /x", "{body: w}", "---\nGET /x:\n  body: w\n\n\n# foot\n"},
		{"s.yaml", "GET /x:\n  body: |\n      deep\n    # a comment\n# foot\n", "GET /x", "{body: w}", "GET /x:\n  body: w\n    # a comment\n# foot\n"},
		{"s.yaml", "GET /x:\n  body: |2\n     deep\n    text\n# foot\n", "GET /x", "{body: w}", "GET /x:\n  body: w\n# foot\n"},
		{"s.yaml", "GET /x: {body: [\n  1, # one\n]} # end\n# foot\n", "GET /x", "{body: 1}", "GET /x: {body: 1}\n# foot\n"},
		{"s.yaml", "\"GET /x\": {body: 1}\n", "GET /a", "{body: {b: 1}}", "\"GET /x\": {body: 1}\n\"GET /a\": {body: {b: 1}}\n"},
		{"s.yaml", "x-d: &d\n  body: 1\nGET /x:\n  <<: *d\n  status: 201\n", "GET /x", "{body: 2, status: 201}", "x-d: &d\n  body: 1\nGET /x:\n  body: 2\n  status: 201\n"},
		{"s.yaml", "GET /x: &x\n  body: 1\nGET /y: *x\n", "GET /y", "{body: 2}", "GET /x: &x\n  body: 1\nGET /y:\n  body: 2\n"},
		{"s.yaml", "GET /x: {body: 1}\n", "GET /x", "-", "{}\n"},
		{"s.yaml", "endpoints:\n  GET /x: {body: 1}\n# foot\n", "endpoints|GET /x", "-", "endpoints: {}\n# foot\n"},
		{"s.yaml", "endpoints: {GET /x: {body: 1}, GET /y: {}}\n", "endpoints|GET /x", "-", "endpoints: {GET /y: {}}\n"},
		{"s.yaml", "# about the file\nGET /x: {}\nGET /y: {}\n", "GET /x", "-", "# about the file\nGET /y: {}\n"},
		{"s.yaml", "? GET /x\n: {body: 1}\n", "GET /x", "{body: 2}", ""},
		{"s.yaml", "GET /x: &x\n  body: 1\nGET /y: *x\n", "GET /x", "{body: 2}", ""},
		{"s.json", "", "GET /a", "{body: 1}", "{\n  \"GET /a\": {\n    \"body\": 1\n  }\n}\n"},
		{"s.json", "{}", "GET /a", "{body: 1}", `{"GET /a":{"body":1}}`},
		{"s.json", `{"endpoints": {"GET /x": {"body":  1.50, "status": 200}}}`, "endpoints|GET /x", "{body: 1.5, status: 201}", `{"endpoints": {"GET /x": {"body":  1.50, "status": 201}}}`},
		{"s.json", "{\n\t\"GET /x\": {\"body\": 1},\n\t\"GET /y\": {}\n}\n", "GET /a", "{body: [1]}", "{\n\t\"GET /x\": {\"body\": 1},\n\t\"GET /y\": {},\n\t\"GET /a\": {\n\t\t\"body\": [\n\t\t\t1\n\t\t]\n\t}\n}\n"},
		{"s.json", "{\n  \"GET /x\": {\"body\": 1},\n  \"GET /y\": {}\n}\n", "GET /x", "-", "{\n  \"GET /y\": {}\n}\n"},
		{"s.json", "{\n  \"GET /x\": {\"body\": 1},\n  \"GET /y\": {}\n}\n", "GET /y", "-", "{\n  \"GET /x\": {\"body\": 1}\n}\n"},
		{"s.json", `{"GET /x": {"a": 1, "b": 2, "c": 3, "d": 4}}`, "GET /x", "{c: 3, e: 5}", `{"GET /x": {"c": 3, "e": 5}}`},
		{"s.json", `{"GET /x": {"a": 1, "b": [2, "\"]}"], "c": 3}}`, "GET /x", "{a: 1, c: 4}", `{"GET /x": {"a": 1, "c": 4}}`},
		{"s.json", `{"GET /x": {}}`, "GET /x", "-", "{}"},
		{"s.yaml", `{"GET /x": {"body": 1}}`, "GET /y", "{body: 1}", `{"GET /x": {"body": 1}, "GET /y": {"body":1}}`},
		{"s.yaml", "{GET /x: {body: 1}}", "GET /y", "{body: 1}", ""},
	} {
		path := strings.Split(c.path, "|")
		var got []byte
		var err error
		if c.value == "-" {
			got, err = Remove(c.name, []byte(c.text), path)
		} else {
			got, err = Set(c.name, []byte(c.text), path, value(t, c.value))
		}
		if c.want == "" {
			if err == nil || !errors.Is(err, ErrLayout) && !strings.Contains(err.Error(), "YAML") {
				t.Errorf("%q, %s = %s: got %q, %v, want a refusal", c.text, c.path, c.value, got, err)
			}
			continue
		}
		if err != nil || string(got) != c.want {
			t.Errorf("%q, %s = %s: got %v\n%s\nwant\n%s", c.text, c.path, c.value, err, got, c.want)
		}
	}
}

// FuzzEdit checks that an edit of any text says what it should, or is refused.
func FuzzEdit(f *testing.F) {
	for _, text := range []string{edited, "", "{}", `{"a": {"b": [1, {"c": 2}]}}`, "a: &x |+\n  t\n\nb: *x\n", "a: [1,\n 2]\nb: 'x''y'\n", "a: >2-\n   x\n"} {
		f.Add(text, "endpoints", "GET /a", "{x: [1, 'y']}", true)
		f.Add(text, "a", "b", "null", false)
	}
	f.Fuzz(func(t *testing.T, text, first, second, with string, isJSON bool) {
		name := "s.yaml"
		if isJSON {
			name = "s.json"
		}
		n, err := Read("v.yaml", []byte(with))
		if err != nil {
			return
		}
		v := Value(n)
		for _, path := range [][]string{{first}, {first, second}} {
			out, err := Set(name, []byte(text), path, v)
			if err != nil {
				continue
			}
			root, err := Read(name, out)
			if err != nil {
				t.Fatalf("%q became %q: %v", text, out, err)
			}
			for _, key := range path {
				root = Child(root, key)
			}
			if root == nil || !jsonvalue.Equal(Value(root), v) {
				t.Fatalf("%q became %q, which does not have %s", text, out, with)
			}
			if _, err := Remove(name, out, path); err != nil && !errors.Is(err, ErrLayout) {
				t.Fatalf("%q: %v", out, err)
			}
		}
	})
}

// TestBlockKeepsTexts checks that texts that look like something else stay texts.
func TestBlockKeepsTexts(t *testing.T) {
	t.Parallel()
	const text = `{"a":"yes","b":"1","c":"On","d":"null","e":"0x1","f":"1e999","g":"text"}`
	n, err := ReadJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := Value(n)
	block, err := Block(n)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Read("b.yaml", []byte(block))
	if err != nil || !jsonvalue.Equal(Value(again), want) {
		t.Errorf("%s became %v\n%s", text, err, block)
	}
}
