package cli

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"starproxy/builtins/disk"
	"starproxy/builtins/exchange"
	"starproxy/driver/bundle"
	"starproxy/driver/capture"
	"starproxy/driver/compare"
	"starproxy/driver/flow"
	"starproxy/driver/mask"
)

// recordedFlow returns a request of a device, n seconds after the first one.
func recordedFlow(n int, method, target, agent, body string) *flow.Flow {
	at := time.Unix(1_795_000_000+int64(n), 0)
	h := exchange.HeaderOf("Host", "api.example.com", "User-Agent", agent, "X-Api-Key", "k-secret-value")
	if body != "" {
		h.Add("Content-Type", "application/json")
	}
	return &flow.Flow{
		Created: at,
		Request: flow.Request{
			Method: method, Scheme: "https", Host: "api.example.com", Port: 443, Path: target, Proto: "HTTP/1.1", Header: h,
			Body: flow.Body{Blob: capture.Blob{Size: int64(len(body)), Data: []byte(body)}}, Start: at, End: at,
		},
		Response: &flow.Response{
			Status: 200, Proto: "HTTP/1.1", Header: exchange.HeaderOf("Content-Type", "text/plain"), Start: at, End: at,
			Body: flow.Body{Blob: capture.Blob{Size: 6, Data: []byte("answer")}},
		},
	}
}

