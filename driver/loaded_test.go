package driver

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"starproxy/driver/document"
)

func TestLoadScenario(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	mocks := filepath.Join(b.dir, "mock-responses")
	b.want("Scenario file not found: "+filepath.Join(mocks, "none.json"), "load_mock_scenario", "none.json")
	b.want("Invalid scenario path: must be within "+mocks, "load_mock_scenario", "../x.yaml")
	b.write("mock-responses/a.json", `{"GET /a": {"status": 200}, "POST /b": {"status": 202, "body": {"x": true}}}`)
	b.write("mock-responses/dir/scenario.yaml", "mocks:\n  GET /dir: {body: 1}\n")
	b.write("mock-responses/yml/scenario.yml", "endpoints: {GET /yml: {body: 1}}\n")
	b.write("mock-responses/list.yaml", "- 1\n")
	b.write("mock-responses/nomap.yaml", "endpoints: [1]\n")
	b.write("mock-responses/broken.yaml", "endpoints:\n  - :\n    bad:: [yaml\n")
	b.write("mock-responses/typo.yaml", "endpoints:\n  GET /a:\n    statuss: 200\n")
	b.write("mock-responses/url.yaml", "mocks:\n  https://api.example.com/v1:\n  - method: GET\n    body: {real: false}\n")
	outside := b.write("outside.yaml", "GET /out: {body: out}\n")
	if err := os.Symlink(outside, filepath.Join(mocks, "link.yaml")); err != nil {
		t.Fatal(err)
	}
	b.want("Loaded 2 endpoint(s) from a.json", "load_mock_scenario", "a.json")
	b.want(`{"GET /a":{"status":200},"POST /b":{"status":202,"body":{"x":true}}}`, "list_mocks")
	b.want("Invalid scenario: expected a JSON/YAML object", "load_mock_scenario", "list.yaml")
	b.want("Invalid scenario: expected an object of endpoints", "load_mock_scenario", "nomap.yaml")
	b.want("Invalid scenario path: must be within "+mocks, "load_mock_scenario", "link.yaml")
	for _, name := range []string{"broken.yaml", "typo.yaml"} {
		got := b.call("load_mock_scenario", name)
		if !strings.HasPrefix(got, "Failed to load scenario: ") || !strings.Contains(got, name+":") {
			t.Error(got)
		}
	}
	if s := b.status(); s["mock_count"] != 2.0 || s["scenario"] != filepath.Join(mocks, "a.json") || s["scenario_error"] != nil {
		t.Error("a refused scenario changed something", s)
	}
	b.want("Loaded 1 endpoint(s) from scenario.yaml", "load_mock_scenario", "dir")
	b.want("Loaded 1 endpoint(s) from scenario.yml", "load_mock_scenario", "yml")
	b.want("Loaded 1 endpoint(s) from outside.yaml", "load_mock_scenario", outside)
	b.want("Loaded 1 endpoint(s) from x.yaml", "load_mock_scenario_content", "x.yaml", "GET /x: {body: 1}\n")
	b.want("Loaded 1 endpoint(s) from x.json", "load_mock_scenario_content", "x.json", `{"endpoints": {"GET /x": {}}}`)
	b.want("Invalid scenario: expected a JSON/YAML object", "load_mock_scenario_content", "x.json", `[]`)
	b.want("Invalid scenario: expected an object of endpoints", "load_mock_scenario_content", "x.yaml", `mocks: 7`)
	if got := b.call("load_mock_scenario_content", "x.yaml", "a: ["); !strings.HasPrefix(got, "Failed to parse scenario: x.yaml:") {
		t.Error(got)
	}
	if got := b.call("load_mock_scenario_content", "x.star", "endpoints = {'GET /x': tru}"); !strings.HasPrefix(got, "Failed to parse scenario: x.star:1:24: undefined: tru") {
		t.Error(got)
	}

	// A URL's endpoint can be overridden and removed without naming its server.
	b.want("Loaded 1 endpoint(s) from url.yaml", "load_mock_scenario", "url.yaml")
	b.want("Mock set: GET /v1 → 203", "set_mock", "GET", "/v1", 203.0, "{}")
	b.want(`{"GET /v1":{"body":{},"content_type":"application/json","headers":{},"status":203}}`, "list_mocks")
	b.call("load_mock_scenario", "url.yaml")
	b.want("Removed mock: GET /v1", "remove_mock", "GET", "/v1")
	b.want("Cleared 0 mock(s)", "clear_mocks")
	if s := b.status(); s["scenario"] != nil {
		t.Error(s)
	}
}

