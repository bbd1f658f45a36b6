package driver

import (
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"starproxy/driver/bundle"
	"starproxy/driver/document"
)

// saved opens the bundle that save_bundle streams.
func (b *bench) saved(args ...any) *bundle.Session {
	b.Helper()
	s, err := bundle.Open(b.write("session.zip", b.collect("save_bundle", args...)))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s
}

// text returns a file of a bundle.
func (b *bench) text(s *bundle.Session, name string) string {
	b.Helper()
	data, err := s.Read(name)
	if err != nil {
		b.Fatal(err)
	}
	return string(data)
}

// recordedPaths returns the paths of the requests of a bundle.
func (b *bench) recordedPaths(s *bundle.Session) (paths []string) {
	b.Helper()
	for f, err := range s.Flows() {
		if err != nil {
			b.Fatal(err)
		}
		paths = append(paths, f.Request.Path)
	}
	return paths
}

// bundled is a bench with a scenario of several files that has answered.
func bundled(t *testing.T) *bench {
	seed := uint64(7)
	b := newBench(t, func(c *Config) { c.Unmatched, c.Seed, c.MockScenario = Reject, &seed, "happy/scenario.yaml" })
	b.write("mock-responses/happy/scenario.yaml", "endpoints:\n"+
		"  GET /a: {body: {n: 1}}\n  GET /fw: {file: fw/one.bin}\n  GET /each/{n}: {file_template: 'fw/{{params.n}}.bin'}\n"+
		"  GET /gone: {body: x}\n  GET /script: {addon: counter}\n")
	b.write("mock-files/fw/one.bin", "firmware 1")
	b.write("mock-files/fw/two.bin", "firmware 2")
	b.write("mock-files/other.bin", "not served")
	b.write("addons/counter.star", "load('lib/answer.star', 'answer')\ndef handle(req, config):\n    return answer()\n")
	b.write("addons/lib/answer.star", "def answer():\n    return response(body = 'counted')\n")
	return b
}

func TestBundle(t *testing.T) {
	t.Parallel()
	b := bundled(t)
	proxy := b.start()
	b.call("set_mock", "GET", "/laid", 200.0, `{"laid": true}`)
	b.call("remove_mock", "GET", "/gone")
	for _, path := range []string{"/a", "/fw", "/script", "/laid", "/nothing"} {
		b.get(proxy, "http://api.test"+path)
	}
	s := b.saved()
	if got, want := strings.Join(b.recordedPaths(s), " "), "/a /fw /script /laid /nothing"; got != want {
		t.Errorf("exchanges: got %s, want %s", got, want)
	}
	names := s.Names()
	for _, want := range []string{"README.txt", "replay.sh", "replay.yaml", "status.json", "misses.json", "session.flow", "session.har", "manifest.json",
		"scenario/scenario.yaml", "scenario/fw/one.bin", "scenario/fw/two.bin", "scripts/counter.star", "scripts/lib/answer.star"} {
		if !slices.Contains(names, want) {
			t.Errorf("files: got %v, want %s among them", names, want)
		}
	}
	if slices.Contains(names, "scenario/other.bin") {
		t.Error("files: got one that no mock serves")
	}
	m := s.Manifest()
	if m.Exchanges != 5 || m.Mode != "mock" || m.Seed == nil || *m.Seed != 7 || m.First == nil || m.Version == "" {
		t.Errorf("manifest: got %+v", m)
	}
	i := slices.IndexFunc(m.Files, func(f bundle.File) bool { return f.Name == "scenario/fw/one.bin" })
	if f := m.Files[i]; f.From != filepath.Join(b.dir, "mock-files", "fw", "one.bin") || f.Size != 10 || len(f.SHA256) != 64 {
		t.Errorf("a file that was served: got %+v", f)
	}
	if want := (bundle.LeftOut{Part: "replay.sh --mocks", Reason: "the mock GET /gone was removed, and is there again"}); !slices.Contains(m.LeftOut, want) {
		t.Errorf("left out: got %+v, want %+v among them", m.LeftOut, want)
	}
	var misses []missed
	if err := json.Unmarshal([]byte(b.text(s, bundle.Misses)), &misses); err != nil || len(misses) != 1 ||
		misses[0].Request != "GET http://api.test/nothing" || misses[0].Exchange != 5 {
		t.Errorf("misses: got %+v and %v, want that of /nothing", misses, err)
	}
	var config struct {
		Export struct {
			Proxy struct {
				Config struct {
					Mocks    map[string]any `json:"mocks"`
					Scenario string         `json:"mock_scenario"`
				} `json:"config"`
			} `json:"proxy"`
		} `json:"export"`
	}
	if err := json.Unmarshal([]byte(b.text(s, bundle.Exporter)), &config); err != nil {
		t.Fatal(err)
	}
	if c := config.Export.Proxy.Config; c.Scenario != "scenario.yaml" || c.Mocks["GET /laid"] == nil {
		t.Errorf("replay.yaml: got %+v", c)
	}
}

