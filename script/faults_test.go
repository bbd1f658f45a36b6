package script_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"starproxy/script"
)

// All faults of a script are told, those after an error of syntax, too.
func TestFaults(t *testing.T) {
	t.Parallel()
	const src = `load("@stdlib//rules.star", "conditional", "has_query")
def f(a, b = 1):
    return undefined_thing

f()
f(1, 2, 3)
f(c = 1)
f(1, a = 2)
f(*[], **{})
state.gett("x")
state.incr("k", bye = 2)
respons(1)
response(stauts = 2)
def broken(x)
    return x

y = broken(1)
z = [1, 2
def g():
    state = {}
    state.gett("x")
    return hhh

"""
not a
statement (
"""
if True:
    state.set(1, 2, 3, 4)
else:
    nothing2
uuid(1)
conditional()
def local():
    def g2(): pass
    g2 = f
    g2(1)
log("a", "b", "c")
`
	want := []string{
		`3:12: undefined: undefined_thing`,
		`5:1: f: missing argument "a"`,
		`6:9: f: got 3 positional arguments, want at most 2`,
		`7:3: f: no argument "c" (did you mean a?)`,
		`8:6: f: two values for argument "a"`,
		`10:7: state has no gett (did you mean state.get?)`,
		`11:17: state.incr: no argument "bye" (did you mean by?)`,
		`12:1: undefined: respons (did you mean response?)`,
		`13:10: response: no argument "stauts" (did you mean status?)`,
		`15:1: got newline, want ':'`,
		`19:1: got the end of the statement, want ']'`,
		`22:12: undefined: hhh`,
		`29:21: state.set: got 4 positional arguments, want at most 2`,
		`31:5: undefined: nothing2`,
		`32:6: uuid: got 1 positional arguments, want at most 0`,
		`33:1: conditional: missing argument "rules"`,
	}
	var got []string
	for _, e := range script.Faults("a.star", []byte(src)) {
		got = append(got, strings.TrimPrefix(e.Error(), "a.star:"))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Names of tests count in tests only, and a text that is nothing but wrong has one fault.
func TestFaultsOf(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ file, src, want string }{
		{"a_test.star", "def test_a():\n    assert.eq(1, 1)\n", ""},
		{"a.star", "def test_a():\n    assert.eq(1, 1)\n", "a.star:2:5: undefined: assert (there are no exceptions: use fail(message))"},
		{"a.star", "", ""},
		{"a.star", "\"\"\"\nopen", "a.star:1:1: unexpected EOF in string"},
		{"a.star", "x = (\n", "a.star:2:1: got end of file, want primary expression"},
		{"a.star", "    x = 1\n", "a.star:1:5: got indent, want primary expression"},
		{"a.star", strings.Repeat("(", 1000), "a.star: brackets are nested deeper than 500"},
	} {
		var got []string
		for _, e := range script.Faults(test.file, []byte(test.src)) {
			got = append(got, e.Error())
		}
		if diff := cmp.Diff(test.want, strings.Join(got, "\n")); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.src, diff)
		}
	}
}

// What runs has no faults: the standard library and all examples.
func TestFaultless(t *testing.T) {
	t.Parallel()
	n := 0
	for _, pattern := range []string{"../stdlib/*.star", "../examples/*/*.star", "../examples/*/*/*.star", "../examples/*/*/*/*.star"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			n++
			for _, fault := range script.Faults(file, src) {
				t.Error(fault)
			}
		}
	}
	if n < 30 {
		t.Errorf("%d scripts, want more", n)
	}
}

func FuzzFaults(f *testing.F) {
	f.Add("x = [1\ndef f():\n  return y\n\"\"\"\n")
	f.Add("f(a = 1, *b, **c)\nstate.x\nload('a', b = 'c')\n")
	f.Fuzz(func(t *testing.T, src string) {
		lines := strings.Count(src, "\n") + 1
		for _, fault := range script.Faults("a.star", []byte(src)) {
			if fault.Pos.Line > lines+1 {
				t.Errorf("%v: there are %d lines", fault, lines)
			}
		}
	})
}
