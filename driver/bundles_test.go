package driver

import (
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"starproxy/driver/bundle"
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
		{"yesterday", "", `save_bundle: argument since: got "yesterday", want the number of an exchange`},
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

// The report of a bundle has its exchanges, the status, and why no mock answered.
func TestBundleReport(t *testing.T) {
	t.Parallel()
	b := bundled(t)
	proxy := b.start()
	for _, path := range []string{"/a", "/nothing"} {
		b.get(proxy, "http://api.test"+path)
	}
	report := b.text(b.saved(), bundle.Report)
	data := func(id string, v any) {
		t.Helper()
		_, text, _ := strings.Cut(report, `<script type="text/plain" id="`+id+`">`)
		text, _, ok := strings.Cut(text, "</script>")
		r, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(text)))
		if err == nil {
			err = json.NewDecoder(r).Decode(v)
		}
		if !ok || err != nil {
			t.Fatalf("%s of the report: %v", id, err)
		}
	}
	var index struct {
		Rows   []struct{ Path, Outcome string }
		Status struct{ Status struct{ Mode string } }
	}
	data("index", &index)
	if len(index.Rows) != 2 || index.Rows[0].Path != "/a" || index.Status.Status.Mode != "mock" {
		t.Errorf("got %+v, want two exchanges and the status of the proxy", index)
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
