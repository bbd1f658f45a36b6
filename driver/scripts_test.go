package driver

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func TestAddonMocks(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.write("addons/pass.star", "load(\"lib.star\", \"f\")\ndef handle(req, config):\n    return f(config)\n")
	b.write("addons/lib.star", "def f(config):\n    return lambda req: None\n")
	b.write("addons/_hidden.star", "x = 1\n")
	broken := b.write("addons/broken.star", "def handle(req, config):\n    return tru\n")
	b.write("addons/old.py", "class Handler: pass\n")
	b.want(`["broken","lib","pass"]`, "list_addons")
	b.want("Addon mock set: GET /x → pass", "set_mock_addon", "GET", "/x", "pass")
	b.want("Addon mock set: GET /y → pass", "set_mock_addon", "get", "/y", "pass", `{"a": [1]}`)
	b.want(`{"GET /x":{"addon":"pass","addon_config":{}},"GET /y":{"addon":"pass","addon_config":{"a":[1]}}}`, "list_mocks")
	b.want("Addon not found: nope", "set_mock_addon", "GET", "/z", "nope", "{}")
	b.want("Addon broken: "+broken+":2:12: undefined: tru (did you mean True?)", "set_mock_addon", "GET", "/z", "broken", "{}")
	b.want(`Addon old: old.py is Python, but addons are Starlark scripts (old.star): see docs/porting.md`,
		"set_mock_addon", "GET", "/z", "old", "{}")
	if got := b.call("set_mock_addon", "GET", "/z", "pass", "{"); !strings.HasPrefix(got, "Invalid JSON: ") {
		t.Error(got)
	}
	if got := b.call("set_mock_addon", "GET", "/z", "pass", "[]"); !strings.HasPrefix(got, "INVALID_ARGUMENT set_mock_addon: ") {
		t.Error(got)
	}
	real := server(t)
	proxy := b.start()
	if got := b.get(proxy, real.URL+"/x"); !strings.HasPrefix(got, "200 real /x") {
		t.Error(got)
	}

	// What the addon loads changes: it reloads, and a broken edit does not.
	lib := b.write("addons/lib.star", "def f(config):\n    fail(\"as told\")\n")
	b.awaitLog("addon reloaded addon=pass")
	if got, want := b.get(proxy, real.URL+"/x"), "lib.star:2:9: fail: as told"; !strings.Contains(got, `500 {"error":"Addon error: `+want) {
		t.Errorf("got %s, want %s", got, want)
	}
	b.write("addons/lib.star", "def f(config):\n    return tru\n")
	b.awaitLog("addon not reloaded; the old one stays addon=pass")
	if got := b.get(proxy, real.URL+"/x"); !strings.Contains(got, "as told") {
		t.Error(got)
	}
	faults := fmt.Sprint(b.status()["addon_errors"])
	if !strings.Contains(faults, lib+":2:12: undefined: tru (did you mean True?)") {
		t.Error(faults)
	}
	b.write("addons/lib.star", "def f(config):\n    return None\n")
	b.awaitLog("addon reloaded addon=pass")
	if got := b.get(proxy, real.URL+"/x"); !strings.HasPrefix(got, "200 real /x") {
		t.Error(got)
	}
}

// A scenario may name an addon that comes later.
func TestAddonComesLater(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	real := server(t)
	b.want("Loaded 1 endpoint(s) from s.yaml", "load_mock_scenario_content", "s.yaml", "GET /x: {addon: late}\n")
	proxy := b.start()
	if got := b.get(proxy, real.URL+"/x"); got != `500 {"error":"Addon not found: late"}` {
		t.Error(got)
	}
	b.write("addons/late.star", "def handle(req, config):\n    return None\n")
	b.awaitLog("addon reloaded addon=late")
	if got := b.get(proxy, real.URL+"/x"); !strings.HasPrefix(got, "200 real /x") {
		t.Error(got)
	}
	b.write("addons/bad.star", "def handle(req):\n    return None\n")
	got := b.call("load_mock_scenario_content", "t.yaml", "GET /x: {addon: bad}\n")
	if !strings.HasPrefix(got, `Failed to parse scenario: t.yaml:1:17: endpoint "GET /x": addon bad: `) {
		t.Error(got)
	}
}

