package cli

import (
	"bytes"
	"strings"
	"testing"
)

func TestTextsInColumns(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text  string
		width int
		want  string
	}{
		{"abc", 5, "abc  "},
		{"abcdef", 5, "abcd…"},
		{"日本語", 6, "日本語"},
		{"日本語x", 6, "日本… "},
		{"e\u0301e\u0301e\u0301", 2, "e\u0301…"},
		{"a\x1b[31mb\x07\u009b\u202ec\n", 20, "a\ufffd[31mb\ufffd\ufffd\ufffdc\ufffd        "},
		{"\xff\xfe", 3, "\ufffd\ufffd "},
	} {
		if got := fit(test.text, test.width); got != test.want {
			t.Errorf("%q in %d columns: got %q, want %q", test.text, test.width, got, test.want)
		}
	}
}

// A table is cut where its width is bounded, the widest column first.
func TestTable(t *testing.T) {
	t.Parallel()
	rows := func() [][]string {
		return [][]string{{">N", "NAME", "PLACE"}, {"7", strings.Repeat("long/", 6), "here"}, {"12", "b", strings.Repeat("there", 5)}}
	}
	for columns, want := range map[string]string{
		"":   "   N  NAME                            PLACE\n   7  long/long/long/long/long/long/  here\n  12  b                               theretheretheretherethere\n",
		"40": "   N  NAME              PLACE\n   7  long/long/long/…  here\n  12  b                 theretherethere…\n",
		"10": "   N  NAME      PLACE\n   7  long/lo…  here\n  12  b         therethe\n",
	} {
		c := newConsole("COLUMNS=" + columns)
		c.table(rows())
		if got := c.stdout.String(); got != want && columns != "10" {
			t.Errorf("%q columns: got\n%swant\n%s", columns, got, want)
		} else if columns == "10" && !strings.Contains(got, "  long/lo…  ") {
			t.Errorf("columns of a narrow terminal: got\n%s", got)
		}
	}
}

// Nothing but our own colours plays with the terminal, however a text is divided.
func TestScreen(t *testing.T) {
	t.Parallel()
	in := "\x1b[32mok\x1b[0m\x1b[1m\tä\n\x1b[8mhidden\x1b]0;title\x07\x1b[2J\r\u009b0m\xff"
	want := "\x1b[32mok\x1b[0m\x1b[1m\tä\n\ufffd[8mhidden\ufffd]0;title\ufffd\ufffd[2J\ufffd\ufffd0m\ufffd"
	var all bytes.Buffer
	if n, err := (&screen{Writer: &all}).Write([]byte(in)); n != len(in) || err != nil || all.String() != want {
		t.Errorf("got %q (%d, %v), want %q", all.String(), n, err, want)
	}
	var pieces bytes.Buffer
	s := &screen{Writer: &pieces}
	for _, part := range []string{"\xc3", "\xa4 \xe6\x97", "\xa5", "\xc2", "\x9b"} {
		if _, err := s.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if got := pieces.String(); got != "ä 日\ufffd" {
		t.Errorf("in pieces: got %q", got)
	}
}

func FuzzScreen(f *testing.F) {
	f.Add("\x1b[31ma\x1b[0m", "\x1b]8;;x\x07")
	f.Fuzz(func(t *testing.T, a, b string) {
		var out bytes.Buffer
		s := &screen{Writer: &out}
		s.Write([]byte(a))
		s.Write([]byte(b))
		rest := out.String()
		for _, colour := range []string{"0", "1", "30", "31", "32", "33", "34", "35", "36", "37", "90"} {
			rest = strings.ReplaceAll(rest, "\x1b["+colour+"m", "")
		}
		if strings.ContainsAny(rest, "\x1b\x07\r\b\x7f\u009b") {
			t.Errorf("got %q of %q and %q", out.String(), a, b)
		}
	})
}
