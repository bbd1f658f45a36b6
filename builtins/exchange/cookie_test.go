package exchange

import (
	"fmt"
	"strings"
	"testing"
)

// The expectations are what mitmproxy 12 shows of the same headers.
func TestCookies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ header, want string }{
		{`prefs={"a":1}`, `prefs={"a":1}`},
		{`prefs={"a":1,"b":[2,3]}; x=1`, `prefs={"a":1,"b":[2,3]}|x=1`},
		{"a=é", "a=é"},
		{"é=1; ключ=да", "é=1|ключ=да"},
		{"x[y]=1", "x[y]=1"},
		{"a=1; a=2", "a=1|a=2"},
		{"a=1\nb=2; a=3", "a=1|b=2|a=3"},
		{`a="b c"`, "a=b c"},
		{`a="b;c"; d=1`, "a=b;c|d=1"},
		{`a="x\"y\\z"; d=1`, `a=x"y\z|d=1`},
		{`a="unclosed; b=2`, "a=unclosed; b=2"},
		{"a", "a="},
		{"=x", "=x"},
		{"; a=1;;b=2", "a=1|b=2"},
		{"a=b=c", "a=b=c"},
		{"a=%20+", "a=%20+"},
		{"a=b,c", "a=b,c"},
		{"", ""},
	} {
		var h Header
		h.Set("Cookie", strings.Split(c.header, "\n")...)
		var got []string
		for name, value := range Cookies(h) {
			got = append(got, name+"="+value)
		}
		if s := strings.Join(got, "|"); s != c.want {
			t.Errorf("%s: got %s, want %s", c.header, s, c.want)
		}
	}
}

func TestSetCookies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ header, want string }{
		{"a=b; Path=/; HttpOnly", "a=b [[Path /] [HttpOnly ]]"},
		{`prefs={"a":1,"b":2}; Secure`, `prefs={"a":1,"b":2} [[Secure ]]`},
		{`a="b;c"; Max-Age=5`, "a=b;c [[Max-Age 5]]"},
		{"a=é;path=/x", "a=é [[path /x]]"},
		{"=z", "=z []"},
		{"a", ""},
		{"a; Path=/", ""},
	} {
		got := ""
		for _, s := range SetCookies(HeaderOf("Set-Cookie", c.header)) {
			got += fmt.Sprintf("%s=%s %v", s.Name, s.Value, s.Attributes)
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", c.header, got, c.want)
		}
	}
	if v, ok := SetCookies(HeaderOf("Set-Cookie", "a=b; path=/x; PATH=/y"))[0].Attribute("Path"); v != "/y" || !ok {
		t.Errorf("Path: got %q, want the last one, /y", v)
	}
}