func TestScriptReload(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	real := server(t)
	path := b.write("mock-responses/dir/scenario.star", "load(\"lib/l.star\", \"f\")\nendpoints = {\"GET /x\": f, \"GET /y\": {\"body\": \"y\"}}\n")
	b.write("mock-responses/dir/lib/l.star", "def f(req):\n    return None\n")
	b.want("Loaded 2 endpoint(s) from scenario.star", "load_mock_scenario", "dir")
	b.want(`{"GET /x":{"script":"f"},"GET /y":{"body":"y"}}`, "list_mocks")
	proxy := b.start()
	get := func(path, want string) {
		t.Helper()
		if got := b.get(proxy, real.URL+path); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	get("/x", "200 real /x")
	get("/y", "200 y")

	// What it loads changes.
	b.write("mock-responses/dir/lib/l.star", "def f(req):\n    fail(\"changed\")\n")
	b.awaitLog("scenario reloaded")
	get("/x", `500 {"error":"l.star:2:9: fail: changed`)

	// Broken in a file that it did not load before; mended there.
	b.write("mock-responses/dir/scenario.star", "load(\"more.star\", \"body\")\nendpoints = {\"GET /y\": {\"body\": body}}\n")
	b.awaitLog("scenario not reloaded; the old one stays")
	get("/y", "200 y")
	if got := fmt.Sprint(b.status()["scenario_error"]); !strings.HasPrefix(got, path+":1:1: cannot load more.star: no such file") {
		t.Error(got)
	}
	b.write("mock-responses/dir/more.star", "body = \"more\"\n")
	b.awaitLog("scenario reloaded")
	get("/y", "200 more")
	if got := b.status()["scenario_error"]; got != nil {
		t.Error(got)
	}

	// A load out of the scenario's directory is refused, and the start fails.
	b.call("stop")
	outside := b.write("mock-responses/out.star", "body = 1\n")
	if err := os.Symlink(outside, filepath.Join(b.dir, "mock-responses/dir/link.star")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../out.star", "link.star"} {
		b.write("mock-responses/dir/bad.star", "load(\""+name+"\", \"body\")\nendpoints = {}\n")
		got := b.call("load_mock_scenario", "dir/bad.star")
		if !strings.HasPrefix(got, "Failed to load scenario: ") || !strings.Contains(got, "bad.star:1:1: cannot load "+name) {
			t.Error(got)
		}
	}
}

func TestScriptAnswers(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	real := server(t)
	b.write("mock-files/a.txt", "from file")
	b.write("mock-responses/other/b.txt", "from other")
	b.write("mock-responses/s.star", `
load("@stdlib//sequence.star", "sequence")

def login(req):
    if req.json("user") != "ada":
        return response(status = 401, body = {"error": "no"})
    state.set("token", "t1")
    return {"body": {"token": state.get("token")}, "headers": {"X-A": "b"}}

def edited(req):
    res = forward(req)
    res.headers["X-Edited"] = "yes"
    return res

def seen(req):
    req.headers["X-Hook"] = "1"
    if req.path == "/hooked":
        return response(status = 418, body = "hook")
    return None

def marked(req, res):
    res.headers["X-Marked"] = req.header("X-Hook")
    return None

def rules(req):
    return {"rules": [{"match": {"query": {"a": "1"}}, "body": "one"}, {"body_template": "{{request_path}}"}]}

def echo(ws):
    for msg in ws:
        ws.send("echo " + msg.text)

config = {"files_dir": "other"}
hooks = {"request": seen, "response": marked}
endpoints = {
    "POST /login": login,
    "GET /edited": edited,
    "GET /constant": response(status = 202, body = {"constant": True}),
    "GET /file": lambda req: {"file": "b.txt", "content_type": "text/plain"},
    "GET /rules": rules,
    "GET /seq": sequence([struct(answer = {"body": "a"}, repeat = 1), struct(answer = {"body": "b"})]),
    "GET /fault": fault("close"),
    "GET /bad": lambda req: 5,
    "WEBSOCKET /echo": echo,
}
`)
	b.want("Loaded 9 endpoint(s) from s.star", "load_mock_scenario", "s.star")
	proxy := b.start()
	for _, tt := range []struct{ path, want string }{
		{"/constant", `202 {"constant":true}`},
		{"/edited", "200 real /edited"},
		{"/file", "200 from other"},
		{"/rules?a=1", "200 one"},
		{"/rules?a=2", `200 "/rules?a=2"`},
		{"/seq", "200 a"},
		{"/seq", "200 b"},
		{"/hooked", "418 hook"},
		{"/bad", `500 {"error":"`},
	} {
		if got := b.get(proxy, real.URL+tt.path); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: got %s, want %s", tt.path, got, tt.want)
		}
	}
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}
	defer client.CloseIdleConnections()
	res, err := client.Post("http://nowhere.invalid/login", "application/json", strings.NewReader(`{"user": "ada"}`))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if string(body) != `{"token":"t1"}` || res.Header.Get("X-A") != "b" || res.Header.Get("X-Marked") != "1" {
		t.Errorf("%s %v", body, res.Header)
	}
	b.want(`"t1"`, "get_state", "token")
	if res, err := client.Get(real.URL + "/edited"); err != nil || res.Header.Get("X-Edited") != "yes" || res.Header.Get("X-Marked") != "1" {
		t.Error(res, err)
	} else {
		res.Body.Close()
	}
	if res, err := client.Get("http://nowhere.invalid/fault"); err == nil {
		t.Error("a fault answered", res.Status)
	}
	ws, _, err := websocket.Dial(t.Context(), "ws://nowhere.invalid/echo", &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	if err := ws.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, msg, err := ws.Read(t.Context()); string(msg) != "echo hello" || err != nil {
		t.Errorf("%s %v", msg, err)
	}
	// Cleared mocks take their hooks and sockets with them.
	b.call("clear_mocks")
	if _, _, err := ws.Read(t.Context()); err == nil {
		t.Error("the socket outlives its mock")
	}
	if got := b.get(proxy, real.URL+"/hooked"); !strings.HasPrefix(got, "200 real") {
		t.Error(got)
	}
}

