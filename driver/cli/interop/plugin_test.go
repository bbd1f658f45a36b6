package interop

import (
	"archive/zip"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"html"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The secret that the suite in red sends, and that nothing of what it leaves may have.
const redSecret = "sk-4f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c"

// The tests of the suite in red that fail on purpose and leave a bundle.
var redFailures = []string{"test_login", "test_expectations", "test_before", "test_after"}

// redRun is a run of the suite in red.
type redRun struct {
	output
	dir   string // where it ran
	cases map[string]redCase
}

// redCase is a test in the JUnit report.
type redCase struct {
	Name       string `xml:"name,attr"`
	Properties []struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	} `xml:"properties>property"`
	Failure *trace `xml:"failure"`
	Error   *trace `xml:"error"`
}

// text is what the report says of the failure.
func (c redCase) text() string {
	switch {
	case c.Failure != nil:
		return c.Failure.Text
	case c.Error != nil:
		return c.Error.Text
	}
	return ""
}

// bundle is the path of the bundle beside the report, empty if there is none.
func (c redCase) bundle() string {
	for _, p := range c.Properties {
		if p.Name == "starproxy_bundle" {
			return p.Value
		}
	}
	return ""
}

// pluginSite makes the wheel of the Python package, and returns a directory in which it is
// installed: so the plugin is found by its entry point.
func pluginSite(t *testing.T) string {
	t.Helper()
	py := python(t)
	dir := tempDir(t)
	env := environ([]string{py}, "HOME="+dir)
	must := func(argv ...string) {
		t.Helper()
		if out := run(t, root(t), env, argv...); out.code != 0 {
			t.Fatalf("%s: %s", strings.Join(argv, " "), out)
		}
	}
	must("make", "wheel", "PYTHON=python", "DIST="+dir, "PIP_ARGS=--no-build-isolation --no-index")
	wheels, err := filepath.Glob(filepath.Join(dir, "*.whl"))
	if err != nil || len(wheels) != 1 {
		t.Fatalf("make wheel left %v, %v", wheels, err)
	}
	site := filepath.Join(dir, "site")
	must("python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps", "--no-index", "--target", site, wheels[0])
	return site
}

// runRed runs the suite in red, which fails, with the plugin in site.
func runRed(t *testing.T, site string, env []string, args ...string) *redRun {
	t.Helper()
	r := &redRun{dir: tempDir(t), cases: map[string]redCase{}}
	if err := os.CopyFS(r.dir, os.DirFS("red")); err != nil {
		t.Fatal(err)
	}
	// A port that nobody has had: whoever still asks there would be told in the report.
	config := filepath.Join(r.dir, "starproxy.yaml")
	data, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	write(t, config, fmt.Sprintf("%slisten: {port: %d}\n", data, freePort(t)))
	env = append(env, "PYTHONPATH="+site, "STARPROXY="+filepath.Join(bin, "starproxy"), "HOME="+r.dir, "TMPDIR="+r.dir)
	argv := append([]string{"pytest", "-q", "-p", "no:cacheprovider", "-c", os.DevNull, "--rootdir", r.dir,
		"-o", "asyncio_default_fixture_loop_scope=function", "--tb=short", "--starproxy-config", "starproxy.yaml",
		"--junit-xml", "reports/junit.xml"}, args...)
	r.output = run(t, r.dir, environ([]string{python(t)}, env...), argv...)
	data, err = os.ReadFile(filepath.Join(r.dir, "reports", "junit.xml"))
	if err != nil {
		t.Fatalf("pytest left no report: %s", r)
	}
	if strings.Contains(string(data), redSecret) || strings.Contains(r.stdout, redSecret) {
		t.Errorf("the secret is in the report: %s", r)
	}
	var suite struct {
		Cases []redCase `xml:"testsuite>testcase"`
	}
	if err := xml.Unmarshal(data, &suite); err != nil {
		t.Fatal(err)
	}
	for _, c := range suite.Cases {
		if was, ok := r.cases[c.Name]; !ok || was.text() == "" { // a test that fails at its end has two
			r.cases[c.Name] = c
		}
	}
	if r.code != 1 {
		t.Fatalf("pytest: %s", r)
	}
	return r
}

