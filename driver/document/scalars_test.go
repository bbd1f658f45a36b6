package document

import (
	"strings"
	"testing"
)

// TestScalarRules pins the rules of YAML that documents of users rely on. The
// result of a text is its JSON, or the error.
func TestScalarRules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"words of truth", "[yes, No, ON, off, true, False, TRUE]", `[true,false,true,false,true,false,true]`},
		{"words that are text", "[y, n, yEs, tRue, 'yes', \"no\", !!str on]", `["y","n","yEs","tRue","yes","no","on"]`},
		{"tagged words", "[!!bool yes, !!str 12, !!int '12', !!float 3]", `[true,"12",12,3]`},
		{"null", "[~, null, Null, NULL, nUll, '~', ]", `[null,null,null,null,"nUll","~"]`},
		{"no value", "a:\nb: # remark\nc: !!null ''", `{"a":null,"b":null,"c":null}`},
		{"octal", "[0o17, 017, 08, 0o8, 0o, '017']", `[15,15,"08","0o8","0o","017"]`},
		{"other bases", "[0x1F, 0X1f, 0b101, -0x10, 0x]", `[31,31,5,-16,"0x"]`},
		{"exponents", "[1e3, 1.e3, 1.0e3, 1.0e+3, 1.5E-2, 1e+3, 12e03]", `["1e3","1.e3","1.0e3",1.0e+3,1.5E-2,"1e+3","12e03"]`},
		{"signs and points", "[+5, -5, .5, -.5, 5., 1.50, -0, +.5, ., -, +]", `[5,-5,0.5,-0.5,5.0,1.50,-0,0.5,".","-","+"]`},
		{"underscores", "[1_000, 1_0.5_0, _1, 1_]", `[1000,10.50,"_1",1]`},
		{"sexagesimal is text", "[12:30:45, 1:30, 190:20:30.15]", `["12:30:45","1:30","190:20:30.15"]`},
		{"dates are text", "[2024-01-02, 2024-01-02T03:04:05Z, 2024-01-02 03:04:05 +1, !!str 2024-01-02]", `["2024-01-02","2024-01-02T03:04:05Z","2024-01-02 03:04:05 +1","2024-01-02"]`},
		{"large numbers", "[9223372036854775807, 9223372036854775808, 18446744073709551616, 1.0e+400]", `[9223372036854775807,9223372036854775808,18446744073709551616,1.0e+400]`},
		{"infinite", "[.inf]", `a.yaml:1:2: got ".inf", want a number`},
		{"not a number", "[.NaN]", `a.yaml:1:2: got ".NaN", want a number`},
		{"text with signs", "- a:b\n- a#b\n- http://x/y?z=1\n- 'it''s'\n- \"a\\tb\\x41\\u00e9\"\n- -a\n- a - b", `["a:b","a#b","http://x/y?z=1","it's","a\tbAé","-a","a - b"]`},
		{"keys of any scalar", "{404: a, true: b, ~: c, 1.5: d, 2024-01-02: e}", `{"404":"a","true":"b","~":"c","1.5":"d","2024-01-02":"e"}`},
		{"anchors", "a: &a [1, 2]\nb: *a\nc: &s text\nd: *s\n*s : key", `{"a":[1,2],"b":[1,2],"c":"text","d":"text","text":"key"}`},
		{"merge keys", "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: {y: 4, <<: *a}\nd: {<<: [*a, {z: 5, x: 6}]}", `{"a":{"x":1,"y":2},"b":{"y":3,"x":1},"c":{"y":4,"x":1},"d":{"x":1,"y":2,"z":5}}`},
		{"merge key as text", "{'<<': 1, \"a\": 2}", `{"<<":1,"a":2}`},
		{"merge key of a number", "{<<: 1}", `a.yaml:1:6: <<: got the number 1, want a map or a list of maps`},
		{"duplicate keys", "a: 1\nb: 2\na: 3", `a.yaml:3:1: duplicate key "a" (first at line 1)`},
		{"duplicate keys in a flow", "{a: 1, 'a': 2}", `a.yaml:1:8: duplicate key "a" (first at line 1)`},
		{"flow behind an anchor", "a: &a {b: 1}\nc: &c [1, *a]", `{"a":{"b":1},"c":[1,{"b":1}]}`},
		{"tab as indentation", "a:\n\tb: 1", "a.yaml:2:1: not a YAML document: found character that cannot start any token; text that begins with @, ` or % needs quotes, and lines are indented with spaces, not tabs"},
		{"tab behind a colon", "a:\tb\nc: \td", `{"a":"b","c":"d"}`},
		{"tab within text", "a: b\tc", `{"a":"b\tc"}`},
		{"two documents", "a: 1\n---\nb: 2", `a.yaml:2:1: got a second document, want one in a file`},
		{"document marks", "%YAML 1.1\n---\na: 1\n...\n", `{"a":1}`},
		{"empty second document", "a: 1\n---\n", `a.yaml:2:1: got a second document, want one in a file`},
		{"binary", "a: !!binary aGVs\n  bG8=", `{"a_base64":"aGVs bG8="}`},
		{"binary that is none", "!!binary '*'", `a.yaml:1:1: tag !!binary: want text in base64: illegal base64 data at input byte 0`},
		{"surrogate pair", `["\ud83d\ude00", "\ud83d", '\ud83d\ude00', \ud83d]`, `["😀","�","\\ud83d\\ude00","\\ud83d"]`},
		{"JSON", "{\"a\": [1, 1e3, true, null, \"x\\/y\"], \"b\": {}}", `{"a":[1,1e3,true,null,"x/y"],"b":{}}`},
		{"JSON with tabs", "{\n\t\"a\": 1,\n\t\"b\": [\n\t]\n}", `{"a":1,"b":[]}`},
		{"JSON with a comma too many", "{\"a\": 1,}", `{"a":1}`},
		{"JSON without spaces", "{\"a\":1,\"b\":[2,3]}", `{"a":1,"b":[2,3]}`},
		{"flow without spaces", "{a:1, b: 2}", `{"a:1":null,"b":2}`},
		{"key alone in a flow", "{a, b: 1}", `{"a":null,"b":1}`},
		{"pair in a list", "[a: 1, b]", `[{"a":1},"b"]`},
		{"CRLF", "a: 1\r\nb:\r\n  - x\r\n  - |\r\n    y\r\n    z\r\n", `{"a":1,"b":["x","y\nz\n"]}`},
		{"BOM", "\xef\xbb\xbfa: 1", `{"a":1}`},
		{"literal", "a: |\n  x\n   y\n\n  z\nb: |-\n  x\nc: |+\n  x\n\nd: >\n  x\n  y\n\n  z", `{"a":"x\n y\n\nz\n","b":"x","c":"x\n\n","d":"x y\nz"}`},
		{"literal with its indentation", "a: |2\n   x\n  y", `{"a":" x\ny"}`},
		{"plain over lines", "a: b\n  c\n\n  d", `{"a":"b c\nd"}`},
		{"quoted over lines", "a: \"b\n  c\\\n  d\"", `{"a":"b cd"}`},
		{"list at the indentation of its key", "a:\n- 1\n- b: 2\n  c: 3", `{"a":[1,{"b":2,"c":3}]}`},
		{"list of lists", "- - 1\n  - 2\n- []", `[[1,2],[]]`},
		{"question mark", "? a\n: b\n? c", `{"a":"b","c":null}`},
		{"remarks", "# one\na: 1 # two\n  # three\nb: '#'", `{"a":1,"b":"#"}`},
		{"star", "* /path: 1", `a.yaml:1:1: not a YAML document: did not find expected alphabetic or numeric character; text that begins with * or & needs quotes, as in "* /path"`},
		{"quoted star", "\"* /path\": 1", `{"* /path":1}`},
		{"template", "a: {{b}}", `a.yaml:1:5: map key: got a map, want text; templates need quotes, as in "{{uuid}}"`},
		{"template in text", "a: b {{c}} d", `{"a":"b {{c}} d"}`},
		{"unknown tag", "a: !thing 1", `a.yaml:1:4: got the tag !thing, want text, a number, true, false or null`},
		{"alias before its anchor", "a: *b\nb: &b 1", `a.yaml:1:4: not a YAML document: unknown anchor 'b' referenced`},
		{"alias of itself", "a: &a {b: *a}", `a.yaml:1:11: alias *a lies inside what it refers to`},
		{"anchor given twice", "a: &x 1\nb: &x 2\nc: *x", `{"a":1,"b":2,"c":2}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n, err := Read("a.yaml", []byte(c.text))
			got := ""
			if err != nil {
				got = err.Error()
			} else {
				got = string(AppendJSON(nil, n))
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestLongDocuments pins that neither length nor aliases end a document early or
// make it grow without bound.
func TestLongDocuments(t *testing.T) {
	t.Parallel()
	long := "a: " + strings.Repeat("x", 1<<20) + "\nb: '" + strings.Repeat("y ", 1<<19) + "'\n"
	n, err := Read("a.yaml", []byte(long))
	if err != nil || len(Child(n, "a").Value) != 1<<20 || len(Child(n, "b").Value) != 1<<20 {
		t.Errorf("long scalars: got %v", err)
	}
	key := strings.Repeat("k", 1000)
	if n, err = Read("a.yaml", []byte(key+": 1\n")); err != nil || !Has(n, key) {
		t.Errorf("long key: got %v", err)
	}
	const lines = 50_000
	if n, err = Read("a.yaml", []byte(strings.Repeat("- {a: b}\n", lines))); err != nil || len(n.Content) != lines {
		t.Errorf("many lines: got %v", err)
	}
	last := n.Content[lines-1]
	if last.Line != lines || last.Column != 3 {
		t.Errorf("last line: got %d:%d, want %d:3", last.Line, last.Column, lines)
	}
}
