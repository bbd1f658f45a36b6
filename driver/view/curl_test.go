package view

import "testing"

func TestShellWord(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"/a/b-c.d": "/a/b-c.d", "/a b": "'/a b'", "it's": `'it'\''s'`, "": "''", "a\nb": "'a\nb'", "ä": "'ä'", "a_b@%+=:,.9": "a_b@%+=:,.9"} {
		if got := ShellWord(in); got != want {
			t.Errorf("ShellWord(%q): got %s, want %s", in, got, want)
		}
	}
}
