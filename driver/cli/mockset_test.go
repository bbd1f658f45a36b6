package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// asked is a command line behind "j proxy", and how it ends.
type asked struct {
	args   []string
	fake   fake
	stdin  string
	stdout string
	stderr string
	code   int
	calls  string // all of them, one a line; empty for any
}

// run compares a command line with its outcome.
func (a *asked) run(t *testing.T) {
	t.Helper()
	c := newConsole("COLUMNS=100")
	c.Stdin = strings.NewReader(a.stdin)
	code := c.exit(c.dispatch(t.Context(), "j proxy", &proxyCommands{}, a.args, proxy{&a.fake}))
	if diff := cmp.Diff([]string{a.stdout, a.stderr}, []string{c.stdout.String(), c.stderr.String()}); diff != "" || code != a.code {
		t.Errorf("%q: exit code %d, want %d, %s", a.args, code, a.code, diff)
	}
	if got := strings.Join(a.fake.calls, "\n"); a.calls != "" && got != a.calls {
		t.Errorf("%q: got the calls\n%s\nwant\n%s", a.args, got, a.calls)
	}
}

const someEndpoints = `[{"key": "GET /a", "summary": "200", "source": "a.yaml:3", "hits": 12, "enabled": true, "definition": {"status": 200}},
	{"key": "GET /b", "source": "", "hits": 0, "enabled": false, "definition": [{"match": {}}, {"status": 204}]},
	{"key": "GET /c\u001b[31m", "source": "", "hits": 0, "enabled": true, "definition": {"file": "x"}}]`

