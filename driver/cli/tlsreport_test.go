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
