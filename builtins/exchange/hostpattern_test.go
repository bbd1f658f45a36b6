package exchange

import (
	"slices"
	"strings"
	"testing"
)

func TestParseHostPattern(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"*": "*", "API.example.com.": "api.example.com", "*.Example.com": "*.example.com", "10.0.0.7": "10.0.0.7", "::0:1": "::1",
		"*.bücher.example": "*.xn--bcher-kva.example", "*.test": "*.test",
		"": "!", "*.": "!", "**": "!", "*x.test": "!", "a.*.test": "!", "*.10.0.0.7": "!a domain behind", "a b": "!", "a:443": "!",
	} {
		got, err := ParseHostPattern(text)
		if why, bad := strings.CutPrefix(want, "!"); bad {
			if err == nil || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), "*.domain") {
				t.Errorf("%q: got %v and %q, want an error with %q", text, err, got, why)
			}
		} else if err != nil || string(got) != want {
			t.Errorf("%q: got %q and %v, want %q", text, got, err, want)
		}
	}
}

func TestPatternsOf(t *testing.T) {
	t.Parallel()
	for host, want := range map[string][]HostPattern{
		"a.b.test": {"a.b.test", "*.b.test", "*.test", "*"},
		"test":     {"test", "*"},
		"10.0.0.7": {"10.0.0.7", "*"},
		"fd00::7":  {"fd00::7", "*"},
		"":         {"*"},
	} {
		if got := slices.Collect(PatternsOf(host)); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", host, got, want)
		}
	}
	for range PatternsOf("a.b.test") {
		break // a loop may end early
	}
}

func TestHostPatternCovers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern HostPattern
		host    string
		want    bool
	}{
		{"example.com", "Example.COM.", true}, {"example.com", "a.example.com", false},
		{"*.example.com", "a.b.example.com", true}, {"*.example.com", "example.com", false},
		{"*", "", true}, {"*", "::1", true}, {"example.com", "", false},
	} {
		if got := c.pattern.Covers(c.host); got != c.want {
			t.Errorf("%s covers %q: got %v, want %v", c.pattern, c.host, got, c.want)
		}
	}
}
