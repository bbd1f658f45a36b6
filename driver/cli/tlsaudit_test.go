package cli

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTLSAuditCommand(t *testing.T) {
	t.Parallel()
	const (
		begin    = `{"step": 1, "steps": 4, "kind": "control", "doc": "good", "verdict": "waiting"}`
		control  = `{"step": 1, "steps": 4, "kind": "control", "doc": "good", "verdict": "accepted", "detail": "it sent data", "seconds": 0.5}`
		expired  = `{"step": 2, "steps": 4, "kind": "expired", "doc": "old", "verdict": "refused", "detail": "it sent the alert bad certificate"}`
		weak     = `{"step": 3, "steps": 4, "kind": "weak_key", "doc": "1024 bits", "verdict": "accepted", "finding": true, "detail": "it sent data"}`
		after    = `{"step": 4, "steps": 4, "kind": "control", "doc": "good", "verdict": "never met"}`
		found    = `{"done": true, "host": "a.test", "accepted": ["weak_key"], "refused": ["expired"], "never_met": [], "findings": ["weak_key"], "problem": ""}`
		late     = `{"step": 3, "steps": 4, "kind": "weak_key", "doc": "1024 bits", "verdict": "never met"}`
		strict   = `{"done": true, "host": "a.test", "accepted": [], "refused": ["expired"], "never_met": ["weak_key"], "findings": [], "problem": ""}`
		distrust = `{"step": 1, "steps": 4, "kind": "control", "doc": "good", "verdict": "refused", "detail": "it sent the alert unknown ca"}`
		nothing  = `{"done": true, "host": "a.test", "accepted": [], "refused": [], "never_met": ["expired", "weak_key"], "findings": [], "problem": "it refuses all"}`
		title    = "4 connections of the device to a.test are looked at (Ctrl+C to stop)...\n"
	)
	junit := filepath.Join(tempDir(t), "audit.xml")
	for name, c := range map[string]struct {
		args           []string
		items          []string
		stdout, stderr string
		code           int
		call           string
	}{
		"a finding": {nil, []string{begin, control, expired, weak, after, found},
			title + "  control               accepted   it sent data\n  expired               refused    it sent the alert bad certificate\n" +
				"  weak_key              ACCEPTED   it sent data\n  control               never met\n",
			"j: the device accepted 1 fault: weak_key\n", 1, "tls_audit a.test  300"},
		"none": {[]string{"--kinds", "expired,weak_key", "--timeout", "90s"}, []string{begin, control, expired, late, after, strict},
			title + "  control               accepted   it sent data\n  expired               refused    it sent the alert bad certificate\n" +
				"  weak_key              never met\n  control               never met\nNever met: weak_key\nThe device refused 1 fault.\n", "", 0, "tls_audit a.test expired,weak_key 90"},
		"no control": {nil, []string{begin, distrust, nothing}, title + "  control               refused    it sent the alert unknown ca\n", "j: it refuses all\n", 1, ""},
		"JSON": {[]string{"--json"}, []string{begin, distrust, nothing},
			`{"done":true,"host":"a.test","accepted":[],"refused":[],"never_met":["expired","weak_key"],"findings":[],"problem":"it refuses all",` +
				`"handshakes":[{"step":1,"steps":4,"kind":"control","doc":"good","verdict":"refused","finding":false,"detail":"it sent the alert unknown ca","client":"","seconds":0}]}` + "\n",
			"j: it refuses all\n", 1, ""},
		"JUnit": {[]string{"--junit", junit}, []string{begin, control, expired, weak, after, found},
			title + "  control               accepted   it sent data\n  expired               refused    it sent the alert bad certificate\n" +
				"  weak_key              ACCEPTED   it sent data\n  control               never met\n",
			"j: the device accepted 1 fault: weak_key\n", 1, ""},
		"broken off": {nil, []string{begin}, title, "j: tls_audit: the exporter ended it early\n", 1, ""},
		"no JSON":    {nil, []string{"{}"}, "", "j: tls_audit: an item is not the JSON expected: {}\n", 1, ""},
	} {
		f := &fake{streams: map[string][]string{"tls_audit": c.items}}
		stdout, stderr, code := proxyCommand(t, f, append([]string{"tls", "audit", "a.test"}, c.args...)...)
		if stdout != c.stdout || stderr != c.stderr || code != c.code || c.call != "" && strings.Join(f.calls, "; ") != c.call {
			t.Errorf("%s: exit code %d, want %d\nstdout\n%swant\n%sstderr\n%swant\n%scalls %q", name, code, c.code, stdout, c.stdout, stderr, c.stderr, f.calls)
		}
	}
	data, err := os.ReadFile(junit)
	var doc junitSuites
	if err != nil || xml.Unmarshal(data, &doc) != nil || doc.Tests != 4 || doc.Failures != 1 || doc.Suites[0].Skipped != 1 ||
		doc.Suites[0].Cases[2].Failure.Message != "the device accepted the fault weak_key" || doc.Suites[0].Cases[0].Time != "0.5000" {
		t.Errorf("JUnit: got %v, %s", err, data)
	}
}
