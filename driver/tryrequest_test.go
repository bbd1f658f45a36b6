package driver

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// decoded calls a method and decodes its answer.
func (b *bench) decoded(into any, method string, args ...any) {
	b.Helper()
	text := b.call(method, args...)
	if err := json.Unmarshal([]byte(text), into); err != nil {
		b.Fatalf("%s: %s: %v", method, text, err)
	}
}

// triedAnswer is what try_request tells.
type triedAnswer struct {
	Status                          int
	Headers                         [][2]string
	Body, Endpoint, Source, Handler string
	RealServer                      bool `json:"real_server"`
	Latency                         int  `json:"latency_ms"`
	Later                           int
	Fault                           string
	Nearest                         []struct{ Endpoint string }
	Notes                           []struct{ Level, Text string }
	Error                           *struct {
		Line               int
		Message, Backtrace string
	}
	Changes []struct {
		Key           string
		Before, After json.RawMessage
	}
	Webhooks []struct{ Method, URL, Body string }
}

const triedScript = `
load("lib.star", "half")

def login(req):
    print("user " + req.json("user"))
    state.set("user", req.json("user"))
    webhook("http://localhost:1/told", body = {"n": 1})
    return response(201, {"n": counter("logins")})

def broken(req):
    return half(0)

endpoints = {
    "POST /login": login,
    "GET /broken": broken,
    "GET /slow": {"body": {"slow": True}, "latency_ms": 90000},
    "GET /patched": {"patch": {"a": 2}},
    "GET /reset": {"fault": "reset"},
    "GET /steps": {"sequence": [{"body": "one", "repeat": 1}, {"body": "two"}]},
}
`

// TestTryRequest checks that a request is answered as the endpoints in force would answer
// it, and that nothing of the proxy changes by it.
func TestTryRequest(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.write("mocks/lib.star", "def half(n):\n    return 1 // n\n")
	script := b.write("mocks/s.star", triedScript)
	b.want("Loaded 6 endpoint(s) from s.star", "load_mock_scenario", script)
	b.want("Mock set: GET /set → 200", "set_mock", "GET", "/set", 200, `{"set": true}`)
	b.want("Mock disabled: GET /slow", "enable_mock", "GET /slow", false)
	b.want("Mock enabled: GET /slow", "enable_mock", "GET /slow", true)
	b.want("State set: user", "set_state", "user", `"old"`)
	try := func(args ...any) (got triedAnswer) {
		t.Helper()
		b.decoded(&got, "try_request", args...)
		return got
	}
	for range 2 { // the second one counts from the beginning, too
		got := try("POST", "http://car.test/login", `{"X-A": "1"}`, `{"user": "eve"}`)
		if got.Status != 201 || got.Body != `{"n":1}` || got.Endpoint != "POST /login" || got.Source != "s.star:14" ||
			got.Handler != "script:login" || got.Error != nil {
			t.Errorf("got %+v", got)
		}
		if len(got.Changes) != 1 || got.Changes[0].Key != "user" || string(got.Changes[0].Before) != `"old"` ||
			string(got.Changes[0].After) != `"eve"` {
			t.Errorf("the state: got %s", got.Changes)
		}
		if len(got.Webhooks) != 1 || got.Webhooks[0].URL != "http://localhost:1/told" || len(got.Notes) != 1 || got.Notes[0].Text != "user eve" {
			t.Errorf("webhooks and notes: got %+v", got)
		}
	}
	b.want(`"old"`, "get_state", "user")
	if got := try("GET", "/broken"); got.Error == nil || got.Error.Line != 2 || !strings.Contains(got.Error.Backtrace, script+":11:") {
		t.Errorf("a script that fails: %+v", got.Error)
	}
	if got := try("GET", "/slow"); got.Latency != 90000 || got.Body != `{"slow":true}` {
		t.Errorf("a slow mock: %+v", got)
	}
	if got := try("GET", "/set"); got.Body != `{"set":true}` && got.Body != `{"set": true}` {
		t.Errorf("a mock that was set: %+v", got)
	}
	if got := try("GET", "/reset"); got.Fault != "reset" || got.Status != 0 {
		t.Errorf("a fault: %+v", got)
	}
	if got := try("GET", "/steps"); got.Body != "one" {
		t.Errorf("a sequence: %+v", got)
	}
	got := try("GET", "/patched", "[]", "", `{"body": {"a": 1, "b": 1}, "headers": {"X-Real": "1"}}`)
	if got.Body != `{"a":2,"b":1}` || !got.RealServer || !strings.Contains(fmt.Sprint(got.Headers), "X-Real") {
		t.Errorf("a patch: %+v", got)
	}
	got = try("GET", "/patch")
	if got.Status != 0 || !got.RealServer || got.Error != nil || len(got.Nearest) == 0 || got.Nearest[0].Endpoint != "GET /patched" {
		t.Errorf("a request that no endpoint answers: %+v", got)
	}
	if n := b.status()["captures"].(map[string]any)["total"]; n != 0.0 {
		t.Errorf("%v exchanges were captured", n)
	}
	for _, ep := range func() (list []struct {
		Key  string
		Hits int
	}) {
		b.decoded(&list, "list_endpoints")
		return list
	}() {
		if ep.Hits != 0 {
			t.Errorf("%s has %d hits", ep.Key, ep.Hits)
		}
	}
	for want, args := range map[string][]any{
		`argument url: got "car"`:                    {"GET", "ftp://car"},
		"a WebSocket can't be tried":                 {"WEBSOCKET", "/x"},
		"argument headers: want texts":               {"GET", "/x", `[1]`},
		"argument method: got nothing":               {"", "/x"},
		"argument server_json: got the key \"stat\"": {"GET", "/x", "{}", "", `{"stat": 1}`},
	} {
		if got := b.call("try_request", args...); !strings.Contains(got, strings.Replace(want, `"car"`, `"ftp://car"`, 1)) {
			t.Errorf("try_request%v: got %s, want %s", args, got, want)
		}
	}
	b.write("mocks/s.star", "endpoints = tru")
	b.awaitLog("scenario not reloaded")
	if got := try("GET", "/set"); got.Error == nil || got.Error.Line != 1 {
		t.Errorf("a scenario that is wrong: %+v", got)
	}
}

