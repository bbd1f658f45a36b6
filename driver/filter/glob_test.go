package filter

import "testing"

func TestGlob(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "/anything", true},
		{"/api/*", "/api/v1/status", true},
		{"/api/*", "/other", false},
		{"*", "/a\nb", true},
		{"/a", "/a/b", false},
		{"/a?c", "/abc", true},
		{"/a?c", "/ac", false},
		{"/v[0-9]", "/v1", true},
		{"/v[!0-9]", "/v1", false},
		{"/v[!0-9]", "/vx", true},
		{"/[]]", "/]", true},
		{"/[^a]", "/^", true},
		{"/a[", "/a[", true},
		{"/a[]", "/a[]", true},
		{"/a.c", "/abc", false},
		{"/(a|b)+", "/(a|b)+", true},
		{"/grün*", "/grüner", true},
		{"/[z-a]", "/b", false},
		{`/\d`, "/1", false},
		{"/A", "/a", false},
	} {
		if got := Glob(c.pattern)(c.text); got != c.want {
			t.Errorf("%q matches %q: %v, want %v", c.pattern, c.text, got, c.want)
		}
	}
}

func FuzzGlob(f *testing.F) {
	f.Add("/a[!b-c]*?", "/ax1")
	f.Fuzz(func(t *testing.T, pattern, text string) { Glob(pattern)(text) })
}
