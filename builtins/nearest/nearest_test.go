package nearest

import (
	"strings"
	"testing"
)

func TestName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, want string }{
		{"randm_int", "random_int"}, {"Uuid", "uuid"}, {"cuonter", "counter"}, {"weather", ""}, {"", ""},
		{strings.Repeat("uuid", 20), ""}, {"ports", "port"}, {"post", "port"}, {"prt", "port"}, {"xy", ""},
	} {
		if got := Name(c.name, []string{"uuid", "counter", "random_int", "random_float", "port"}); got != c.want {
			t.Errorf("Name(%q) = %q, want %q", c.name, got, c.want)
		}
	}
	if got := Name("bat", []string{"cat", "bar"}); got != "bar" {
		t.Errorf("of two as near: %q", got)
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "a", 0}, {"", "abc", 3}, {"kitten", "sitting", 3}, {"/status", "/state", 2},
		{"abc", "acb", 1}, {"xabcx", "xacby", 2}, {"ca", "abc", 3}, {strings.Repeat("a", 1000), "b", 1000},
	} {
		if got := Distance(c.a, c.b); got != c.want {
			t.Errorf("%.10q %.10q: %d, expected %d", c.a, c.b, got, c.want)
		}
		if got := Distance(c.b, c.a); got != c.want {
			t.Errorf("%.10q %.10q: %d, expected %d", c.b, c.a, got, c.want)
		}
	}
}