// TestScripts checks that the failures of handlers are told at their lines, and the notes
// of requests with their numbers.
func TestScripts(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	lib := b.write("mocks/lib.star", "def half(n):\n    return 1 // n\n")
	script := b.write("mocks/s.star", triedScript)
	addon := b.write("addons/pass.star", "def handle(req, config):\n    print(\"passed\")\n    return response(204)\n")
	b.want("Loaded 6 endpoint(s) from s.star", "load_mock_scenario", script)
	b.want("Addon mock set: GET /a → pass", "set_mock_addon", "GET", "/a", "pass")
	proxy := b.start()
	for range 2 {
		b.get(proxy, "http://car.test/broken")
	}
	b.get(proxy, "http://car.test/a")
	var rows []struct {
		Name, Kind, File, Error string
		Failures                int
	}
	b.decoded(&rows, "list_scripts")
	var got []string
	for _, r := range rows {
		got = append(got, fmt.Sprint(r.Kind, " ", r.Name, " ", r.File, " ", r.Failures, " ", r.Error != ""))
	}
	want := []string{"scenario scenario " + script + " 2 true", "library lib.star " + lib + " 2 true", "addon pass " + addon + " 0 false"}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
	type shown struct {
		Source string
		Errors []struct {
			Line, Times        int
			Seq                int
			Message, Backtrace string
		}
		Notes []struct {
			Seq                   int
			Endpoint, Level, Text string
		}
	}
	var s shown
	b.decoded(&s, "show_script", script)
	if s.Source != triedScript || len(s.Errors) != 1 || s.Errors[0].Line != 11 || s.Errors[0].Times != 2 || s.Errors[0].Seq != 2 ||
		!strings.Contains(s.Errors[0].Message, "division by zero") || len(s.Notes) != 2 || s.Notes[0].Seq != 2 {
		t.Errorf("the scenario: %+v", s)
	}
	s = shown{}
	if b.decoded(&s, "show_script", lib); len(s.Errors) != 1 || s.Errors[0].Line != 2 {
		t.Errorf("the library: %+v", s)
	}
	s = shown{}
	if b.decoded(&s, "show_script", "pass"); len(s.Errors) != 0 || len(s.Notes) != 1 || s.Notes[0].Text != "passed" || s.Notes[0].Seq != 3 {
		t.Errorf("the addon: %+v", s)
	}
	if got := b.call("show_script", "/etc/passwd"); !strings.HasPrefix(got, "NOT_FOUND") {
		t.Errorf("a file that is no script: %s", got)
	}
	// A text that is sent again begins without failures.
	const sent = "def f(req):\n    return 1 // 0\nendpoints = {\"GET /sent\": f}\n"
	failures := func() int {
		b.want("Loaded 1 endpoint(s) from sent.star", "load_mock_scenario_content", "sent.star", sent)
		rows = nil
		b.decoded(&rows, "list_scripts")
		return rows[0].Failures
	}
	failures()
	b.get(proxy, "http://car.test/sent")
	rows = nil
	b.decoded(&rows, "list_scripts")
	if rows[0].Failures != 1 {
		t.Errorf("a text that was sent has %d failures, want 1", rows[0].Failures)
	}
	if n := failures(); n != 0 {
		t.Errorf("sent again it has %d failures", n)
	}
	b.want("Addon mock set: GET /a → pass", "set_mock_addon", "GET", "/a", "pass")
	b.write("addons/pass.star", "def handle(req, config):\n    return tru\n")
	b.awaitLog("addon not reloaded")
	if b.decoded(&s, "show_script", "pass"); len(s.Errors) != 1 || s.Errors[0].Line != 2 || s.Errors[0].Times != 0 {
		t.Errorf("an addon that is wrong: %+v", s.Errors)
	}
}
