package way

import (
	"strings"
	"testing"
)

func TestParseMode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"regular", "regular"},
		{"regular@9090", "regular@9090"},
		{"regular@127.0.0.1:9090", "regular@127.0.0.1:9090"},
		{"regular@[::1]:9090", "regular@[::1]:9090"},
		{"transparent@8443", "transparent@8443"},
		{"socks5", "socks5@1080"},
		{"socks5@lab.local:1081", "socks5@lab.local:1081"},
		{"dns", "dns@53"},
		{"dns@5353", "dns@5353"},
		{"reverse:https://api.example.com@8443", "reverse:https://api.example.com:443@8443"},
		{"reverse:http://[fd00::1]:8000/@127.0.0.1:80", "reverse:http://[fd00::1]:8000@127.0.0.1:80"},
		{"reverse:API.example.com@8443", "reverse:https://api.example.com:443@8443"},
		{"upstream:http://proxy.corp:3128", "upstream:http://proxy.corp:3128"},
		{"upstream:http://proxy.corp:3128@8888", "upstream:http://proxy.corp:3128@8888"},
		{"upstream:http://me:pass@proxy.corp", "upstream:http://me:xxxxx@proxy.corp:80"},
		{"socks5@0", "socks5@0"}, {"reverse:http://a.test@[::1]:0", "reverse:http://a.test:80@[::1]:0"},
		{"upstream:https://me:pass@proxy.corp:8443@0.0.0.0:8888", "upstream:https://me:xxxxx@proxy.corp:8443@0.0.0.0:8888"},
		{"upstream:socks5://proxy.corp", "upstream:socks5://proxy.corp:1080"},
	} {
		m, err := ParseMode(c.text)
		if err != nil || m.String() != c.want {
			t.Errorf("ParseMode(%q): got %s, %v, want %s", c.text, m, err, c.want)
		}
	}
}

func TestParseModeErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"", "got \"\", want one of regular, transparent"},
		{"transparant@80", "did you mean transparent?"},
		{"transparent", "transparent: got no port, want transparent@PORT"},
		{"reverse:https://a.example", "reverse: got no port, want reverse:URL@PORT"},
		{"reverse@80", "reverse: got no URL, want reverse:http://HOST[:PORT]"},
		{"reverse:tls://a.example@80", `scheme: got "tls", want http or https`},
		{"reverse:http://a.example/path@80", "got something behind the host"},
		{"regular:x@80", `regular: got something behind it, want none`},
		{"socks5:me:sec%ret@1080", "socks5: got something behind it, want none"},
		{"regular@65536", `port: got "65536", want 0 to 65535`},
		{"regular@65536", `port: got "65536"`},
		{"regular@", `port: got ""`},
		{"socks5@a:b:80", "want [HOST:]PORT"},
		{"upstream:", "upstream: got no URL"},
		{"upstream:ftp://proxy", `scheme: got "ftp"`},
		{"upstream:http://me:sec%ret@proxy", "URL: got one that can't be read"},
		{"upstream:http://proxy:99999", "port: got \"99999\""},
	} {
		m, err := ParseMode(c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "sec%ret") {
			t.Errorf("ParseMode(%q): got %s, %v, want an error with %s", c.text, m, err, c.want)
		}
	}
}

// FuzzParseMode holds that a mode is read as it was written, and that its text has no
// password.
func FuzzParseMode(f *testing.F) {
	for _, s := range []string{"regular", "reverse:https://a@80", "upstream:http://u:p@h:1@2", "socks5@[::1]:9", "dns@:53"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ParseMode(text)
		if err != nil {
			return
		}
		if m.Port < 0 || m.Port > 65535 || (m.URL == nil) != (m.Kind.schemes() == nil) {
			t.Fatalf("ParseMode(%q): got %+v", text, m)
		}
		if m.URL != nil && m.URL.User != nil || m.Kind == Upstream && m.Host != "" {
			return // the password is hidden in the text; without a user, an address has no text
		}
		again, err := ParseMode(m.String())
		if err != nil || again.String() != m.String() {
			t.Fatalf("ParseMode(%q): got %s, %v, want %s", m.String(), again, err, m)
		}
	})
}