func TestBundleOfSome(t *testing.T) {
	t.Parallel()
	b := bundled(t)
	proxy := b.start()
	for _, path := range []string{"/a", "/fw", "/a", "/fw"} {
		b.get(proxy, "http://api.test"+path)
	}
	for _, tt := range []struct {
		since, expr, want string
	}{
		{"", "", "/a /fw /a /fw"},
		{"2", "", "/a /fw"},
		{"1", "~u /fw", "/fw /fw"},
		{"4", "", ""},
	} {
		s := b.saved(tt.since, tt.expr)
		if got := strings.Join(b.recordedPaths(s), " "); got != tt.want || s.Manifest().Since != tt.since || s.Manifest().Filter != tt.expr {
			t.Errorf("since %q, filter %q: got %s and %+v, want %s", tt.since, tt.expr, got, s.Manifest(), tt.want)
		}
	}
	for _, tt := range []struct{ since, expr, want string }{
		{"yesterday", "", `save_bundle: argument since: got "yesterday", want the number of an exchange, or the name of an event that was marked`},
		{"", "~", "save_bundle: argument filter_expr: "},
	} {
		if _, err := b.d.Stream(t.Context(), "save_bundle", []any{tt.since, tt.expr}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("since %q, filter %q: got error %v, want %q", tt.since, tt.expr, err, tt.want)
		}
	}
}

// TestBundleOfText has a scenario that a client sent.
func TestBundleOfText(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.write("mock-files/x.bin", "x")
	b.call("load_mock_scenario_content", "sent.json", `{"GET /x": {"file": "x.bin"}}`)
	s := b.saved()
	if got := b.text(s, "scenario/sent.json"); got != `{"GET /x": {"file": "x.bin"}}` {
		t.Errorf("scenario: got %s", got)
	}
	if got := b.text(s, "scenario/x.bin"); got != "x" {
		t.Errorf("a file that it serves: got %q", got)
	}
}

// TestBundleHasNoSecrets checks that files of the exporter that no client may have are
// not in a bundle.
func TestBundleHasNoSecrets(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.write("mock-files/token", "hush")
	b.d.shared.Protect(filepath.Join(b.dir, "mock-files", "token"))
	if err := os.Symlink("/etc/hostname", filepath.Join(b.dir, "mock-files", "out")); err != nil {
		t.Fatal(err)
	}
	b.call("load_mock_scenario_content", "sent.json", `{"GET /x": {"file": "token"}, "GET /y": {"file": "../outside"}, "GET /z": {"file": "out"}}`)
	b.write("outside", "hush")
	for _, name := range b.saved().Names() {
		if strings.HasPrefix(name, "scenario/") && name != "scenario/sent.json" {
			t.Errorf("files: got %s, want none but the scenario", name)
		}
	}
}

// unpackReport returns the text of an element of a report with data.
func unpackReport(t *testing.T, report, id string) string {
	t.Helper()
	_, text, _ := strings.Cut(report, `<script type="text/plain" id="`+id+`">`)
	text, _, ok := strings.Cut(text, "</script>")
	r, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(text)))
	if !ok || err != nil {
		t.Fatalf("%s of the report: %v", id, err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%s of the report: %v", id, err)
	}
	return string(data)
}

