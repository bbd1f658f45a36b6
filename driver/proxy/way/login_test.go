package way

import (
	"strings"
	"testing"
)

func TestLogins(t *testing.T) {
	t.Parallel()
	l, err := NewLogins([]string{"bench:tiger", "other:li:on"})
	if err != nil {
		t.Fatal(err)
	}
	for pair, want := range map[string]bool{"bench:tiger": true, "other:li:on": true, "bench:lion": false, "bench:": false, "": false,
		"other:li": false, "Bench:tiger": false} {
		if got := l.Admit(pair); got != want {
			t.Errorf("Admit(%q): got %v, want %v", pair, got, want)
		}
	}
	if none, err := NewLogins(nil); none != nil || err != nil || !none.Admit("anybody") {
		t.Errorf("NewLogins(nil): got %v, %v, want nil, which admits everybody", none, err)
	}
	for _, bad := range []string{"secret", ":secret", "secret:", "sec\nret:secret", strings.Repeat("s", 256) + ":secret"} {
		if _, err := NewLogins([]string{bad}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("NewLogins(%q): got error %v, want one without the text", bad, err)
		}
	}
}

func TestLeftAlone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name          string
		ignore, allow []string
		addresses     []string
		want          bool
	}{
		{"none", nil, nil, []string{"a.example:443"}, false},
		{"ignored", []string{`\.example:443$`}, nil, []string{"a.example:443"}, true},
		{"case", []string{`A\.EXAMPLE`}, nil, []string{"a.example:443"}, true},
		{"another port", []string{`\.example:443$`}, nil, []string{"a.example:80"}, false},
		{"by name in the handshake", []string{`^pinned\.`}, nil, []string{"10.0.0.7:443", "pinned.example:443"}, true},
		{"allowed", nil, []string{`^a\.`}, []string{"a.example:443"}, false},
		{"not allowed", nil, []string{`^a\.`}, []string{"b.example:443", ""}, true},
		{"allowed by its name", nil, []string{`^a\.`}, []string{"10.0.0.7:443", "a.example:443"}, false},
	} {
		l, err := NewLeftAlone(c.ignore, c.allow)
		if err != nil {
			t.Fatal(err)
		}
		if got := l.Holds(c.addresses...); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	for _, c := range []struct {
		ignore, allow []string
		want          string
	}{
		{[]string{"a"}, []string{"b"}, "want one of both"},
		{[]string{"a", "("}, nil, `ignore_hosts[1]: got "("`},
		{nil, []string{""}, `allow_hosts[0]: got ""`},
	} {
		if _, err := NewLeftAlone(c.ignore, c.allow); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("NewLeftAlone(%v, %v): got %v, want an error with %s", c.ignore, c.allow, err, c.want)
		}
	}
}
