package scenario

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"starproxy/script"
)

// TestUnusedKeys loads documents with keys that mean nothing here, as the stock
// driver does, and warns of those that nothing refers to.
func TestUnusedKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, doc, warning string }{
		{"an extension", "x-common: {a: 1}\nendpoints: {GET /a: {body: 1}}", ""},
		{"an anchor", "defaults: &d {status: 201}\nendpoints: {GET /a: {<<: *d}}", ""},
		{"anchors below", "defaults: {ok: &d {status: 201}}\nendpoints: {GET /a: {<<: *d}}", ""},
		{"a hidden key", ".base: &d {status: 201}\nmocks: {GET /a: *d}", ""},
		{"an anchor among endpoints", "endpoints: {base: &d {status: 201}, GET /a: *d}", ""},
		{"an anchor without endpoints", "base: &d {status: 201}\nGET /a: *d", ""},
		{"a slip", "confg: {default_latency_ms: 1}\nendpoints: {GET /a: {body: 1}}", `key "confg" is not used; did you mean "config"?`},
		{"another one", "author: me\nendpoints: {GET /a: {body: 1}}", `key "author" is not used; want one of config, contract, description, endpoints, `},
	} {
		var log bytes.Buffer
		s, err := Parse("a.yaml", []byte(c.doc), Env{FilesDir: t.TempDir(), Script: script.New(script.Options{}),
			Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil || len(s.Endpoints) != 1 || s.Endpoints[0].Name != "GET /a" {
			t.Errorf("%s: got %+v, %v; want GET /a alone", c.name, s, err)
			continue
		}
		if got := strings.ReplaceAll(log.String(), `\"`, `"`); c.warning == "" && got != "" || !strings.Contains(got, c.warning) {
			t.Errorf("%s: got the log %s, want %s", c.name, got, c.warning)
		}
	}
}
