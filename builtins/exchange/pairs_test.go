package exchange

import (
	"strings"
	"testing"
)

// The expectations are what mitmproxy 12 shows of the same targets.
func TestPairs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ target, want string }{
		{"/?discount=100%", `discount="100%"`},
		{"/?q=1;2", `q="1;2"`},
		{"/?a=1&a=2&b", `a="1" a="2" b=""`},
		{"/?=x", `="x"`},
		{"/?&&a", `a=""`},
		{"/?a=%zz&b=%4&c=%", `a="%zz" b="%4" c="%"`},
		{"/?a=b+c%2B%2b", `a="b c++"`},
		{"/?a=caf%C3%A9&caf\u00e9=1", `a="café" café="1"`},
		{"/?a=1#f?b=2", `a="1"`},
		{"/#x?a=1", ""},
		{"/?a=b=c", `a="b=c"`},
		{"/??a=1", `?a="1"`},
		{"/?a?b", `a?b=""`},
		{"/?100%=%41%", `100%="A%"`},
		{"/?", ""},
		{"/", ""},
	} {
		var got []string
		for name, value := range Pairs(QueryOf(c.target)) {
			got = append(got, name+`="`+value+`"`)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: got %s, want %s", c.target, s, c.want)
		}
	}
	if got := Values("a=%ff")["a"]; len(got) != 1 || got[0] != "\xff" {
		t.Errorf("a byte that is no UTF-8: got %q, want it as it is", got)
	}
}
