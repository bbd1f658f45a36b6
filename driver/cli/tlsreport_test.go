package cli

import (
	"strings"
	"testing"
)

func TestTLSReportCommand(t *testing.T) {
	t.Parallel()
	const (
		none = `{"handshakes": 0, "last": 0, "hosts": []}`
		some = `{"handshakes": 5, "last": 5, "hosts": [` +
			`{"host": "api.example.com", "client": "10.0.0.5", "trusted": 3, "versions": ["TLS 1.3"], "offered": ["TLS 1.3"]}, ` +
			`{"host": "bank.test", "client": "10.0.0.5", "rejected": 1, "reason": "it pins this host", "alert": "unknown_ca", "versions": [], "offered": ["TLS 1.2"]}, ` +
			`{"host": "c.test", "client": "10.0.0.5", "never_offered": 1, "reason": "it speaks no TLS"}]}`
	)
	for name, c := range map[string]struct {
		args         []string
		answer       string
		stdout, call string
	}{
		"none": {nil, none, "No device has begun a TLS handshake.\n", "tls_report"},
		"some": {[]string{"--host", "*", "--client", "10.0.0.5"}, some, `HOST             CLIENT    TRUSTED  REJECTED  LEFT  NEVER  FAULTS  TLS
api.example.com  10.0.0.5  3        0         0     0      0       TLS 1.3
bank.test        10.0.0.5  0        1         0     0      0       TLS 1.2
    it pins this host (unknown_ca)
c.test           10.0.0.5  0        0         0     1      0       -
    it speaks no TLS
`, "tls_report * 10.0.0.5"},
		"JSON": {[]string{"--json"}, none, none + "\n", "tls_report"},
	} {
		f := &fake{answers: map[string]any{"tls_report": c.answer}}
		stdout, stderr, code := proxyCommand(t, f, append([]string{"tls", "report"}, c.args...)...)
		if stdout != c.stdout || stderr != "" || code != 0 || strings.Join(f.calls, "; ") != c.call {
			t.Errorf("%s: exit code %d, stderr %s, calls %q\nstdout\n%swant\n%s", name, code, stderr, f.calls, stdout, c.stdout)
		}
	}
}

func TestTLSWatchCommand(t *testing.T) {
	t.Parallel()
	items := []string{
		`{"start": 0, "client": "10.0.0.5:1234", "host": "api.test", "ended": "trusted", "ja4": "t13_a_b", "agreed": {"version": "TLS 1.3", "group": "x25519", "alpn": "h2", "resumed": true}}`,
		`{"start": 0, "client": "[::1]:1234", "host": "b.test", "ended": "rejected", "reason": "no trust", "alert": "unknown_ca", "fault": "tls fault expired"}`,
		`{"start": 0, "client": "10.0.0.5:1234", "host": "c.test", "ended": "never_offered", "reason": "it speaks no TLS"}`,
	}
	for _, c := range []struct {
		args           []string
		items          []string
		stdout, stderr string
		code           int
		call           string
	}{
		{[]string{"--host", "*"}, items, `--:--:-- 10.0.0.5 api.test  trusted  TLS 1.3 x25519 h2 resumed  t13_a_b
--:--:-- ::1 b.test  rejected: no trust (unknown_ca)  tls fault expired
--:--:-- 10.0.0.5 c.test  never offered: it speaks no TLS
`, "", 0, "watch_handshakes *"},
		{[]string{"--json", "--client", "::1"}, items[:1], items[0] + "\n", "", 0, "watch_handshakes  ::1"},
		{nil, []string{"x"}, "", "j: watch_handshakes: an item is not the JSON expected: invalid character 'x' looking for beginning of value\n", 1, "watch_handshakes"},
	} {
		f := &fake{streams: map[string][]string{"watch_handshakes": c.items}}
		stdout, stderr, code := proxyCommand(t, f, append([]string{"tls", "watch"}, c.args...)...)
		if stdout != c.stdout || stderr != c.stderr || code != c.code || strings.Join(f.calls, "; ") != c.call {
			t.Errorf("%q: exit code %d, calls %q\nstdout\n%swant\n%sstderr\n%s", c.args, code, f.calls, stdout, c.stdout, stderr)
		}
	}
}