// The report of a bundle has its exchanges, the status, and why no mock answered.
func TestBundleReport(t *testing.T) {
	t.Parallel()
	b := bundled(t)
	proxy := b.start()
	const secret = "s3cr3t-t0k3n-0815"
	for _, path := range []string{"/a", "/nothing", "/a?access_token=" + secret} {
		b.get(proxy, "http://api.test"+path)
	}
	report := b.text(b.saved(), bundle.Report)
	data := func(id string, v any) {
		t.Helper()
		if err := json.Unmarshal([]byte(unpackReport(t, report, id)), v); err != nil {
			t.Fatalf("%s of the report: %v", id, err)
		}
	}
	for _, id := range []string{"index", "part-0"} {
		if text := unpackReport(t, report, id); strings.Contains(text, secret) || !strings.Contains(text, "access_token=") {
			t.Errorf("%s of the report has the token of a URL, or not the URL", id)
		}
	}
	var index struct {
		Rows   []struct{ Path, Outcome string }
		Status struct{ Status struct{ Mode string } }
	}
	data("index", &index)
	if len(index.Rows) != 3 || index.Rows[0].Path != "/a" || index.Status.Status.Mode != "mock" {
		t.Errorf("got %+v, want three exchanges and the status of the proxy", index)
	}
	var part struct {
		Exchanges map[string]struct {
			Detail struct {
				Why struct{ Misses []any }
			}
		}
	}
	data("part-0", &part)
	if len(part.Exchanges["2"].Detail.Why.Misses) == 0 {
		t.Errorf("got %+v, want the mocks that came nearest to the second one", part)
	}
}

