package driver

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// decodeAnswer decodes the JSON that a method answers.
func decodeAnswer(b *bench, into any, method string, args ...any) {
	b.Helper()
	if text := b.call(method, args...); json.Unmarshal([]byte(text), into) != nil {
		b.Fatalf("%s: got %s", method, text)
	}
}

// listed are the endpoints as list_endpoints tells them.
func (b *bench) listed() map[string]endpointTold {
	b.Helper()
	var list []endpointTold
	decodeAnswer(b, &list, "list_endpoints")
	all := map[string]endpointTold{}
	for _, e := range list {
		all[e.Key] = e
	}
	return all
}

type endpointTold struct {
	Key, Kind, Source, Group, Over string
	Hits                           uint64
	Enabled                        bool
}

func TestEndpointsTellKindAndSource(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.write("mock-responses/deep/s.star", `load("@stdlib//sequence.star", "sequence")
load("//lib.star", "lib")

def login(req):
    return {"body": "in"}

turns = sequence([struct(answer = login, repeat = 1)])

endpoints = {
    "GET /own": login,
    "GET /library": sequence([struct(answer = login, repeat = 1)]),
    "GET /named": turns,
    "GET /dotted": lib.answer(),
    "GET /static": {"body": "x"},
    "GET /steps": {"sequence": [{"body": "1", "repeat": 1}, {"body": "2", "repeat": 1}, {"body": "3"}]},
}
`)
	b.write("mock-responses/deep/lib.star", "def _answer():\n    return lambda req: {\"body\": \"l\"}\nlib = struct(answer = _answer)\n")
	b.write("mock-responses/m.yaml", `endpoints:
  GET /a: {body: x}
  GET /b: {patch: {a: 1}}
  GET /c: {rules: [{match: {query: {a: "1"}}, body: x}, {body: y}]}
  GET /d: {file: fw.bin}
  GET /e: {body_template: "{{uuid}}"}
  GET /f: {fault: reset}
  GET /g: {body: x, fault: {kind: truncate, after: 1}}
  http://h.test/h: [{body: x, repeat: 1}, {body: y}]
`)
	proxy := b.start()
	check := func(want map[string]string) {
		t.Helper()
		all := b.listed()
		if len(all) != len(want) {
			t.Errorf("got %d endpoints, want %d: %v", len(all), len(want), all)
		}
		for key, w := range want {
			if e := all[key]; fmt.Sprint(e.Kind, "|", e.Source, "|", e.Group) != w {
				t.Errorf("%s: got %s|%s|%s, want %s", key, e.Kind, e.Source, e.Group, w)
			}
		}
	}
	b.call("load_mock_scenario", "deep/s.star")
	for range 2 {
		b.get(proxy, "http://h.test/steps")
	}
	check(map[string]string{
		"GET /own":     "handler login (s.star:4)|s.star:10|deep/s.star",
		"GET /library": "handler sequence (s.star:11)|s.star:11|deep/s.star",
		"GET /named":   "handler turns (s.star:12)|s.star:12|deep/s.star",
		"GET /dotted":  "handler lambda (lib.star:2)|s.star:13|deep/s.star",
		"GET /static":  "static|s.star:14|deep/s.star",
		"GET /steps":   "sequence 2 of 3|s.star:15|deep/s.star",
	})
	b.call("load_mock_scenario", "m.yaml")
	b.call("set_mock", "GET", "/a", 200.0, `"set"`)
	b.call("put_mock", "GET /new", "body: new")
	check(map[string]string{
		"GET /a": "static|set by a client|set by a client", "GET /b": "patch|m.yaml:3|m.yaml", "GET /c": "2 rules|m.yaml:4|m.yaml",
		"GET /d": "file fw.bin|m.yaml:5|m.yaml", "GET /e": "template|m.yaml:6|m.yaml", "GET /f": "fault reset|m.yaml:7|m.yaml",
		"GET /g": "static, fault truncate|m.yaml:8|m.yaml", "GET http://h.test/h": "sequence of 2|m.yaml:9|m.yaml",
		"GET /new": "static|set by a client|set by a client",
	})
	b.get(proxy, "http://h.test/new")
	if got := b.call("get_capture", 3); !strings.Contains(got, `"source":"set by a client"`) {
		t.Errorf("an exchange does not tell who set the mock: %s", got)
	}
	if over := b.listed()["GET /a"].Over; over != "m.yaml:2" {
		t.Errorf("got over %q", over)
	}
}

