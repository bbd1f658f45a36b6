package filter

import (
	"strings"
	"testing"

	"starproxy/driver/capture"
)

func TestContainsFold(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text, part string
		want       bool
	}{
		{"", "a", false}, {"a", "a", true}, {"xA", "a", true}, {"aab", "ab", true}, {"AaB", "ab", true}, {"abab", "abc", false},
		{"0[1", "[1", true}, {"{1", "[1", false}, {"\xe1b", "ab", false},
	} {
		if got := containsFold([]byte(tt.text), []byte(tt.part)); got != tt.want {
			t.Errorf("%q in %q: %v, want %v", tt.part, tt.text, got, tt.want)
		}
	}
}

func BenchmarkBody(b *testing.B) {
	body := blob(strings.Repeat(`{"name": "value", "number": 12345},`+"\n", 1<<20/36))
	e := &capture.Entry{Status: 200, ResponseBody: body}
	for _, expr := range []string{"~bs nothing", "~bs no.hing", "~bs val.*thing", `~bs \x89x`} {
		b.Run(expr, func(b *testing.B) {
			f := parse(b, expr).Filter(nil, nil)
			b.SetBytes(body.Size)
			for b.Loop() {
				f(e)
			}
		})
	}
}