// failures checks which tests failed, and returns those with a bundle.
func (r *redRun) failures(t *testing.T) (bundled []string) {
	t.Helper()
	for name, c := range r.cases {
		if want := slices.Contains(redFailures, name) || name == "test_misspelt" || name == "test_dies"; want != (c.text() != "") {
			t.Errorf("%s: got the failure %q, want one: %v", name, c.text(), want)
		}
		if c.bundle() != "" {
			bundled = append(bundled, name)
		}
	}
	slices.Sort(bundled)
	return bundled
}

// requests returns the paths of the requests in the bundle of a test.
func (r *redRun) requests(t *testing.T, name string) (paths []string) {
	t.Helper()
	z, err := zip.OpenReader(filepath.Join(r.dir, "reports", filepath.FromSlash(r.cases[name].bundle())))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for _, f := range z.File {
		content, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(content)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), redSecret) {
			t.Errorf("%s: the secret is in %s", name, f.Name)
		}
		if f.Name != "session.har" {
			continue
		}
		var har struct {
			Log struct {
				Entries []struct{ Request struct{ URL string } }
			}
		}
		if err := json.Unmarshal(data, &har); err != nil {
			t.Fatal(err)
		}
		for _, e := range har.Log.Entries {
			path, _, _ := strings.Cut(strings.TrimPrefix(e.Request.URL, "http://api.device.example"), "access_token")
			paths = append(paths, path)
		}
	}
	return paths
}

// redText is the part of the report of test_login about the exchanges.
var redText = regexp.MustCompile(`(?s)^No mock answers 1 request:
  #\d+ POST http://api\.device\.example/loginn → 501, no mock, \d+ ms
      nearest: POST /login \(day\.yaml:3\): path is "/loginn", expected "/login"
.*
2 exchanges since the test began:
  #\d+ GET http://api\.device\.example/settings\?([^ ]*) → 200 by GET /settings, \d+ ms
  #\d+ POST http://api\.device\.example/loginn → 501, no mock, \d+ ms$`)

// told checks the text about a failed test, and returns the query of its first request.
func (r *redRun) told(t *testing.T) string {
	t.Helper()
	_, text, _ := strings.Cut(r.cases["test_login"].text(), "- starproxy")
	_, text, _ = strings.Cut(text, "\n")
	found := redText.FindStringSubmatch(strings.TrimSpace(text))
	if found == nil {
		t.Fatalf("the text of test_login is %s", r.cases["test_login"].text())
	}
	if text := r.cases["test_misspelt"].text(); !strings.Contains(text, "got the keyword 'clok', want scenario, seed") {
		t.Errorf("the text of test_misspelt is %s", text)
	}
	if text := r.cases["test_dies"].text(); text != "" && !strings.Contains(text, "ended (killed by signal 9); the next test starts it again") {
		t.Errorf("the text of test_dies is %s", text)
	}
	want := "AssertionError: expectations do not hold, in 1 exchanges:\nE   expectations:1:42: GET /settings: "
	if text := r.cases["test_expectations"].text(); !strings.Contains(text, want) {
		t.Errorf("the text of test_expectations is %s", text)
	}
	return found[1]
}

// TestPytest runs a suite of which some tests fail, and looks at what the plugin makes of
// them.
func TestPytest(t *testing.T) {
	t.Parallel()
	python(t)
	program(t, "make")
	site := pluginSite(t)
	t.Run("plain", func(t *testing.T) {
		t.Parallel()
		r := runRed(t, site, nil)
		if got := r.failures(t); !slices.Equal(got, []string{"test_after", "test_before", "test_expectations", "test_login"}) {
			t.Errorf("%v have a bundle", got)
		}
		if query := r.told(t); !strings.HasSuffix(query, "&page=2") {
			t.Errorf("the query is told as %q", query)
		}
		for name, want := range map[string]string{
			"test_login": "[/settings? /loginn]", "test_before": "[/health?before]", "test_after": "[/health?after]",
		} {
			if got := fmt.Sprint(r.requests(t, name)); got != want {
				t.Errorf("%s: the bundle has %s, want %s", name, got, want)
			}
		}
		coverage(t, r)
	})
	t.Run("xdist and html", func(t *testing.T) {
		t.Parallel()
		r := runRed(t, site, nil, "-n", "2", "--html", "reports/report.html")
		if got := r.failures(t); len(got) != len(redFailures) {
			t.Errorf("%v have a bundle", got)
		}
		r.told(t)
		coverage(t, r)
		r.links(t)
	})
	t.Run("always", func(t *testing.T) {
		t.Parallel()
		r := runRed(t, site, nil, "--starproxy-bundle=always", "--starproxy-bundle-dir=kept")
		if got := r.failures(t); len(got) != len(r.cases)-2 { // all but test_misspelt, which did not begin, and test_dies
			t.Errorf("%v of %d have a bundle", got, len(r.cases))
		}
		if place := r.cases["test_is_set_up"].bundle(); !strings.HasPrefix(place, "../kept/") {
			t.Errorf("a bundle is at %s", place)
		}
		if got := fmt.Sprint(r.requests(t, "test_is_set_up")); got != "[/health]" {
			t.Errorf("the bundle has %s", got)
		}
	})
	t.Run("off", func(t *testing.T) {
		t.Parallel()
		r := runRed(t, site, nil, "--starproxy-bundle=off")
		if got := r.failures(t); len(got) != 0 {
			t.Errorf("%v have a bundle", got)
		}
		r.told(t)
		if _, err := os.Stat(filepath.Join(r.dir, "reports", "starproxy-bundles")); !os.IsNotExist(err) {
			t.Errorf("the directory of bundles: %v", err)
		}
	})
}