// saveSession writes a flow file into dir, or a HAR document by the end of its name.
func saveSession(t *testing.T, dir, name string, flows ...*flow.Flow) string {
	t.Helper()
	path := filepath.Join(dir, name)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	each := func(yield func(*flow.Flow, error) bool) {
		for _, fl := range flows {
			if !yield(fl, nil) {
				return
			}
		}
	}
	if strings.HasSuffix(name, ".har") {
		err = flow.WriteHAR(f, each, "")
	} else {
		err = flow.WriteFlows(f, each)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// diff runs "session diff" and returns what it printed.
func diff(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	c := newConsole("COLUMNS=100")
	c.Name = "starproxy"
	code = c.run(t.Context(), append([]string{"session", "diff"}, args...))
	return c.stdout.String(), c.stderr.String(), code
}

func TestSessionDiff(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	old := saveSession(t, dir, "old.flow", recordedFlow(0, "GET", "/config", "tcu/1", ""),
		recordedFlow(1, "POST", "/telemetry", "tcu/1", `{"level": 1}`))
	now := saveSession(t, dir, "new.har", recordedFlow(0, "GET", "/config", "tcu/1", ""),
		recordedFlow(1, "POST", "/telemetry", "tcu/1", `{"level": "1"}`), recordedFlow(2, "GET", "/beacon", "tcu/1", ""))
	stdout, stderr, code := diff(t, old, now)
	want := "old: " + old + ` (2 requests, 2 endpoints, 1s)
new: ` + now + ` (3 requests, 3 endpoints, 2s)

added-endpoint (1)
  GET api.example.com/beacon
    is new: 1 request (the first after 2 s; the other session lasted 1 s)

schema (1)
  POST api.example.com/telemetry
    level is string, was number

Not compared, for the values are others each time:
  header X-Api-Key (secret), at 2 endpoints

2 differences.
`
	if stdout != want || stderr != "" || code != exitFailure {
		t.Errorf("got code %d, stderr %q and\n%s\nwant code 1 and\n%s", code, stderr, stdout, want)
	}
	for _, test := range []struct {
		name, stdout, stderr string
		args                 []string
		code                 int
	}{
		{"another kind fails", "2 differences, 0 of them of the kinds that fail.\n", "", []string{old, now, "--fail-on", "tls,size"}, 0},
		{"one of two fails", "2 differences, 1 of them of the kinds that fail.\n", "", []string{old, now, "--fail-on", "schema"}, 1},
		{"none fails", "2 differences, 0 of them of the kinds that fail.\n", "", []string{old, now, "--fail-on", "none"}, 0},
		{"the same", "Nothing differs.\n", "", []string{now, now}, 0},
		{"unknown kind", "", `starproxy: --fail-on: got "added-hosts", want a kind of difference; did you mean "added-host"?` + "\n",
			[]string{old, now, "--fail-on", "added-hosts"}, exitUsage},
		{"no such file", "", "no-such.flow", []string{old, filepath.Join(dir, "no-such.flow")}, 1},
	} {
		stdout, stderr, code := diff(t, test.args...)
		if !strings.HasSuffix(stdout, test.stdout) || !strings.Contains(stderr, test.stderr) || code != test.code {
			t.Errorf("%s: got code %d, %q and %q", test.name, code, stdout, stderr)
		}
	}
}

// TestSessionDiffForms looks at the report as JSON, HTML and JUnit XML, and at rules.
func TestSessionDiffForms(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	old := saveSession(t, dir, "old.flow", recordedFlow(0, "GET", "/a", "tcu/1", ""))
	now := saveSession(t, dir, "new.flow", recordedFlow(0, "GET", "/a", "<tcu>/2", ""))
	page, junit := filepath.Join(dir, "diff.html"), filepath.Join(dir, "diff.xml")
	stdout, stderr, code := diff(t, old, now, "--json", "--html", page, "--junit", junit)
	var report compare.Report
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || code != exitFailure || stderr != "" {
		t.Fatalf("got %v, code %d and %q", err, code, stderr)
	}
	if len(report.Findings) != 1 || report.Findings[0].Kind != compare.UserAgent || report.Findings[0].Old != `"tcu/1"` {
		t.Errorf("got %+v, want the User-Agent", report.Findings)
	}
	html, err := os.ReadFile(page)
	if err != nil || !strings.Contains(string(html), "&lt;tcu&gt;/2") || strings.Contains(string(html), "<tcu>") {
		t.Errorf("%v: the page has not the escaped User-Agent:\n%s", err, html)
	}
	xml, err := os.ReadFile(junit)
	if err != nil || strings.Count(string(xml), "<failure") != 1 || !strings.Contains(string(xml), `name="user-agent"`) {
		t.Errorf("%v: got the JUnit document\n%s", err, xml)
	}
	rules := filepath.Join(dir, "rules.yaml")
	for text, want := range map[string]struct {
		stdout, stderr string
		code           int
	}{
		"ignore:\n- {kind: user-agent}\n":         {stdout: "Nothing differs.\n"},
		"volatile:\n- {header: user-agent}\n":     {stdout: "Nothing differs.\n"},
		"ignore:\n- {endpoint: \"POST *\"}\n":     {stdout: "1 difference.\n", code: 1},
		"ignore:\n- {kind: user-agents}\n":        {stderr: `rules.yaml:2:10: ignore[0].kind: got "user-agents", want a kind`, code: 1},
		"volatile:\n- {endpoint: \"*\"}\n":        {stderr: "rules.yaml:2:3: volatile[0]: got 0 of header, query and body, want one", code: 1},
		"tolerance: {}\n":                         {stderr: `unknown key "tolerance"; did you mean "tolerances"?`, code: 1},
		"tolerances: {count: -1}\n":               {stderr: "tolerances.count: got -1, want a share", code: 1},
		"paths: [vehicles]\n":                     {stderr: `paths[0]: got "vehicles", want a path`, code: 1},
		"paths: [\"/{any}\"]\nignore: [{}]\n":     {stderr: "ignore[0]: got nothing", code: 1},
		"ignore: [{header: a, query: b}]\n":       {stderr: "ignore[0]: got 2 of header, query and body", code: 1},
		"ignore: [{kind: user-agent, body: x}]\n": {stdout: "1 difference.\n", code: 1},
	} {
		if err := os.WriteFile(rules, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		stdout, stderr, code := diff(t, old, now, "--rules", rules)
		if !strings.HasSuffix(stdout, want.stdout) || !strings.Contains(stderr, want.stderr) || code != want.code {
			t.Errorf("%s: got code %d, %q and %q", text, code, stdout, stderr)
		}
	}
}

// TestSessionDiffApprove makes golden files.
func TestSessionDiffApprove(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	now := saveSession(t, dir, "new.flow", recordedFlow(0, "GET", "/a?token=t-secret-value", "tcu/1", ""),
		recordedFlow(1, "POST", "/b", "tcu/1", `{"password": "p-secret-value", "pin": 4711}`))
	next := saveSession(t, dir, "next.flow", recordedFlow(0, "GET", "/a?token=another-value", "tcu/2", ""),
		recordedFlow(1, "POST", "/b", "tcu/2", `{"password": "longer-than-the-first-one-by-very-many-letters", "pin": 1}`))
	for _, golden := range []string{filepath.Join(dir, "golden.flow"), filepath.Join(dir, "golden.har")} {
		stdout, stderr, code := diff(t, golden, now, "--approve")
		if want := golden + " is the golden file now (2 requests).\n"; stdout != want || stderr != "" || code != 0 {
			t.Fatalf("first: got code %d, %q and %q", code, stdout, stderr)
		}
		data, err := disk.Read(golden, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"t-secret-value", "p-secret-value", "k-secret-value", "4711", "answer"} {
			if strings.Contains(string(data), secret) {
				t.Errorf("%s has %s in it", golden, secret)
			}
		}
		if stdout, stderr, code = diff(t, golden, now); !strings.HasSuffix(stdout, "\nNothing differs.\n") || code != 0 {
			t.Errorf("the same session: got code %d, %q and %q", code, stdout, stderr)
		}
		stdout, stderr, code = diff(t, golden, next, "--approve")
		if !strings.Contains(stdout, "\n1 difference.\n"+golden+" is the golden file now") || stderr != "" || code != 0 {
			t.Errorf("next: got code %d, %q and %q", code, stdout, stderr)
		}
		if stdout, _, code = diff(t, golden, next); !strings.HasSuffix(stdout, "\nNothing differs.\n") || code != 0 {
			t.Errorf("after the approval: got code %d and %q", code, stdout)
		}
	}
	golden := saveSession(t, dir, "kept.flow", recordedFlow(0, "GET", "/a", "tcu/1", ""))
	_, stderr, code := diff(t, golden, saveSession(t, dir, "empty.har"), "--approve")
	if code != 1 || !strings.Contains(stderr, "--approve: got no requests in") {
		t.Errorf("an empty session: got code %d and %q", code, stderr)
	}
	if stdout, _, _ := diff(t, golden, golden); !strings.Contains(stdout, "(1 request, ") {
		t.Errorf("after an empty session, the golden file has not its request any more: %s", stdout)
	}
	scenario := filepath.Join(dir, "scenario.yaml")
	if err := os.WriteFile(scenario, []byte("endpoints:\n  GET /a: {body: x}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := diff(t, scenario, now, "--approve"); code != exitUsage || !strings.Contains(stderr, "--approve: got the scenario") {
		t.Errorf("a scenario: got code %d and %q", code, stderr)
	}
}

// TestSessionDiffBundle compares the masked session of a bundle with one that is not
// masked.
func TestSessionDiffBundle(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	sent := func(secret, agent string) *flow.Flow {
		f := recordedFlow(0, "POST", "/b?token="+secret, agent, `{"password": "`+secret+`", "n": 1}`)
		f.Request.Header.Set("Authorization", "Bearer "+secret)
		return f
	}
	old := filepath.Join(dir, "old.zip")
	err := saveFile(old, private, func(w io.Writer) error {
		b, err := bundle.Create(w, 0, bundle.Manifest{})
		if err != nil {
			return err
		}
		m := mask.New(mask.Options{})
		f := sent("first-secret-of-the-device", "tcu/1")
		if err := m.Learn(f); err != nil {
			return err
		}
		masked, err := m.Flow(f)
		if err != nil {
			return err
		}
		err = b.Add(bundle.File{Name: bundle.Flows}, func(w io.Writer) error {
			return flow.WriteFlows(w, func(yield func(*flow.Flow, error) bool) { yield(masked, nil) })
		})
		if err != nil {
			return err
		}
		_, err = b.Close()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	same := saveSession(t, dir, "same.flow", sent("another", "tcu/1"))
	if stdout, stderr, code := diff(t, old, same); !strings.HasSuffix(stdout, "\nNothing differs.\n") || stderr != "" || code != 0 {
		t.Errorf("got code %d, %q and %q", code, stdout, stderr)
	}
	changed := saveSession(t, dir, "changed.flow", sent("another", "tcu/2"))
	if stdout, _, code := diff(t, old, changed); !strings.HasSuffix(stdout, "\n1 difference.\n") || code != exitFailure {
		t.Errorf("got code %d and %q", code, stdout)
	}
	if _, stderr, code := diff(t, old, same, "--approve"); code != exitUsage || !strings.Contains(stderr, "--approve: got the bundle") {
		t.Errorf("got code %d and %q", code, stderr)
	}
}

// TestSessionDiffScenario compares a session with the endpoints of a scenario.
func TestSessionDiffScenario(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	scenario := filepath.Join(dir, "scenario.yaml")
	text := "endpoints:\n  GET /vehicles/{id}: {body: x}\n  \"POST /b\": {match: {body_json: {kind: boot}}, body: x}\n  GET /never: {body: x}\n"
	if err := os.WriteFile(scenario, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	now := saveSession(t, dir, "new.flow", recordedFlow(0, "GET", "/vehicles/1", "tcu/1", ""),
		recordedFlow(1, "POST", "/b", "tcu/1", `{"kind": "boot"}`), recordedFlow(2, "POST", "/b", "tcu/1", `{"kind": "other"}`))
	stdout, stderr, code := diff(t, scenario, now)
	want := "old: " + scenario + ` (3 endpoints)
new: ` + now + ` (3 requests, 2 endpoints, 2s)

added-endpoint (1)
  POST api.example.com/b
    is new: 1 request

gone-endpoint (1)
  GET /never
    is in the scenario, and never called

2 differences.
`
	if stdout != want || stderr != "" || code != exitFailure {
		t.Errorf("got code %d, %q and\n%s\nwant\n%s", code, stderr, stdout, want)
	}
}

// TestSessionDiffWithoutExporter runs the command behind "j proxy" where there is no
// exporter.
func TestSessionDiffWithoutExporter(t *testing.T) {
	t.Parallel()
	old := saveSession(t, tempDir(t), "old.flow", recordedFlow(0, "GET", "/a", "tcu/1", ""))
	c := newConsole()
	if code := c.run(t.Context(), []string{"proxy", "session", "diff", old, old}); code != 0 || !strings.HasSuffix(c.stdout.String(), "Nothing differs.\n") {
		t.Errorf("got code %d, %q and %q", code, c.stdout.String(), c.stderr.String())
	}
}

// TestDocsRules reads the rules that the documentation shows.
func TestDocsRules(t *testing.T) {
	t.Parallel()
	_, text, ok := strings.Cut(docs(t)["docs/comparing-firmware.md"], "```yaml\npaths:")
	text, _, end := strings.Cut(text, "```\n")
	if !ok || !end {
		t.Fatal("docs/comparing-firmware.md has no block of rules")
	}
	rules, err := compare.ReadRules("rules.yaml", []byte("paths:"+text))
	if err != nil {
		t.Fatal(err)
	}
	if len(rules.Paths) != 1 || len(rules.Volatile) != 3 || len(rules.Ignore) != 3 || rules.Tolerances.Interval != 0.2 {
		t.Errorf("got %+v", rules)
	}
}
