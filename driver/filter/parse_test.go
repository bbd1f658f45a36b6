package filter

import (
	"errors"
	"strings"
	"testing"
)

// grammarCases combine operators.
func grammarCases() []expected {
	return []expected{
		{"", all},
		{" \t\n", all},
		{"(~s)", "login logo patch replay socket"},
		{"( ~s )", "login logo patch replay socket"},
		{"~s|~q", "login logo lost patch replay socket"},
		{"!(~s|~q)", "refused tls"},
		{"! ~s", "lost refused tls"},
		{"!!~q", "lost"},
		{"!~s & ~e", "lost refused tls"},
		{"~q | ~s & ~m POST", "login lost"},
		{"(~q | ~s) & ~m POST", "login"},
		{"~tls | ~e ~q", "lost"}, // side by side binds weakest
		{"~e ~tls | ~q", "lost tls"},
		{"(~e ~q)", "lost"},
		{"~c 200|~c 401", "login logo patch"},
		{"~u login|logo", "login logo"},
		{"~u login | ~u logo", "login logo"},
		{"~u login |logo", "login logo"},
		{"~d h&x", ""},
		{"~m GET&~u logo", "logo"},
		{"~m POST|~u logo", "login logo"},
		{"~m POST|!~all", "login"},
		{"~m POST|(~u logo)", "login logo"},
		{"~u lo (go)", "logo"},
		{"~u lo(go)", "logo"},
		{"~d '(api|cdn)'", "login logo"},
		{`~d "(api|cdn)"`, "login logo"},
		{`~d"(api|cdn)"`, "login logo"},
		{`~bq "a\nword"`, "login"},
		{`~u "v\d"`, "login"},
		{`~u "v\\d"`, "login"},
		{`~u v\d`, "login"},
		{`~bs '"error": "'`, "login"},
		{`~bs "\"error\": "`, "login"},
		{"~m POST && ~s", "login"},
		{"~tls || ~q", "lost tls"},
		{"~bq Grün", "login"},
		{"grün", ""},
		{"~u '(?-i)LOGIN'", ""},
	}
}

func TestGrammar(t *testing.T) {
	t.Parallel()
	for _, tt := range grammarCases() {
		checkMatches(t, tt.expr, tt.want)
	}
}

func TestString(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ expr, want string }{
		{"", ""},
		{"  a  ", "~u a"},
		{"a b", "~u a & ~u b"},
		{"a | b c", "(~u a | ~u b) & ~u c"},
		{"(a & (b & c)) d", "~u a & ~u b & ~u c & ~u d"},
		{"!(~s|~q)|!(~s ~q)|!!~e|!!!~a", "!(~s | ~q) | !(~s & ~q) | ~e | !~a"},
		{"~s|(~q|~e)", "~s | ~q | ~e"},
		{`~d '(a|b)' ~u "it's \"q\" \d"`, `~d "(a|b)" & ~u "it's \"q\" \\d"`},
		{"~u ''", `~u ""`},
		{"~c 4XX,200 & ~size 1K", "~c 4XX,200 & ~size 1K"},
		{"~b x & ~s", "~b x & ~s"}, // as written, whatever is asked first
	} {
		x, err := Parse(tt.expr)
		if err != nil || x.String() != tt.want {
			t.Errorf("%q: %v %v, want %s", tt.expr, x, err, tt.want)
		}
	}
}

// mistake is an expression that is wrong, with the offset and the text of its error.
type mistake struct {
	expr string
	pos  int
	want string
}

// allOperators is the beginning of the list of operators in an error.
const allOperators = "expected one of ~a ~all ~b ~bq"