func TestHitsSurviveReload(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.write("mock-responses/m.yaml", "GET /a: {body: a}\nGET /b: {body: b}\n")
	proxy := b.start()
	b.call("load_mock_scenario", "m.yaml")
	b.call("set_mock", "GET", "/set", 200.0, `"set"`)
	for range 3 {
		b.get(proxy, "http://h.test/a")
		b.get(proxy, "http://h.test/set")
	}
	b.call("enable_mock", "GET /b", false)
	b.write("mock-responses/m.yaml", "GET /a: {body: new}\nGET /b: {body: new}\nGET /c: {body: c}\n")
	b.awaitLog("scenario reloaded")
	if got := b.get(proxy, "http://h.test/a"); got != "200 new" {
		t.Error(got)
	}
	all := b.listed()
	if a, set, c := all["GET /a"].Hits, all["GET /set"].Hits, all["GET /c"].Hits; a != 4 || set != 3 || c != 0 {
		t.Errorf("got %d, %d and %d hits, want 4, 3 and 0", a, set, c)
	}
	if all["GET /b"].Enabled || !all["GET /c"].Enabled {
		t.Errorf("a reload changed which endpoints answer: %+v", all)
	}
	b.call("load_mock_scenario", "m.yaml")
	if all = b.listed(); all["GET /a"].Hits != 0 || !all["GET /b"].Enabled {
		t.Errorf("after a load: %+v", all)
	}
}

func TestUndo(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	const base = "GET /a: {body: a}\nGET /b: {body: b}\nGET /c: {addon: c}\n"
	b.write("mock-responses/m.yaml", base)
	b.write("addons/c.star", "def handle(req, config):\n    return {\"body\": \"c\"}\n")
	proxy := b.start()
	get := func(path, want string) {
		t.Helper()
		if got := b.get(proxy, server(t).URL+path); !strings.HasPrefix(got, "200 "+want) {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	if got := b.call("undo_mocks"); !strings.Contains(fmt.Sprint(got), "no change") {
		t.Error(got)
	}
	b.call("load_mock_scenario", "m.yaml")
	get("/a", "a")
	// One that was removed comes back with its hits, and disabled if it was.
	b.call("enable_mock", "GET /b", false)
	b.call("remove_mock", "GET", "/b")
	b.want("Undone: the mock GET /b was removed", "undo_mocks")
	get("/b", "real")
	b.call("enable_mock", "GET /b", true)
	b.call("remove_mock", "GET", "/a")
	get("/a", "real")
	b.call("set_mock", "GET", "/later", 200.0, `"later"`)
	b.want("Undone: the mock GET /a was removed", "undo_mocks")
	get("/a", "a")
	get("/later", `later`)
	if got := b.listed()["GET /a"].Hits; got != 2 {
		t.Errorf("got %d hits, want 2", got)
	}
	// A clear: the file is followed again, and what was written meanwhile counts.
	before := b.keys()
	b.call("clear_mocks")
	get("/a", "real")
	b.write("mock-responses/m.yaml", base+"GET /d: {body: d}\n")
	b.call("put_mock", "GET /e", "body: e")
	b.want("Undone: the mock GET /e was set", "undo_mocks")
	get("/e", "real")
	if got := b.call("undo_mocks"); got != "Undone: all mocks were removed" {
		t.Fatal(got)
	}
	get("/a", "a")
	get("/c", "c")
	get("/d", "d")
	if got := strings.Split(b.keys(), ", "); !slices.Equal(got, append(strings.Split(before, ", ")[:3:3], "GET /d", "GET /later")) {
		t.Errorf("got %q", got)
	}
	b.write("mock-responses/m.yaml", base+"GET /d: {body: again}\n")
	b.awaitLog("scenario reloaded")
	b.awaitLog("scenario reloaded")
	get("/d", "again")
	b.write("addons/c.star", "def handle(req, config):\n    return {\"body\": \"new c\"}\n")
	b.awaitLog("addon reloaded")
	get("/c", "new c")
	// A reset, and a load.
	b.call("put_mock", "GET /a", "body: mine", "")
	b.call("reset_mocks")
	get("/a", "a")
	b.want("Undone: the mocks were reset", "undo_mocks")
	get("/a", "mine")
	b.call("load_mock_scenario_content", "s.yaml", "GET /x: {body: x}\n")
	get("/a", "real")
	var told []struct {
		What string
		Time float64
	}
	if decodeAnswer(b, &told, "list_mock_changes"); len(told) == 0 || told[0].What != "the scenario s.yaml was loaded" || told[0].Time == 0 {
		t.Errorf("%+v", told)
	}
	b.call("undo_mocks")
	get("/a", "mine")
	// They are bounded, and a start forgets them.
	for i := range 30 {
		b.call("put_mock", fmt.Sprintf("GET /many/%d", i), "body: x")
	}
	if decodeAnswer(b, &told, "list_mock_changes"); len(told) != 20 || told[19].What != "the mock GET /many/10 was set" {
		t.Errorf("%+v", told)
	}
	b.call("stop")
	b.start()
	if decodeAnswer(b, &told, "list_mock_changes"); len(told) != 0 {
		t.Errorf("%+v", told)
	}
}