// Lists and changes of mocks, scenarios and state, and what they ask the exporter for.
func TestMockAndStateCommands(t *testing.T) {
	t.Parallel()
	file := filepath.Join(tempDir(t), "a.yaml")
	if err := os.WriteFile(file, []byte("status: 503\nfile: body.json\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(file), "body.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	endpoints := fake{answers: map[string]any{"list_endpoints": someEndpoints}}
	state := map[string]any{"get_all_state": `{"hits": 3, "a": "x"}`, "list_scenario_states": `{}`, "set_state": "State set: hits",
		"clear_state": "Cleared 2 state key(s)", "delete_state": "State deleted: hits"}
	mocks := map[string]any{"check_mock": `{"ok": true, "warnings": []}`, "put_mock": "Mock set: GET /a", "enable_mock": "Mock enabled: GET /a",
		"remove_mock": "Removed mock: GET /a", "upload_mock_file": "Uploaded: body.json (2 bytes)"}
	for _, a := range []asked{
		{args: []string{"start", "-p", "0"}, fake: fake{answers: map[string]any{"start": "Started in 'mock' mode on 127.0.0.1:40123 (PID 7)"}},
			stdout: "Started in 'mock' mode on 127.0.0.1:40123 (PID 7)\n", calls: "start mock false  -1"},
		{args: []string{"mock", "list"}, fake: endpoints,
			stdout: "  GET /a  ->  200\n  GET /b  ->  2 rule(s)  (disabled)\n  GET /c\ufffd[31m  ->  200 file:x\n"},
		{args: []string{"mock", "list", "--hits"}, fake: endpoints,
			stdout: "  HITS  ENDPOINT     ANSWER                 SOURCE\n    12  GET /a       200                    a.yaml:3\n" +
				"     0  GET /b       2 rule(s)  (disabled)\n     0  GET /c\ufffd[31m  200 file:x\n"},
		{args: []string{"mock", "list", "-o", "json"}, fake: fake{answers: map[string]any{"list_mocks": `{"GET /z": {}, "GET /a": {"status": 404}}`}},
			stdout: `[{"key":"GET /z","definition":{}},{"key":"GET /a","definition":{"status":404}}]` + "\n", calls: "list_endpoints\nlist_mocks"},
		{args: []string{"mock", "list", "--hits"}, fake: fake{answers: map[string]any{"list_mocks": `{"GET /z": {}}`}},
			stdout: "  HITS  ENDPOINT  ANSWER  SOURCE\n     -  GET /z    200\n"},
		{args: []string{"mock", "set", "GET /a", file}, fake: fake{answers: mocks}, stdout: "  uploading body.json\nMock set: GET /a\n",
			calls: "check_mock GET /a status: 503\nfile: body.json\nupload_mock_file body.json e30=\nput_mock GET /a status: 503\nfile: body.json"},
		{args: []string{"mock", "set", "GET", "/a", "-"}, stdin: "{status: 204}", fake: fake{answers: mocks}, stdout: "Mock set: GET /a\n",
			calls: "check_mock GET /a {status: 204}\nput_mock GET /a {status: 204}"},
		{args: []string{"mock", "set", "GET /a", "-"}, stdin: "x", code: 1,
			fake:   fake{answers: map[string]any{"check_mock": `{"error": "statsu: got an unknown key", "line": 2, "column": 5}`}},
			stderr: "j: standard input:2:5: statsu: got an unknown key\n", calls: "check_mock GET /a x"},
		{args: []string{"mock", "set", "GET /a", "-"}, stdin: "x", fake: fake{answers: map[string]any{"check_mock": `{"ok": true, "warnings": ["1:1: odd"]}`,
			"put_mock": "Mock set: GET /a"}}, stdout: "Mock set: GET /a\n", stderr: "warning: standard input:1:1: odd\n"},
		{args: []string{"mock", "set", "GET /a"}, code: 80,
			stderr: "j: got 1 words, want a key and a file, such as: mock set 'GET /a' a.yaml (see j mock set --help)\n"},
		{args: []string{"mock", "set", "GET /a", "nowhere.yaml"}, code: 1, stderr: "j: open nowhere.yaml: no such file or directory\n"},
		{args: []string{"mock", "enable", "GET", "/a"}, fake: fake{answers: mocks}, stdout: "Mock enabled: GET /a\n", calls: "enable_mock GET /a true"},
		{args: []string{"mock", "disable", "GET /a"}, fake: fake{answers: mocks}, stdout: "Mock enabled: GET /a\n", calls: "enable_mock GET /a false"},
		{args: []string{"mock", "remove", "GET /a"}, fake: fake{answers: mocks}, stdout: "Removed mock: GET /a\n", calls: "remove_mock GET /a"},
		{args: []string{"mock", "remove", "x"}, code: 80, stderr: "j: got \"x\", want the key of an endpoint, such as 'GET /a' (see j mock remove --help)\n"},
		{args: []string{"scenario", "list"}, fake: fake{answers: map[string]any{"list_scenarios": `[{"name": "a.yaml", "kind": "yaml"}]`}}, stdout: "  a.yaml  (yaml)\n"},
		{args: []string{"scenario", "list"}, fake: fake{answers: map[string]any{"list_scenarios": `[]`}}, stdout: "No scenarios found.\n"},
		{args: []string{"scenario", "load", "a.yaml"}, fake: fake{answers: map[string]any{"load_mock_scenario": "Loaded 1 endpoint(s) from a.yaml"}},
			stdout: "Loaded 1 endpoint(s) from a.yaml\n", calls: "load_mock_scenario a.yaml"},
		{args: []string{"state", "get", "hits"}, fake: fake{answers: state}, stdout: "3\n"},
		{args: []string{"state", "get", "hist"}, fake: fake{answers: state}, code: 1, stderr: "j: state: \"hist\" is not set\n"},
		{args: []string{"state", "set", "hits", "4"}, fake: fake{answers: state}, stdout: "State set: hits\n", calls: "set_state hits 4"},
		{args: []string{"state", "set", "city", "Oslo"}, fake: fake{answers: state}, stdout: "State set: hits\n", calls: `set_state city "Oslo"`},
		{args: []string{"state", "set", "user", "{a}"}, code: 1, stderr: "j: state set: got \"{a}\", want JSON\n"},
		{args: []string{"state", "clear"}, fake: fake{answers: state}, stdout: "Cleared 2 state key(s)\n", calls: "clear_state"},
		{args: []string{"state", "clear", "hits"}, fake: fake{answers: state}, stdout: "State deleted: hits\n", calls: "delete_state hits"},
		{args: []string{"state", "list", "--json"}, fake: fake{answers: state}, stdout: `{"scenarios":{},"state":{"a":"x","hits":3}}` + "\n"},
		{args: []string{"flow", "list", "--output", "json"}, fake: fake{answers: map[string]any{"list_flow_files": `[{"name": "a.bin"}]`}},
			stdout: `[{"name": "a.bin"}]` + "\n"},
	} {
		t.Run(strings.Join(a.args, " "), func(t *testing.T) {
			t.Parallel()
			a.run(t)
		})
	}
}