func TestAddonSocket(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.write("addons/tele.star", `
frames = cell(0)
def handle(req, config):
    return {"body": {"frames": frames.get(), "files": config["files_dir"], "name": config.get("name")}}
def websocket(ws, config):
    for msg in ws:
        ws.send("%s %d %s" % (config["name"], frames.incr(), msg.text))
`)
	b.write("addons/http.star", "def handle(req, config):\n    return response(body=\"x\")\n")
	b.want("Addon mock set: WEBSOCKET /ws → tele", "set_mock_addon", "WEBSOCKET", "/ws", "tele", `{"name": "n"}`)
	b.want("Addon mock set: GET /n → tele", "set_mock_addon", "GET", "/n", "tele", "{}")
	if got := b.call("set_mock_addon", "WEBSOCKET", "/x", "http"); !strings.Contains(got, "has no function websocket(ws, config)") {
		t.Error(got)
	}
	proxy := b.start()
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}
	defer client.CloseIdleConnections()
	ws, _, err := websocket.Dial(t.Context(), "ws://nowhere.invalid/ws", &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	for _, want := range []string{"n 1 hi", "n 2 hi"} {
		if err := ws.Write(t.Context(), websocket.MessageText, []byte("hi")); err != nil {
			t.Fatal(err)
		}
		if _, msg, err := ws.Read(t.Context()); string(msg) != want || err != nil {
			t.Errorf("%s %v", msg, err)
		}
	}
	want := `200 {"frames":2,"files":"` + b.d.cfg.Directories.Files + `","name":null}`
	if got := b.get(proxy, "http://nowhere.invalid/n"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestScriptLimits(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.Scripts = Scripts{MaxSteps: 1000, MaxTime: 0.05, MaxBody: 10} })
	b.write("mock-responses/s.star", `
def loop(req):
    while True:
        pass
endpoints = {
    "GET /loop": loop,
    "GET /sleep": lambda req: sleep("1h"),
    "POST /body": lambda req: {"body": req.text},
}
`)
	b.want("Loaded 3 endpoint(s) from s.star", "load_mock_scenario", "s.star")
	proxy := b.start()
	for path, want := range map[string]string{
		"/loop":  "step limit exceeded: more than 1000 steps without a wait (scripts.max_steps)",
		"/sleep": "time limit exceeded: more than 50ms (scripts.max_time)",
	} {
		if got := b.get(proxy, "http://nowhere.invalid"+path); !strings.HasPrefix(got, "500 ") || !strings.Contains(got, want) {
			t.Errorf("%s: %s", path, got)
		}
		b.awaitLog("script failed")
		for len(b.logs) > 0 {
			if text := <-b.logs; strings.Contains(text, "failed") {
				t.Errorf("%s: it is logged twice: %s", path, text)
			}
		}
	}
	if got := b.call("load_mock_scenario_content", "t.star", "endpoints = {}\nwhile True:\n    pass\n"); !strings.Contains(got, "t.star:") || !strings.Contains(got, "(scripts.max_steps)") {
		t.Error(got)
	}
}

// A script that takes its time to load holds up neither requests nor status.
func TestSlowLoad(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.Scripts.MaxTime = 1 })
	b.write("mock-responses/s.star", "endpoints = {\"GET /x\": {\"body\": \"one\"}}\n")
	b.call("load_mock_scenario", "s.star")
	proxy := b.start()
	b.write("mock-responses/s.star", "print(\"slow\")\nsleep(\"1h\")\nendpoints = {}\n")
	b.awaitLog("slow") // it is being loaded
	begin := time.Now()
	if s := b.status(); s["scenario_error"] != nil {
		t.Error(s)
	}
	if got := b.get(proxy, "http://nowhere.invalid/x"); got != "200 one" {
		t.Error(got)
	}
	if took := time.Since(begin); took > 900*time.Millisecond {
		t.Error("waited for", took)
	}
	b.awaitLog("scenario not reloaded; the old one stays")
	if got := fmt.Sprint(b.status()["scenario_error"]); !strings.Contains(got, "s.star:2:6: time limit exceeded: more than 1s (scripts.max_time)") {
		t.Error(got)
	}
}

// A function that passes a request on is told apart from rules that did not hold.
func TestRejectAfterNone(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.Unmatched = Reject })
	b.write("mock-responses/s.star", `endpoints = {
    "GET /none": lambda req: None,
    "GET /rules": {"rules": [{"match": {"query": {"a": "1"}}, "body": "one"}]},
}
`)
	b.want("Loaded 2 endpoint(s) from s.star", "load_mock_scenario", "s.star")
	proxy := b.start()
	for path, want := range map[string]string{
		"/none":  "it fits, but its function passed the request on: it returned None",
		"/rules": "rules[0]: query parameter a is absent, expected \\\"1\\\"",
	} {
		if got := b.get(proxy, "http://nowhere.invalid"+path); !strings.HasPrefix(got, "501 ") || !strings.Contains(got, want) {
			t.Errorf("%s: %s", path, got)
		}
	}
}
