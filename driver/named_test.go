package driver

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// walk asks one path after the other and compares; "POST /x" has a method.
func (b *bench) walk(proxy *url.URL, steps ...string) {
	b.Helper()
	for _, step := range steps {
		ask, want, _ := strings.Cut(step, " = ")
		method, path, ok := strings.Cut(ask, " ")
		if !ok {
			method, path = "GET", ask
		}
		if got := b.do(proxy, method, "http://nowhere.invalid"+path, nil); got != want {
			b.Errorf("%s: got %s, want %s", ask, got, want)
		}
	}
}

// TestNamedStates goes through a scenario with states, written in each language
// and with each way to choose.
func TestNamedStates(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"endpoints.yaml": `
POST /login: {state: {scenario: login, is: Started, then: signed_in}, body: hello}
POST /login#again: {state: {scenario: login, is: [signed_in]}, status: 409}
POST /login#locked: {state: {scenario: login, is: locked}, status: 423}
POST /lock: {state: {scenario: login, then: locked}, status: 204}
GET /me: {state: {scenario: login, is: signed_in}, body_template: "{{state(scenario.login)}}"}
GET /me#no: {status: 401}
`,
		"rules.json": `{"endpoints": {
			"POST /login": {"rules": [
				{"state": {"scenario": "login", "is": "Started", "then": "signed_in"}, "body": "hello"},
				{"state": {"scenario": "login", "is": "signed_in"}, "status": 409},
				{"status": 423}]},
			"POST /lock": {"sequence": [{"status": 204, "state": {"scenario": "login", "then": "locked"}}]},
			"GET /me": {"rules": [
				{"state": {"scenario": "login", "is": "signed_in"}, "body_template": "{{state('scenario.login')}}"},
				{"status": 401}]}}}`,
		"url.yaml": `
http://nowhere.invalid/login:
  - {method: POST, state: {scenario: login, is: Started, then: signed_in}, response: {body: hello}}
  - {method: POST, state: {scenario: login, is: signed_in}, response: {status: 409}}
  - {method: POST, response: {status: 423}}
http://nowhere.invalid/lock: {method: POST, status: 204, state: {scenario: login, then: locked}}
http://nowhere.invalid/me:
  - {response: {status: 401}}
  - {state: {scenario: login, is: signed_in}, response: {body_template: "{{state('scenario.login')}}"}}
`,
		"data.star": `
def lock(req):
    return {"status": 204, "state": {"scenario": "login", "then": "locked"}}

def me(req):
    now = state.get("scenario.login", "Started")
    return {"body": "\"%s\"" % now} if now == "signed_in" else {"status": 401}

endpoints = {
    "POST /login": {"state": {"scenario": "login", "is": "Started", "then": "signed_in"}, "body": "hello"},
    "POST /login#again": {"state": {"scenario": "login", "is": "signed_in"}, "status": 409},
    "POST /login#locked": {"state": {"scenario": "login", "is": "locked"}, "status": 423},
    "POST /lock": lock,
    "GET /me": me,
}
`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			if got := b.call("load_mock_scenario_content", name, text); !strings.HasPrefix(got, "Loaded ") {
				t.Fatal(got)
			}
			proxy := b.start()
			round := []string{"/me = 401 ", "POST /login = 200 hello", "POST /login = 409 ", `/me = 200 "signed_in"`, "POST /lock = 204 ", "/me = 401 ", "POST /login = 423 "}
			b.walk(proxy, round...)
			b.want(`"locked"`, "get_state", "scenario.login")
			if got := b.status()["scenario_states"].(map[string]any)["login"]; got != "locked" {
				t.Errorf("status: got %v, want locked", got)
			}
			b.want("Reset 1 scenario(s)", "reset_scenario_states")
			if got := b.status()["scenario_states"].(map[string]any)["login"]; got != "Started" {
				t.Errorf("status: got %v, want Started", got)
			}
			b.walk(proxy, round...)
			b.want("Scenario login: locked → signed_in", "set_scenario_state", "login", "signed_in")
			b.walk(proxy, `/me = 200 "signed_in"`)
			b.call("set_state", "scenario.login", `"locked"`)
			b.walk(proxy, "/me = 401 ")
			b.call("clear_state")
			b.walk(proxy, round...)
			b.call("reset_mocks")
			b.walk(proxy, round...)
			b.call("restart")
			b.walk(proxy, round...)
			b.call("load_mock_scenario_content", name, text)
			b.walk(proxy, round...)
		})
	}
}