// TestBundleMasks looks for secrets in all bytes of a bundle.
func TestBundleMasks(t *testing.T) {
	t.Parallel()
	secrets := []string{"tok-1234567890abcdef", "hunter2hunter2", "cookie-f00dfeedbeef", "state-secret-5566", "pin-77889911"}
	b := newBench(t, func(c *Config) { c.Unmatched, c.Bundle.Mask = Reject, []string{"device-pin"} })
	b.call("load_mock_scenario_content", "sent.json", `{"POST /login": {"body": {"token": "tok-1234567890abcdef"}}}`)
	proxy := b.start()
	b.call("set_state", "session", `{"password": "state-secret-5566"}`)
	request, err := http.NewRequest("POST", "http://api.test/login?access_token=tok-1234567890abcdef",
		strings.NewReader(`{"password": "hunter2hunter2", "device_pin": "pin-77889911"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Cookie", "sid=cookie-f00dfeedbeef")
	request.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	b.get(proxy, "http://api.test/none?x=hunter2hunter2")

	all := func(s *bundle.Session) (texts string) {
		for _, name := range s.Names() {
			texts += b.text(s, name)
		}
		return texts
	}
	masked, plain := b.saved(), b.saved("", "", true)
	for _, secret := range secrets {
		if strings.Contains(all(masked), secret) {
			t.Errorf("secret %s: got it in a bundle, want it masked", secret)
		}
		if !strings.Contains(all(plain), secret) {
			t.Errorf("secret %s: got it not even with unmask", secret)
		}
	}
	if m := masked.Manifest().Masked; m == nil || m.Secrets != len(secrets) || m.Places["header"] == 0 || m.Places["text"] == 0 {
		t.Errorf("masked: got %+v, want %d secrets", m, len(secrets))
	}
	if m := plain.Manifest().Masked; m != nil {
		t.Errorf("masked with unmask: got %+v, want none", m)
	}
	if text := b.text(masked, bundle.Exporter); !strings.Contains(strings.Join(strings.Fields(text), ""), `"ignore":{"body":true,"query":["access_token","x"]}`) {
		t.Errorf("replay.yaml: got %s, want that it looks over what is masked", text)
	}
	i := slices.IndexFunc(masked.Manifest().Files, func(f bundle.File) bool { return f.Name == "scenario/sent.json" })
	if f := masked.Manifest().Files[i]; f.Original == "" || f.Original == f.SHA256 {
		t.Errorf("a scenario with a secret: got %+v, want the hash of the original", f)
	}
}

// TestTimeline changes all that a timeline tells.
func TestTimeline(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.MockScenario = "s.star" })
	b.write("mock-responses/s.star", "def h(req):\n    state.set('hits', 1)\n    return response()\nendpoints = {'GET /a': h}\n")
	proxy := b.start()
	b.get(proxy, "http://api.test/a")
	b.call("mark_event", "login")
	b.get(proxy, "http://api.test/a")
	b.call("set_network", "edge")
	b.call("set_mock", "GET", "/b", 200.0, `"`+strings.Repeat("x", 5000)+`"`)
	b.call("set_clock", "never")
	b.call("status")
	s := b.saved("login")
	if got := b.recordedPaths(s); len(got) != 1 {
		t.Errorf("exchanges since the event: got %v, want the second", got)
	}
	var got []string
	for line := range strings.Lines(b.text(s, bundle.Timeline)) {
		var m moment
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		if len(line) > 2000 {
			t.Errorf("a line: got %d bytes", len(line))
		}
		text := fmt.Sprintf("%d %s %s", m.Exchange, m.Kind, m.What)
		if m.Value != "" {
			text += "=" + m.Value
		}
		if m.Error != "" {
			text += " failed"
		}
		got = append(got, strings.ReplaceAll(text, b.dir, "DIR"))
	}
	// The handler of a script runs before its exchange is captured.
	want := []string{
		"0 scenario the scenario DIR/mock-responses/s.star is in force", "0 mode started in mode mock at " + b.status()["proxy_address"].(string),
		"0 call start", "0 state hits=1", "1 event login", "1 call mark_event", "1 state hits=1", "2 call set_network", "2 call set_mock",
		"2 call set_clock failed",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}
	if log := b.text(s, bundle.Log); !strings.Contains(log, `"msg":"proxy started"`) {
		t.Errorf("log: got %s, want the start", log)
	}
}

// TestBundleAtEnd ends sessions of all kinds.
func TestBundleAtEnd(t *testing.T) {
	t.Parallel()
	const scenario = `{"GET /ok": {"body": "ok"}, "GET /bad": {"body_template": "{{nothing.such}}"}}`
	for _, tt := range []struct {
		name    string
		on      BundleWhen
		path    string
		crashes int
		want    int
	}{
		{"off", "", "/none", 0, 0},
		{"no failure", BundleFailure, "/ok", 0, 0},
		{"always", BundleAlways, "/ok", 0, 1},
		{"no mock", BundleFailure, "/none", 0, 1},
		{"process that died", BundleFailure, "/ok", 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "bundles")
			b := newBench(t, func(c *Config) { c.Unmatched, c.Bundle.On, c.Bundle.Directory, c.Bundle.Keep = Reject, tt.on, dir, 2 })
			b.d.reporter.crashes = &Crashes{Count: tt.crashes}
			b.d.reporter.lease = &Lease{Name: "lease/7"}
			b.call("load_mock_scenario_content", "sent.json", scenario)
			b.get(b.start(), "http://api.test"+tt.path)
			for _, old := range []string{"session-20200101-000000.000.zip", "session-20200102-000000.000.zip", "mine.zip"} {
				if err := os.MkdirAll(dir, 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, old), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				if err := b.d.Close(); err != nil {
					t.Fatal(err)
				}
			}
			found, err := filepath.Glob(filepath.Join(dir, "session-2*-lease_7.zip"))
			if err != nil || len(found) != tt.want {
				t.Fatalf("bundles: got %v and %v, want %d", found, err, tt.want)
			}
			all, err := os.ReadDir(dir)
			if err != nil || len(all) != 3 {
				t.Errorf("files: got %v and %v, want 2 bundles and mine", all, err)
			}
			if tt.want == 0 {
				return
			}
			s, err := bundle.Open(found[0])
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if m := s.Manifest(); m.Mode != "mock" || m.Exchanges != 1 || m.Masked == nil {
				t.Errorf("manifest: got %+v", m)
			}
		})
	}
}

func TestBundleConfig(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"bundle: {on: failure, directory: d, keep: 3, max_size: 3000000, mask: [a]}": "",
		"bundle: {on: off}":        "",
		"bundle: {on: sometimes}":  `got "sometimes", want failure, always or off`,
		"bundle: {max_size: 1000}": "bundle.max_size: got 1000, want at least 2097152 bytes",
		"bundle: {keep: -1}":       "bundle.keep: got -1, want 0 or more",
		"bundle: {when: failure}":  "when",
	} {
		c := DefaultConfig()
		err := document.Decode("exporter.yaml", []byte(text), &c)
		if err == nil {
			c.Directories.Data = t.TempDir()
			err = c.resolve()
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q", text, err, want)
		}
	}
}