// coverage checks what the run tells of the mocks: both those of the configuration and
// those of the scenario.
func coverage(t *testing.T, r *redRun) {
	t.Helper()
	want := "The tests met 3 of 4 endpoints, rules and steps of the mocks (75 %).\nNever met:\n  POST /login  (day.yaml:3)\n"
	if !strings.Contains(r.stdout, want) {
		t.Errorf("the summary lacks %q: %s", want, r)
	}
}

// htmlData is the part of pytest-html's page that its script reads.
var htmlData = regexp.MustCompile(`data-jsonblob="([^"]*)"`)

// links checks the links in the page of pytest-html.
func (r *redRun) links(t *testing.T) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(r.dir, "reports", "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	found := htmlData.FindSubmatch(page)
	if found == nil {
		t.Fatal("the page has no data")
	}
	var data struct {
		Tests map[string][]struct {
			TestID string `json:"testId"`
			Extras []struct{ Name, Content string }
		}
	}
	if err := json.Unmarshal([]byte(html.UnescapeString(string(found[1]))), &data); err != nil {
		t.Fatal(err)
	}
	for id, rows := range data.Tests {
		test, _, _ := strings.Cut(id[strings.LastIndex(id, "::")+2:], "[")
		for _, row := range rows {
			var names []string
			for _, e := range row.Extras {
				names = append(names, e.Name)
				if st, err := os.Stat(filepath.Join(r.dir, "reports", filepath.FromSlash(e.Content))); err != nil || st.Size() == 0 {
					t.Errorf("%s: the link %s: %v", id, e.Content, err)
				}
			}
			want := ""
			if slices.Contains(redFailures, test) {
				want = "exchanges bundle"
			}
			if got := strings.Join(names, " "); got != want {
				t.Errorf("%s: the page has the links %q, want %q", row.TestID, got, want)
			}
		}
	}
}

// TestPytestShared runs the suite with an exporter that is there already.
func TestPytestShared(t *testing.T) {
	t.Parallel()
	python(t)
	site := pluginSite(t)
	b := ours(t, "      unmatched: reject\n      mocks: {GET /health: {status: 200, body: {ok: true}}}\n")
	t.Run("workers", func(t *testing.T) {
		r := runRed(t, site, b.environ, "-n", "2")
		want := "2 workers of pytest-xdist cannot share the exporter of JUMPSTARTER_HOST, which has 1 proxy"
		if text := r.cases["test_is_fresh"].text(); !strings.Contains(text, want) {
			t.Errorf("got %s, want %s", text, want)
		}
	})
	b.mustJ(t, b.dir, "proxy", "mock", "list") // it is as it was
	t.Run("alone", func(t *testing.T) {
		for range 2 { // the second run finds it as the first did
			r := runRed(t, site, b.environ)
			r.told(t)
			if text := r.cases["test_is_fresh_again"].text(); text != "" {
				t.Errorf("test_is_fresh_again: %s", text)
			}
			if text := r.cases["test_is_the_same[1]"].text(); !strings.Contains(text, "has a seed of its own, which tests cannot set") {
				t.Errorf("test_is_the_same: %s", text)
			}
		}
	})
}
