package h1

import (
	"errors"
	"strings"
	"testing"

	"starproxy/builtins/exchange"
)

func TestParseTarget(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method, target string
		want           Target
	}{
		{"GET", "/", Target{Path: "/"}},
		{"GET", "/a?b=%zz&c", Target{Path: "/a?b=%zz&c"}},
		{"GET", "//h/a", Target{Path: "//h/a"}},
		{"GET", "/a://b", Target{Path: "/a://b"}},
		{"OPTIONS", "/*", Target{Path: "/*"}},
		{"OPTIONS", "*", Target{Form: AsteriskForm, Path: "*"}},
		{"GET", "http://h", Target{AbsoluteForm, "http", "h", "/"}},
		{"GET", "http://h/", Target{AbsoluteForm, "http", "h", "/"}},
		{"GET", "http://h?a", Target{AbsoluteForm, "http", "h", "/?a"}},
		{"GET", "HTTPS://H.Test:8443/A/../%2f?x#y", Target{AbsoluteForm, "https", "H.Test:8443", "/A/../%2f?x#y"}},
		{"GET", "http://[::1]:80/a", Target{AbsoluteForm, "http", "[::1]:80", "/a"}},
		{"GET", "http://h/http://i/", Target{AbsoluteForm, "http", "h", "/http://i/"}},
		{"GET", "http://h/a@b", Target{AbsoluteForm, "http", "h", "/a@b"}},
		{"GET", "http://u:p@h:80/", Target{AbsoluteForm, "http", "h:80", "/"}},
		{"GET", "http://a@b@h", Target{AbsoluteForm, "http", "h", "/"}},
		{"OPTIONS", "http://h", Target{AbsoluteForm, "http", "h", "*"}},
		{"OPTIONS", "http://h/", Target{AbsoluteForm, "http", "h", "/"}},
		{"OPTIONS", "http://h?a", Target{AbsoluteForm, "http", "h", "/?a"}},
		{"CONNECT", "h:443", Target{Form: AuthorityForm, Authority: "h:443"}},
		{"CONNECT", "[::1]:443", Target{Form: AuthorityForm, Authority: "[::1]:443"}},
		{"connect", "/a", Target{Path: "/a"}},
	} {
		got, err := ParseTarget(c.method, c.target)
		if err != nil || got != c.want {
			t.Errorf("%s %s: got %+v, %v, want %+v", c.method, c.target, got, err, c.want)
		}
	}
	for method, targets := range map[string][]string{
		"GET":     {"", "*", "a", "?a", "h:80", "h.test:80/a", "ftp://h/a", "file:///etc", "gopher:x", "web+x-1.0://h/", "ws://h/", "http:", "http:/a", "http://", "http:///a", "http://:80/", "http://u@/", "http://u@:80/", "http://a,b/", "http://a\\b/", "://h/", "1a://h/", "a b://h/", "h/a://b"},
		"OPTIONS": {"", "**", "*/"},
		"CONNECT": {"", "h", "h:", ":443", "h:x", "h:+1", "h:443/", "h:443?a", "u@h:443", "http://h:443", "/", "*"},
	} {
		for _, target := range targets {
			got, err := ParseTarget(method, target)
			var refused *Error
			if !errors.As(err, &refused) || refused.Status != 400 || got != (Target{}) {
				t.Errorf("%s %q: got %+v, %v, want a refusal with 400", method, target, got, err)
			}
		}
	}
}

// A refusal is logged and shown: passwords are left out.
func TestTargetHidesPasswords(t *testing.T) {
	t.Parallel()
	for method, target := range map[string]string{"GET": "http://ann:secret@h,i/", "CONNECT": "ann:secret@h:443", "PUT": "2nn:secret@h"} {
		_, err := ParseTarget(method, target)
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s %s: got %v, want a refusal without the password", method, target, err)
		}
	}
}

func TestPersists(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		proto string
		lines []string
		body  Framing
		want  bool
	}{
		{"HTTP/1.1", nil, Framing{}, true},
		{"HTTP/1.1", nil, Framing{Kind: Length, N: 5}, true},
		{"HTTP/1.1", nil, Framing{Kind: Chunked, N: -1}, true},
		{"HTTP/1.1", nil, Framing{Kind: UntilClose, N: -1}, false},
		{"HTTP/1.1", nil, Framing{Kind: Chunked, N: -1, Closes: true}, false},
		{"HTTP/1.1", []string{"close"}, Framing{}, false},
		{"HTTP/1.1", []string{"Close"}, Framing{}, false},
		{"HTTP/1.1", []string{"TE ,\tCLOSE"}, Framing{}, false},
		{"HTTP/1.1", []string{"keep-alive", "close"}, Framing{}, false},
		{"HTTP/1.1", []string{"x-close", "closed", "clo", "upgrade"}, Framing{}, true},
		{"HTTP/1.1", []string{"clo\u017fe"}, Framing{}, true},
		{"HTTP/1.0", nil, Framing{}, false},
		{"HTTP/1.0", []string{"Keep-Alive"}, Framing{}, true},
		{"HTTP/1.0", []string{"\u212aeep-alive"}, Framing{}, false},
		{"HTTP/1.0", []string{"keep-alive"}, Framing{Kind: UntilClose, N: -1}, false},
		{"HTTP/1.0", []string{"keep-alive, close"}, Framing{}, false},
	} {
		h := exchange.Header{{Name: "Host", Value: "close"}}
		for _, v := range c.lines {
			h.Add("connection", v)
		}
		if got := Persists(c.proto, h, c.body); got != c.want {
			t.Errorf("%s %q %+v: got %t, want %t", c.proto, c.lines, c.body, got, c.want)
		}
	}
}

func TestInterim(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]bool{100: true, 101: false, 102: true, 103: true, 199: true, 200: false, 204: false, 999: false} {
		if got := (&Response{Status: status}).Interim(); got != want {
			t.Errorf("%d: got %t, want %t", status, got, want)
		}
	}
}