func TestScenarioStateMethods(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.want("{}", "list_scenario_states")
	b.want("Conditional mock set: GET /a → 2 rule(s)", "set_mock_conditional", "GET", "/a", `[{"state": {"scenario": "s", "is": "b", "then": "a"}}, {"state": {"scenario": "s", "then": "b"}, "status": 201}]`)
	b.want("Sequence mock set: GET /q → 1 step(s)", "set_mock_sequence", "GET", "/q", `[{"state": {"scenario": "q", "then": "done"}}]`)
	b.want(`{"q":{"state":"Started","states":["Started","done"]},"s":{"state":"Started","states":["Started","b","a"]}}`, "list_scenario_states")
	for _, c := range []struct {
		want string
		args []any
	}{
		{`INVALID_ARGUMENT set_scenario_state: argument scenario: got "t", want one that an endpoint names: q, s`, []any{"t", "a"}},
		{`INVALID_ARGUMENT set_scenario_state: argument state: got "c", want one that s has: Started, b, a`, []any{"s", "c"}},
		{"Scenario s: Started → b", []any{"s", "b"}},
	} {
		b.want(c.want, "set_scenario_state", c.args...)
	}
	b.want(`INVALID_ARGUMENT reset_scenario_states: argument scenario: got "t", want one that an endpoint names: q, s`, "reset_scenario_states", "t")
	b.want("Reset 0 scenario(s)", "reset_scenario_states", "q")
	b.want("Reset 1 scenario(s)", "reset_scenario_states", "s")
	b.call("clear_mocks")
	b.want(`INVALID_ARGUMENT reset_scenario_states: argument scenario: got "s", want one that an endpoint names: there is none`, "reset_scenario_states", "s")
}

// TestStateOnce checks that of many devices that ask at once a single one finds
// the scenario in a state that its request leaves, with endpoints and rules.
func TestStateOnce(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"endpoints": "GET /x: {state: {scenario: s, is: Started, then: taken}, body: first}\nGET /x#2: {state: {scenario: s, is: taken, then: gone}, body: second}\nGET /x#3: {body: rest}\n",
		"rules":     "GET /x:\n  rules:\n  - {state: {scenario: s, is: Started, then: taken}, body: first}\n  - {state: {scenario: s, is: taken, then: gone}, body: second}\n  - {body: rest}\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			b.call("load_mock_scenario_content", "s.yaml", text)
			proxy := b.start()
			got := make([]string, 40)
			var all sync.WaitGroup
			for i := range got {
				all.Go(func() { got[i] = b.get(proxy, "http://nowhere.invalid/x") })
			}
			all.Wait()
			slices.Sort(got)
			counts := map[string]int{}
			for _, g := range got {
				counts[g]++
			}
			if s := fmt.Sprint(counts); s != "map[200 first:1 200 rest:38 200 second:1]" {
				t.Error(s)
			}
		})
	}
}

// TestStateMiss checks that the nearest miss tells of the state.
func TestStateMiss(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.Unmatched = Reject })
	b.call("load_mock_scenario_content", "s.yaml", "GET /x: {state: {scenario: s, is: [a, b]}}\n")
	if got := b.get(b.start(), "http://nowhere.invalid/x"); !strings.Contains(got, `scenario s is in the state \"Started\", expected \"a\" or \"b\"`) {
		t.Error(got)
	}
}
