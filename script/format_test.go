package script_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"starproxy/script"
)

func TestFormat(t *testing.T) {
	t.Parallel()
	const src = `load('@stdlib//rules.star','conditional')
x={ 'a':1,'b' : b"\x00" }   # kept
def f( a,b=2 ):
  """Docs."""
  while a<b   and b'ä' in  x :
      a+=1
  return [a,
    rb'''two
 lines''']



y = "ä", b"z", 'w"'
`
	const want = `load("@stdlib//rules.star", "conditional")

x = {"a": 1, "b": b"\x00"}  # kept

def f(a, b = 2):
    """Docs."""
    while a < b and b'ä' in x:
        a += 1
    return [
        a,
        rb'''two
 lines''',
    ]

y = "ä", b"z", 'w"'
`
	got, err := script.Format("a.star", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for in, want := range map[string]string{
		"x = 1\ndef f(x)\n    pass\n": "a.star:3:1: got newline, want ':'",
		"def f():\n\tx = 1\n":         "a.star:2:3: not formatted: syntax error near x",
		"starproxy_stand_in_0 = 1\n":  "a.star: a name begins with starproxy_stand_in_, which the formatter uses",
		strings.Repeat("[", 600):      "a.star: brackets are nested deeper than 500",
	} {
		_, err := script.Format("a.star", []byte(in))
		var at *script.Error
		if !errors.As(err, &at) || err.Error() != want {
			t.Errorf("%q: got %v, want %s", in, err, want)
		}
	}
}

// The standard library and the examples are formatted.
func TestFormatted(t *testing.T) {
	t.Parallel()
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
			got, err := script.Format(file, src)
			if err != nil {
				t.Error(err)
				continue
			}
			if diff := cmp.Diff(string(src), string(got)); diff != "" {
				t.Errorf("%s: run script fmt (-is +formatted):\n%s", file, diff)
			}
		}
	}
}

func FuzzFormat(f *testing.F) {
	f.Add("while x:\n  y = b'a'\n")
	f.Add("load('b', 'a')\nx = [ 1,\n2]\n# c\ndef f(*a, **k): pass\n")
	f.Fuzz(func(t *testing.T, src string) {
		once, err := script.Format("a.star", []byte(src))
		if err != nil {
			return
		}
		if _, err := script.Format("a.star", once); err != nil {
			t.Errorf("%q is formatted to %q, which is not read: %v", src, once, err)
		}
	})
}
