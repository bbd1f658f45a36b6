package script_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"starproxy/script"
)

// runFiles runs a.star's tests among files and gives each test's error by name.
func runFiles(t *testing.T, o script.TestOptions, files map[string]string) map[string]error {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]error{}
	for _, r := range script.RunTestFile(t.Context(), o, dir, "a_test.star") {
		got[r.Name] = r.Err
		if r.Err != nil && strings.Contains(r.Err.Error(), "%!") {
			t.Errorf("%s: %v", r.Name, r.Err)
		}
	}
	return got
}

const scenarioYAML = `
endpoints:
  GET /slow: {body: {ok: true}, latency_ms: 90000}
  GET /items/{id}:
    body_template: {id: "{{request_path_segment(1)}}", at: "{{now_epoch}}", n: "{{counter(hits)}}"}
  POST /echo: {status: 201, body_template: {a: "{{request_body_json(a)}}"}}
  GET /broken: {body_template: "{{1 // 0}}"}
`

func TestCall(t *testing.T) {
	t.Parallel()
	got := runFiles(t, testOptions(), map[string]string{
		"lib/names.star": "ID = '7'",
		"b.yaml":         "endpoints: {GET /b: {status: 204}}",
		"a.yaml":         scenarioYAML,
		"a_test.star": `
load("lib/names.star", "ID")

def test_templates_and_state_are_fresh():
    r = call("GET /items/" + ID)
    assert.eq(r.status, 200)
    assert.eq(r.json("id"), "7")
    assert.eq(r.json("n"), 1)
    assert.eq(r.endpoint, "GET /items/{id}")
    assert.contains(r.headers["content-type"], "json")
    clock.advance("30s")
    assert.eq(call("GET /items/7").json("at"), r.json("at") + 30)

def test_body():
    r = call("POST /echo", body = {"a": [1]}, headers = {"X-A": "b"})
    assert.eq((r.status, r.json("a.0"), r.complete, r.fault), (201, 1, True, None))

def test_latency_takes_no_time():
    before = time.now()
    r = call("GET /slow")
    assert.eq(r.latency_ms, 90000)
    assert.eq(time.now() - before, time.parse_duration("90s"))

def test_serve_a_file():
    serve("b.yaml")
    assert.eq(call("GET /b").status, 204)

def test_serve_functions():
    serve({"GET /x": lambda req: None}, upstream = lambda req: None)
    assert.fails(lambda: call("GET /x"), "no answer")

def test_miss():
    assert.fails(lambda: call("GET /slwo"), "no endpoint answers it; GET /slow: ")

def test_error_in_a_handler():
    assert.fails(lambda: call("GET /broken"), "division by zero")

def test_assertion_fails():
    assert.eq(call("POST /echo", body = 1).status, 200)

def test_no_test_names_elsewhere():
    assert.fails(lambda: serve("missing.yaml"), "no such file")
`,
	})
	for name, err := range got {
		switch {
		case name == "test_assertion_fails":
			if err == nil || !strings.Contains(err.Error(), "a_test.star:39:14: got 201, want 200") {
				t.Errorf("%s: got %v", name, err)
			}
		case err != nil:
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(got) != 9 {
		t.Errorf("ran %d tests: %v", len(got), got)
	}
}

// Only test files see what tests can do.
func TestTestNames(t *testing.T) {
	t.Parallel()
	got := runFiles(t, testOptions(), map[string]string{
		"lib.star":    "def f():\n    clock.advance(1)\n",
		"a_test.star": "load(\"lib.star\", \"f\")\ndef test_f():\n    f()\n",
	})
	if err := got[""]; err == nil || !strings.Contains(err.Error(), "undefined: clock") {
		t.Errorf("got %v", got)
	}
	got = runFiles(t, testOptions(), map[string]string{"a_test.star": "def test_f():\n    call('GET /')\n"})
	if err := got["test_f"]; err == nil || !strings.Contains(err.Error(), "no scenario to call: put a.star or .yaml beside the test") {
		t.Errorf("got %v", got)
	}
	got = runFiles(t, testOptions(), map[string]string{"a_test.star": "def test_f(x):\n    pass\n"})
	if err := got[""]; err == nil || !strings.Contains(err.Error(), "a_test.star:1:1: test_f has parameters") {
		t.Errorf("got %v", got)
	}
}

// Handlers of every sort are asked as a client would, and nothing waits.
func TestCallHandlers(t *testing.T) {
	t.Parallel()
	got := runFiles(t, testOptions(), map[string]string{
		"firmware.bin": "0123456789",
		"scenario.star": `
def ticks(out):
    n = 0
    while True:
        out.write("tick %d\n" % n)
        n += 1
        sleep("1s")

def three(out):
    for i in range(3):
        out.write("data: %d\n\n" % i)

def mark(req, res):
    res.headers["X-Seen"] = req.path
    return res

hooks = {"response": mark}
endpoints = {
    "GET /for-ever": lambda req: response(stream = ticks),
    "GET /three": lambda req: response(stream = three, content_type = "text/event-stream"),
    "GET /reset": lambda req: fault("reset"),
    "GET /stall": lambda req: fault("stall"),
    "GET /late": lambda req: fault("stall", after = 5),
    "GET /cut": lambda req: fault("truncate", after = 5, answer = response(body = "hello world")),
    "GET /file": lambda req: {"file": "firmware.bin"},
    "GET /users/{id}": lambda req: {"body": {"id": req.params["id"]}},
    "GET /real": lambda req: forward(req),
}
`,
		"a_test.star": `
def test_stream_that_ends():
    r = call("GET /three")
    assert.eq((r.text, r.complete), ("data: 0\n\ndata: 1\n\ndata: 2\n\n", True))

def test_client_leaves_after_bytes():
    r = call("GET /for-ever", limit = 12)
    assert.eq((r.text, r.complete), ("tick 0\ntick ", False))

def test_client_leaves_after_time():
    r = call("GET /for-ever", timeout = "3s")
    assert.eq((r.text, r.complete), ("tick 0\ntick 1\ntick 2\n", False))

def test_faults():
    r = call("GET /reset")
    assert.eq((r.status, r.fault, r.complete), (0, "reset", False))
    assert.eq(call("GET /stall").fault, "stall")
    r = call("GET /cut")
    assert.eq((r.status, r.text, r.fault), (200, "hello", "truncate"))

def test_stall_in_the_body():
    r = call("GET /late")
    assert.eq((len(r.body), r.complete), (5, False))

def test_dict():
    r = call("GET /users/42")
    assert.eq(r.json(), {"id": "42"})
    assert.contains(r.headers["Content-Type"], "json")
    assert.eq(r.headers["x-seen"], "/users/42")

def test_upstream():
    serve("scenario.star", upstream = lambda req: response(status = 203, body = req.path))
    r = call("GET /real")
    assert.eq((r.status, r.text), (203, "/real"))

def test_socket():
    def echo(ws):
        for msg in ws:
            ws.send(msg.bytes if msg.binary else msg.text)
    def pushes(ws):
        n = 0
        while not ws.closed:
            msg = ws.recv(timeout = "250ms")
            ws.send(msg.json() if msg else n)
            n += 1
    def closes(ws):
        if ws.recv().text == "go":
            ws.close(4000, "gone to " + ws.request.query["to"])
    def sleeps(ws):
        while True:
            ws.send(b"x")
            sleep("10s")
    def mute(ws):
        ws.recv()
        while True:
            ws.recv(timeout = 0)
    serve({
        "WEBSOCKET /echo": echo, "WEBSOCKET /pushes": pushes, "WEBSOCKET /closes": closes, "WEBSOCKET /sleeps": sleeps,
        "WEBSOCKET /mute": mute, "WEBSOCKET /boom": lambda ws: fail("boom"), "GET /echo": {"status": 426},
    })
    r = call("WEBSOCKET /echo", messages = ["hi", b"\x00", {"a": 1}])
    assert.eq((r.status, r.messages, r.code, r.complete), (101, ["hi", b"\x00", '{"a":1}'], None, False))
    then = now_epoch()
    r = call("WEBSOCKET /pushes", messages = [[7], 1.1, [8], 0.6])
    assert.eq(r.messages, ["[7]", "1", "2", "3", "4", "[8]", "6", "7"])
    assert.eq((r.code, r.complete, now_epoch() - then), (None, False, 1))
    assert.eq(len(call("WEBSOCKET /pushes", timeout = "10s").messages), 40)
    r = call("WEBSOCKET /closes?to=bed", messages = ["go"])
    assert.eq((r.code, r.reason, r.messages), (4000, "gone to bed", []))
    r = call("WEBSOCKET /sleeps")
    assert.eq((r.messages, r.code, r.complete), ([b"x"] * 6, None, False))
    assert.eq(call("WEBSOCKET /mute").messages, [])
    assert.eq(call("GET /echo").messages, None)
    assert.eq(call("GET /echo", headers = {"Upgrade": "websocket"}, messages = ["x"]).messages, ["x"])
    assert.fails(lambda: call("GET /echo", messages = ["x"]), "messages are for WEBSOCKET")
    assert.fails(lambda: call("WEBSOCKET /boom"), "boom")
    assert.fails(lambda: call("WEBSOCKET /echo", messages = [-1]), "no pause")

def test_no_upstream():
    assert.fails(lambda: call("GET /real"), "real server")
`,
	})
	for name, err := range got {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(got) != 9 {
		t.Errorf("ran %d tests: %v", len(got), got)
	}
}