func mistakes() []mistake {
	return []mistake{
		{"~d ", 3, "column 4: expected a regular expression after ~d"},
		{"~d", 2, "column 3: expected a regular expression after ~d"},
		{"~d ~s", 3, "column 4: expected a regular expression after ~d"},
		{"~d|a", 2, "column 3: expected a regular expression after ~d"},
		{"~m &~s", 3, "column 4: expected a regular expression after ~m"},
		{"~u (a|b)", 3, "column 4: expected a regular expression after ~u, found (: in an argument it needs quotes"},
		{"grün ~u [a", 9, "column 9: expected a regular expression after ~u, found `[a`: missing closing ]"},
		{"~u '(?=a)'", 3, "column 4: expected a regular expression after ~u, found `(?=a)`: RE2 has no such group (look-around, for one): (?="},
		{"~u '(a'", 3, "column 4: expected a regular expression after ~u, found `(a`: missing closing )"},
		{`~b a\1`, 3, "column 4: expected a regular expression after ~b, found `a\\1`: invalid escape sequence: \\1"},
		{"a**", 0, "column 1: expected a regular expression, found `a**`: invalid nested repetition operator: **"},
		{"~u foo(bar", 10, "column 11: expected a ) for the ( in column 7"},
		{"(~s", 3, "column 4: expected a ) for the ( in column 1"},
		{"~s)", 2, "column 3: expected an expression, found a ) without a ("},
		{"()", 1, "column 2: expected an expression, found )"},
		{"~s & ", 5, "column 6: expected an expression, found the end"},
		{"!", 1, "column 2: expected an expression, found the end"},
		{"| a", 0, "column 1: expected an expression, found |"},
		{"~s | & a", 5, "column 6: expected an expression, found &"},
		{"~u 'ab", 3, "column 4: expected a closing ' for this one"},
		{`~u "ab\"`, 3, `column 4: expected a closing " for this one`},
		{"it's", 2, "column 3: expected a closing ' for this one"},
		{"~c 20x", 3, "column 4: expected a status (404, 4xx, 200-299, 401,403) after ~c, found `20x`"},
		{"~c 20", 3, "column 4: expected a status (404, 4xx, 200-299, 401,403) after ~c, found `20`"},
		{"~c 300-200", 3, "column 4: expected a status (404, 4xx, 200-299, 401,403) after ~c, found `300-200`"},
		{"~c 200,", 3, "column 4: expected a status (404, 4xx, 200-299, 401,403) after ~c, found `200,`"},
		{"~c !200", 3, "column 4: expected a status (404, 4xx, 200-299, 401,403) after ~c"},
		{"~slow 1h", 6, "column 7: expected a time in milliseconds (250, 1.5s) after ~slow, found `1h`"},
		{"~slow -1", 6, "column 7: expected a time in milliseconds (250, 1.5s) after ~slow, found `-1`"},
		{"~slow inf", 6, "column 7: expected a time in milliseconds (250, 1.5s) after ~slow, found `inf`"},
		{"~size 1e9", 6, "column 7: expected a size in bytes (1000, 64k, 2m) after ~size, found `1e9`"},
		{"~size .", 6, "column 7: expected a size in bytes (1000, 64k, 2m) after ~size, found `.`"},
		{"~size 99999999999999999999", 6, "column 7: expected a size in bytes (1000, 64k, 2m) after ~size, found `99999999999999999999`"},
		{"~s ~C 200", 3, "column 4: unknown operator ~C: did you mean ~c?"},
		{"~c200", 0, "column 1: unknown operator ~c200: did you mean ~c?"},
		{"~coment x", 0, "column 1: unknown operator ~coment: did you mean ~comment?"},
		{"~makred", 0, "column 1: unknown operator ~makred: did you mean ~marked?"},
		{"~web", 0, "column 1: unknown operator ~web: did you mean ~websocket?"},
		{"~zz", 0, "column 1: unknown operator ~zz: " + allOperators},
		{"~", 0, "column 1: unknown operator ~: " + allOperators},
		{"~u /~me", 4, "column 5: unknown operator ~me: a regular expression with ~ needs quotes"},
		{"a\xff", 0, "column 1: expected a regular expression, found \"a\\xff\": invalid UTF-8"},
		{strings.Repeat("(", 101), 100, "column 101: expected at most 100 parentheses inside each other"},
		{strings.Repeat("a", maxExpr+1), maxExpr, "column 16385: expected an expression of at most 16384 bytes, found 16385"},
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range mistakes() {
		_, err := Parse(tt.expr)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%.40q: %v, want %s", tt.expr, err, tt.want)
			continue
		}
		if text := e.Error(); e.Pos != tt.pos || text != tt.want && !(strings.HasSuffix(tt.want, allOperators) && strings.HasPrefix(text, tt.want)) || strings.Contains(text, "\n") {
			t.Errorf("%.40q: at %d: %s\nwant at %d: %s", tt.expr, e.Pos, text, tt.pos, tt.want)
		}
	}
	deep := strings.Repeat("(", 100) + strings.Repeat("!", 1000) + "a" + strings.Repeat(")", 100)
	if x, err := Parse(deep); err != nil || x.String() != "~u a" {
		t.Error(x, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "~u a|b", "!(~s|~q) x", "~c 4xx,200-299 & ~m GET&~u x", `~d '(a|b)' "\d\\"`, "~size 1.5k | ~slow 2s", "((a)) b !!c", "~b \xff", "ü && ~bs \\x89"} {
		f.Add(s)
	}
	entries := entries()
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 200 {
			return
		}
		x, err := Parse(s)
		var e *Error
		if err != nil {
			if !errors.As(err, &e) || e.Pos < 0 || e.Pos > len(s) || strings.ContainsAny(e.Error(), "\r\n") {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		again, err := Parse(x.String())
		if err != nil || again.String() != x.String() {
			t.Fatalf("%q is %q, which is %v, %v", s, x, again, err)
		}
		if one, two := matching(x, entries), matching(again, entries); one != two {
			t.Fatalf("%q matches %q, but %q matches %q", s, one, again, two)
		}
	})
}
