package excerpt

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		s    string
		max  int
		want string
	}{
		{"", 0, ""},
		{"a", 0, "…"},
		{"abc", 3, "abc"},
		{"abcd", 3, "abc…"},
		{"äöü", 3, "äöü"},
		{"äöüß", 3, "äöü…"},
		{"日本語", 2, "日本…"},
		{"🚗🚗🚗", 1, "🚗…"},
		{"\xff\xfe\xfd", 2, "\xff\xfe…"},
		{"a\xffä", 3, "a\xffä"},
	} {
		if got := Cut(c.s, c.max); got != c.want {
			t.Errorf("Cut(%q, %d): got %q, want %q", c.s, c.max, got, c.want)
		}
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	full := strings.Repeat("ä", MaxQuoted)
	for s, want := range map[string]string{
		"":            `""`,
		"a \"b\"\n":   `"a \"b\"\n"`,
		"\xff":        `"\xff"`,
		full:          `"` + full + `"`,
		full + "é":    `"` + full + `"…`,
		"x" + full:    `"x` + full[:len(full)-len("ä")] + `"…`,
		full + "\xff": `"` + full + `"…`,
	} {
		if got := Quote(s); got != want || !utf8.ValidString(got) {
			t.Errorf("Quote(%q): got %s, want %s", s, got, want)
		}
	}
	if got, want := QuoteASCII("chun\u212aed"), `"chun\u212aed"`; got != want {
		t.Errorf("QuoteASCII: got %s, want %s", got, want)
	}
	if got, want := QuoteASCII(full+"x"), `"`+strings.Repeat(`\u00e4`, MaxQuoted)+`"…`; got != want {
		t.Errorf("QuoteASCII: got %s, want %s", got, want)
	}
}
