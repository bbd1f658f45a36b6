package exchange

import "testing"

// TestAuthority has what the readers of host:port disagreed about: letters and
// dots of names, brackets, empty ports, ports that are none.
func TestAuthority(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]struct {
		strict bool
		host   string
		port   int
	}{
		"a.test":            {true, "a.test", 80},
		"A.Test.:8080":      {true, "a.test", 8080},
		"a.test:":           {true, "a.test", 80},
		"a.test:443":        {true, "a.test", 443},
		"bücher.example:81": {true, "xn--bcher-kva.example", 81},
		"[::1]":             {true, "::1", 80},
		"[::1]:":            {true, "::1", 80},
		"[2001:DB8:0::1]:9": {true, "2001:db8::1", 9},
		"[fe80::1%25eth0]":  {true, "fe80::1%eth0", 80},

		"":             {false, "", 80},
		":81":          {false, "", 80},
		"a.test:0":     {false, "a.test", 80},
		"a.test:+1":    {false, "a.test", 80},
		"a.test:65536": {false, "a.test", 80},
		"a.test:http":  {false, "a.test", 80},
		"::1":          {false, ":", 80},
		"[::1]x:8":     {false, "::1]x", 80},
		"[::1":         {false, ":", 80},
		"[a.test]:8":   {false, "a.test", 80},
		"me@A.test:8":  {false, "me@a.test", 80},
	} {
		host, port, err := ParseAuthority(in, 80)
		if (err == nil) != want.strict || err == nil && (host != want.host || port != want.port) {
			t.Errorf("ParseAuthority(%q): got %q, %d, %v; want %q, %d, success %t", in, host, port, err, want.host, want.port, want.strict)
		}
		if host, port := SplitAuthority(in, 80); host != want.host || port != want.port {
			t.Errorf("SplitAuthority(%q): got %q, %d; want %q, %d", in, host, port, want.host, want.port)
		}
		if !want.strict {
			continue
		}
		if again, p, err := ParseAuthority(JoinAuthority(host, port), 0); again != host || p != port || err != nil {
			t.Errorf("%q: joined and parsed: got %q, %d, %v", in, again, p, err)
		}
	}
	if _, _, err := ParseAuthority("a.test", 0); err == nil {
		t.Error("no port, and none is usual: got no error")
	}
}

func TestURLAuthority(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		scheme, host string
		port         int
		want         string
	}{
		{"http", "a.test", 80, "a.test"}, {"http", "a.test", 443, "a.test:443"},
		{"https", "a.test", 443, "a.test"}, {"https", "a.test", 80, "a.test:80"},
		{"http", "::1", 80, "[::1]"}, {"https", "::1", 8443, "[::1]:8443"},
	} {
		if got := URLAuthority(c.scheme, c.host, c.port); got != c.want {
			t.Errorf("%s %s %d: got %s, want %s", c.scheme, c.host, c.port, got, c.want)
		}
	}
}
