package cli

import "testing"

// The truths are those of Python's fnmatch.
func TestPathFilter(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		glob, path string
		want       bool
	}{
		{"", "/anything", true},
		{"/api/*", "/api/v1/x", true},
		{"/api/*", "/other", false},
		{"/api/?", "/api/v", true},
		{"/api/?", "/api/vv", false},
		{"/[ab]c", "/ac", true},
		{"/[!ab]c", "/ac", false},
		{"/[!ab]c", "/xc", true},
		{"/a[b", "/a[b", true},
		{"/[]]", "/]", true},
		{"/[!]a]", "/b", true},
		{"/[a-c]", "/b", true},
		{"/[^a]", "/^", true},
		{"/[^a]", "/b", false},
		{"*.json", "/x/y.json", true},
		{"/a.b", "/axb", false},
		{"/a", "/a?query=1", true},
		{"/a", "/a/b", false},
	} {
		matches, err := pathFilter(test.glob)
		if err != nil {
			t.Errorf("%q: %v", test.glob, err)
		} else if got := matches(test.path); got != test.want {
			t.Errorf("%q matches %q: %v, want %v", test.glob, test.path, got, test.want)
		}
	}
	if _, err := pathFilter("[z-a]"); err == nil {
		t.Error("a set that runs backwards is accepted")
	}
}

func FuzzPathFilter(f *testing.F) {
	f.Add("/api/[!a-c]*?", "/api/x")
	f.Fuzz(func(t *testing.T, glob, path string) {
		if matches, err := pathFilter(glob); err == nil {
			matches(path)
		}
	})
}