func TestStartupMocks(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) {
		text := "mock_scenario: base.yaml\nmocks:\n  GET /b: {body: inline}\n  GET /c: {body: c}\n"
		if err := document.Decode("exporter.yaml", []byte(text), c); err != nil {
			t.Fatal(err)
		}
		c.File = "exporter.yaml"
	})
	path := b.write("mock-responses/base.yaml", "GET /a: {body: a}\nGET /b: {body: b}\n")
	b.call("set_mock", "GET", "/gone", 200.0, "{}")
	proxy := b.start()
	for target, want := range map[string]string{"/a": "200 a", "/b": "200 inline", "/c": "200 c"} {
		if got := b.get(proxy, "http://nowhere.invalid"+target); got != want {
			t.Errorf("%s: %s", target, got)
		}
	}
	b.want(`{"GET /a":{"body":"a"},"GET /b":{"body":"inline"},"GET /c":{"body":"c"}}`, "list_mocks")
	b.call("stop")

	// A broken scenario: the start fails and leaves everything as it was.
	b.write("mock-responses/base.yaml", "GET /a: {body: a, statu: 1}\n")
	got := b.call("start")
	if !strings.HasPrefix(got, "Failed to initialize mock mode: "+path+":1:") {
		t.Error(got)
	}
	if s := b.status(); s["mock_count"] != 3.0 || s["running"] != false {
		t.Error(s)
	}
	// None at all: it is waited for.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	proxy = b.start()
	if s := b.status(); s["mock_count"] != 2.0 || !strings.HasSuffix(fmt.Sprint(s["scenario_error"]), "base.yaml: no such file") {
		t.Error(s)
	}
	b.write("mock-responses/base.yaml", "GET /late: {body: late}\n")
	b.awaitLog("scenario reloaded")
	if got := b.get(proxy, "http://nowhere.invalid/late"); got != "200 late" {
		t.Error(got)
	}
	if s := b.status(); s["scenario_error"] != nil {
		t.Error(s)
	}
}

func TestScenarioDirectoryComesLater(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.MockScenario = "happy-path" })
	proxy := b.start()
	dir := filepath.Join(b.dir, "mock-responses", "happy-path")
	if s := b.status(); s["scenario"] != dir || s["scenario_error"] != "mock_scenario "+dir+": no such file" {
		t.Error(s)
	}
	b.write("mock-responses/happy-path/scenario.yml", "GET /a: {body: a}\n")
	b.awaitLog("scenario reloaded")
	if got := b.get(proxy, "http://nowhere.invalid/a"); got != "200 a" {
		t.Error(got)
	}
	b.write("mock-responses/happy-path/scenario.yml", "GET /a: {body: b}\n")
	b.awaitLog("scenario reloaded")
	if got := b.get(proxy, "http://nowhere.invalid/a"); got != "200 b" {
		t.Error(got)
	}
	if s := b.status(); s["scenario_error"] != nil {
		t.Error(s)
	}
}

func TestBadInlineMocks(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) {
		cfg, err := readConfig("exporter.yaml", []byte("mocks:\n  GET /b:\n    bdy: inline\n"))
		if err != nil {
			t.Fatal(err)
		}
		c.Mocks, c.File = cfg.Mocks, cfg.File
	})
	if got := b.call("start"); !strings.HasPrefix(got, "Failed to initialize mock mode: exporter.yaml:3:5: ") {
		t.Error(got)
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	path := b.write("mock-responses/s.yaml", "GET /a: {body: one}\nGET /b: {body: b}\nGET /c: {body: c}\n")
	b.call("load_mock_scenario", "s.yaml")
	b.call("set_mock", "GET", "/b", 200.0, `"mine"`)
	proxy := b.start()
	get := func(path, want string) {
		t.Helper()
		if got := b.get(proxy, "http://nowhere.invalid"+path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	get("/a", "200 one")

	// Written in place.
	b.write("mock-responses/s.yaml", "GET /a: {body: two}\nGET /b: {body: bb}\n")
	b.awaitLog("scenario reloaded")
	get("/a", "200 two")
	get("/b", "200 mine")
	if s := b.status(); s["mock_count"] != 2.0 {
		t.Error(s)
	}

	// Broken: nothing changes, and status tells.
	b.write("mock-responses/s.yaml", "GET /a: {body: three}\nGET /b: {bdy: 1}\n")
	b.awaitLog("scenario not reloaded")
	get("/a", "200 two")
	if s := b.status(); !strings.HasPrefix(fmt.Sprint(s["scenario_error"]), path+":2:") {
		t.Error(s)
	}

	// Mended the way editors save: written aside, then renamed over it.
	aside := b.write("mock-responses/.s.yaml.swp", "GET /a: {body: four}\n")
	if err := os.Rename(aside, path); err != nil {
		t.Fatal(err)
	}
	b.awaitLog("scenario reloaded")
	get("/a", "200 four")
	if s := b.status(); s["scenario_error"] != nil {
		t.Error(s)
	}

	// The directory itself is replaced, as a checkout does it.
	dir := filepath.Dir(path)
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	b.awaitLog("scenario not reloaded")
	b.write("mock-responses/s.yaml", "GET /a: {body: five}\n")
	b.awaitLog("scenario reloaded")
	get("/a", "200 five")

	// No longer followed once cleared.
	b.call("clear_mocks")
	if o, ok := b.d.endpoints.Origin(); ok {
		t.Errorf("%s is still followed", o.Path)
	}
}

func TestReloadThroughLink(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.write("v1/s.yaml", "GET /a: {body: one}\n")
	b.write("v2/s.yaml", "GET /a: {body: two}\n")
	link := filepath.Join(b.dir, "current")
	if err := os.Symlink("v1", link); err != nil {
		t.Fatal(err)
	}
	b.want("Loaded 1 endpoint(s) from s.yaml", "load_mock_scenario", filepath.Join(link, "s.yaml"))
	proxy := b.start()
	if err := os.Symlink("v2", link+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link+".new", link); err != nil {
		t.Fatal(err)
	}
	b.awaitLog("scenario reloaded")
	if got := b.get(proxy, "http://nowhere.invalid/a"); got != "200 two" {
		t.Error(got)
	}
	b.write("v2/s.yaml", "GET /a: {body: three}\n")
	b.awaitLog("scenario reloaded")
	if got := b.get(proxy, "http://nowhere.invalid/a"); got != "200 three" {
		t.Error(got)
	}
}
