package script_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
	"starproxy/builtins/value"
	"starproxy/driver/mock"
	"starproxy/script"
)

// handler makes a handler of the global of that name.
func handler(t testing.TB, o script.Options, src, name string) exchange.Handler {
	t.Helper()
	h := newHost(o)
	s, err := h.LoadText("a.star", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	f, err := h.Handler(s.Globals[name])
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// body is what a response sends from memory.
func body(res *exchange.Response) string {
	b, _ := res.Body.(exchange.Bytes)
	return string(b)
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		src    string // of the return value
		status int
		body   string
		typ    string
		header string // X-A
		delay  time.Duration
	}{
		"json":           {`response(body = {"b": [1, 2.5, None], "a": True})`, 200, `{"b":[1,2.5,null],"a":true}`, "application/json", "", 0},
		"list":           {`response(body = [])`, 200, `[]`, "application/json", "", 0},
		"text":           {`response(status = 404, body = "gone")`, 404, "gone", "text/plain; charset=utf-8", "", 0},
		"bytes":          {`response(body = b"\xff")`, 200, "\xff", "application/octet-stream", "", 0},
		"type":           {`response(body = "<p>", content_type = "text/html")`, 200, "<p>", "text/html", "", 0},
		"type in header": {`response(body = {}, headers = {"content-type": "application/problem+json"})`, 200, "{}", "application/problem+json", "", 0},
		"nothing":        {`response(status = 204)`, 204, "", "", "", 0},
		"positional":     {`response(201, {"a": 1})`, 201, `{"a":1}`, "application/json", "", 0},
		"headers":        {`response(headers = {"x-a": 7, "Content-Length": "9"}, latency_ms = 1.5)`, 200, "", "", "7", 1500 * time.Microsecond},
		"header list":    {`response(headers = {"x-a": ["a", True]})`, 200, "", "", "a,true", 0},
		"dict":           {`{"body": {"ok": True}}`, 200, `{"ok":true}`, "application/json", "", 0},
		"dict of text":   {`{"status": 201, "body": "raw", "headers": {"X-A": "b"}, "latency_ms": 5}`, 201, "raw", "application/json", "b", 5 * time.Millisecond},
		"dict typed":     {`{"body": "raw", "content_type": "text/csv"}`, 200, "raw", "text/csv", "", 0},
		"function":       {`lambda req: {"status": 202}`, 202, "", "application/json", "", 0},
		"global":         {`GLOBAL`, 203, `{"g":1}`, "application/json", "", 0},
		"global dict":    {`GLOBALS["x"]`, 205, "", "application/json", "", 0},
		"changed":        {`change(response(body = {"a": 1}))`, 299, `{"a":2}`, "application/json", "c", 0},
		"body replaced":  {`swap(response(body = "a", headers = {"ETag": "1"}))`, 200, "bb", "text/plain; charset=utf-8", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := handler(t, script.Options{}, `
GLOBAL = response(status = 203, body = {"g": 1})
GLOBALS = {"x": {"status": 205}}
def change(res):
    res.status = 299
    res.headers["X-A"] = "c"
    res.body = {"a": res.json("a") + 1}
    return res
def swap(res):
    res.text = "bb"
    if "etag" in res.headers:
        fail("the etag is that of the old body")
    return res
def f(req):
    return `+c.src, "f")
			for range 2 { // what is shared stays as it is
				res, err := h.Respond(t.Context(), newExchange("GET", "/", ""))
				if err != nil {
					t.Fatal(err)
				}
				if res.Status != c.status || body(res) != c.body || res.Header.Get("Content-Type") != c.typ ||
					strings.Join(res.Header.Values("X-A"), ",") != c.header || res.Delay != c.delay || res.Origin != exchange.FromMock || res.Header.Has("Content-Length") {
					t.Errorf("got %d %q %v after %s by %v", res.Status, body(res), res.Header, res.Delay, res.Origin)
				}
			}
		})
	}
}

func TestAnswerErrors(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		`response(status = 99)`:                          "a.star:4:20: response: status: got int 99, want 200 to 599",
		`response(stat = 200)`:                           `response: no argument "stat" (did you mean "status"?)`,
		`response(body = f)`:                             "response: body: ",
		`response(headers = {"a b": "c"})`:               `"a b" is no name of a header`,
		`response(headers = {"A": "c\nd"})`:              `header A: "c\nd" can't stand in a header`,
		`response(headers = {"A": None, "B": {}})`:       "header B: got dict, want text or a list of texts",
		`response(latency_ms = -1)`:                      "latency_ms: got int -1, want milliseconds",
		`response(file = "a.bin")`:                       "file: there are no files here",
		`response(body = "a", stream = lambda out: out)`: "body, file and stream exclude each other",
		`response(stream = 7)`:                           `argument "stream": got int 7, want function`,
		`{"status": "teapot"}`:                           `a.star:3:1: status: got string "teapot", want 200 to 599`,
		`{"stats": 200}`:                                 "f returned a dict with other keys than status, body",
		`[1]`:                                            "a.star:3:1: f returned list, want response(), a dict, fault(), forward(), None or a function",
		`fault("explode")`:                               `no fault "explode", want one of close, corrupt, drip`,
		`forward(req)`:                                   "forward: there is no real server here",
		`GLOBAL.headers.add("A", "b")`:                   "cannot change a frozen response (globals are frozen",
		`f`:                                              "the answers are functions without an end",
		`1 // 0`:                                         "a.star:4:14: floored division by zero",
	} {
		h := handler(t, script.Options{}, "\nGLOBAL = response()\ndef f(req):\n    return "+src, "f")
		x := newExchange("GET", "/", "")
		res, err := h.Respond(t.Context(), x)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v; want %s", src, res, err, want)
		}
		if notes := x.Notes.List(); len(notes) == 0 || notes[0].Level != "error" {
			t.Errorf("%s: notes are %v", src, notes)
		}
	}
}

// TestAnswerDicts checks that dicts with other keys go to Compile, constant
// ones once.
func TestAnswerDicts(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var seen []string
	how := script.Answering{
		Defaults: call.Defaults{ContentType: "text/x", Latency: call.Latency{Fixed: time.Second}},
		Compile: func(def *starlark.Dict, where script.Position) (exchange.Handler, error) {
			mu.Lock()
			defer mu.Unlock()
			text, err := value.AppendJSON(nil, nil, def)
			seen = append(seen, where.String()+" "+string(text))
			if _, bad, _ := def.Get(starlark.String("bad")); bad {
				return nil, errors.New("no such key: bad")
			}
			return mock.NewStatic(222, nil, nil, 0), err
		},
	}
	src := `
D = {"rules": [{"b": 1, "a": 2}]}
def constant(req):
    return D
def fresh(req):
    return {"body_template": "{{uuid}}"}
def bad(req):
    return {"bad": 1}
def header(req):
    return {"headers": {"A": "{{uuid}}"}}
def plain(req):
    return {"body": "x"}
`
	for name, times := range map[string]int{"constant": 1, "fresh": 3, "header": 3, "plain": 0} {
		h := handler(t, script.Options{Answering: how}, src, name)
		seen = nil
		for range 3 {
			res, err := h.Respond(t.Context(), newExchange("GET", "/", ""))
			if err != nil {
				t.Fatal(name, err)
			}
			if name == "plain" {
				if res.Header.Get("Content-Type") != "text/x" || res.Delay != time.Second {
					t.Errorf("plain: %v", res)
				}
			} else if res.Status != 222 {
				t.Errorf("%s: status %d", name, res.Status)
			}
		}
		if len(seen) != times {
			t.Errorf("%s was compiled %d times, want %d: %q", name, len(seen), times, seen)
		}
		if name == "constant" && seen[0] != `a.star:3:1 {"rules":[{"b":1,"a":2}]}` {
			t.Errorf("compiled %s", seen[0])
		}
	}
	h := handler(t, script.Options{Answering: how}, src, "bad")
	if _, err := h.Respond(t.Context(), newExchange("GET", "/", "")); err == nil || !strings.Contains(err.Error(), "a.star:7:1: no such key: bad") {
		t.Errorf("bad: %v", err)
	}
}

// TestRequestEdits checks that what a script changes is what goes on.
func TestRequestEdits(t *testing.T) {
	t.Parallel()
	h := handler(t, script.Options{}, `
def f(req):
    req.method = "PUT"
    req.path = "/b"
    req.headers["X-New"] = ["1", "2"]
    req.headers["X-Device"] = None
    req.body = {"n": req.json("n") + 1}
    if req.json("n") != 2 or req.header("x-new") != "1" or req.path != "/b" or req.query["q"] != "1":
        fail("the request shows something else")
    try_(lambda: req.headers)
    res = forward(req, url = "https://other.test:444/c?d", headers = {"X-New": None, "Cookie": "a=b"}, body = "text")
    if req.url != "http://api.test/b?q=1" or req.text != '{"n":2}':
        fail("forward changed the request: " + req.url + req.text)
    return res
`, "f")
	x := newExchange("POST", "/a?q=1", `{"n":1}`)
	sent := x.Request.Header
	var got string
	x.Forward = func(context.Context) (*exchange.Response, error) {
		q := x.Request
		b, err := q.Body.Bytes(1000)
		got = q.Method + " " + q.URL() + " " + q.Authority + " " + q.Header.Get("Cookie") + q.Header.Get("X-New") + " " + string(b)
		return &exchange.Response{Status: 200}, err
	}
	res, err := h.Respond(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	if got != "PUT https://other.test:444/c?d other.test:444 a=b text" {
		t.Errorf("forwarded %s", got)
	}
	if res.Origin != exchange.FromServer || x.Request.Method != "PUT" || x.Request.Target != "/b?q=1" || len(x.Request.Header.Values("X-New")) != 2 || x.Request.Header.Get("X-Device") != "" {
		t.Errorf("left %v %v", res, x.Request)
	}
	if sent.Get("X-Device") == "" || sent.Get("X-New") != "" {
		t.Errorf("the header that others hold was changed: %v", sent)
	}
}

// closing is a server's body that tells whether it was closed.
type closing struct {
	exchange.Reader
	closed *int
}

func (c *closing) Close() error { *c.closed++; return nil }

func TestForwardCloses(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]int{
		"return forward(req)":                                      0,
		"forward(req); return None":                                1,
		"forward(req); forward(req); return {}":                    2,
		"forward(req); fail('x')":                                  1,
		"r = forward(req); r.body = 'a'; return r":                 2, // by the script and by its end
		"return fault('truncate', answer = forward(req))":          0,
		"r = forward(req); s = forward(req); return r if s else s": 1,
		"r = forward(req); r.status = 201; return lambda req: r":   0,
	} {
		h := handler(t, script.Options{}, "def f(req):\n    "+src, "f")
		closed := 0
		x := newExchange("GET", "/", "")
		x.Forward = func(context.Context) (*exchange.Response, error) {
			return &exchange.Response{Status: 200, Body: &closing{exchange.Reader{N: -1}, &closed}}, nil
		}
		h.Respond(t.Context(), x)
		if (closed > 0) != (want > 0) || want == 2 && closed < 1 {
			t.Errorf("%s: closed %d, want %d", src, closed, want)
		}
	}
}

func TestHooks(t *testing.T) {
	t.Parallel()
	h := newHost(script.Options{})
	s, err := h.LoadText("a.star", []byte(`
def before(req):
    if req.path == "/blocked":
        return {"status": 403}
    req.headers["X-Seen"] = "1"

def after(req, res):
    if req.path == "/replaced":
        return response(status = 299)
    if req.path == "/bad":
        fail("no")
    if req.path != "/left":
        res.headers["X-Hook"] = str(res.status)
    if req.path == "/body":
        res.body = res.text + "!"
`))
	if err != nil {
		t.Fatal(err)
	}
	shared := &exchange.Response{Status: 200, Header: exchange.HeaderOf("A", "b"), Body: exchange.Bytes("text"), Origin: exchange.FromMock}
	static := shared
	next := exchange.HandlerFunc(func(_ context.Context, x *exchange.Exchange) (*exchange.Response, error) {
		if x.Request.Header.Get("X-Seen") != "1" {
			t.Error("the request hook was not called")
		}
		if x.Request.Path() == "/real" {
			return nil, nil
		}
		return shared, nil
	})
	hooks, err := h.Hooks(s.Globals["before"], s.Globals["after"])
	if err != nil {
		t.Fatal(err)
	}
	wrapped := h.Wrap(hooks, next)
	for path, c := range map[string]struct {
		status     int
		hook, body string
		origin     exchange.Origin
	}{
		"/a":        {200, "200", "text", exchange.FromMock},
		"/body":     {200, "200", "text!", exchange.FromMock},
		"/left":     {200, "", "text", exchange.FromMock},
		"/blocked":  {403, "403", "", exchange.FromMock},
		"/replaced": {299, "", "", exchange.FromMock},
		"/real":     {207, "207", "real", exchange.FromPatch},
	} {
		x := newExchange("GET", path, "")
		x.Forward = func(context.Context) (*exchange.Response, error) {
			return &exchange.Response{Status: 207, Body: exchange.Bytes("real")}, nil
		}
		res, err := wrapped.Respond(t.Context(), x)
		if err != nil || res.Status != c.status || res.Header.Get("X-Hook") != c.hook || body(res) != c.body || res.Origin != c.origin {
			t.Errorf("%s: %+v, %v", path, res, err)
		}
	}
	if _, err := wrapped.Respond(t.Context(), newExchange("GET", "/bad", "")); err == nil || !strings.Contains(err.Error(), "a.star:11:13: fail: no") {
		t.Errorf("a failing hook: %v", err)
	}
	// A fault stays one, whatever a hook sets.
	shared, err = exchange.NewFault("reset", 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res, err := wrapped.Respond(t.Context(), newExchange("GET", "/a", "")); err != nil || res.Header.Get("X-Hook") != "0" {
		t.Errorf("a fault: %v, %v", res, err)
	}
	if _, err := wrapped.Respond(t.Context(), newExchange("GET", "/body", "")); err == nil || !strings.Contains(err.Error(), "this response has no body") {
		t.Errorf("the body of a fault: %v", err)
	}
	shared = static
	if len(shared.Header) != 1 || body(shared) != "text" {
		t.Errorf("the mock's own response was changed: %v", shared)
	}
	if _, err := h.Hooks(s.Globals["none"], s.Globals["hooks"]); err != nil {
		t.Error(err)
	}
}

const benchScript = `
def device(req):
    if req.header("Authorization") != "Bearer " + state.get("token", "-"):
        return {"status": 401}
    return {"status": 200, "body": {"id": req.json("user.name"), "n": 7, "ok": True}}

def answer(req):
    if req.header("Authorization") != "Bearer " + state.get("token", "-"):
        return response(status = 401)
    return response(body = {"id": req.json("user.name"), "n": 7, "ok": True})

CONSTANT = {"body": {"ok": True}}
def constant(req):
    return CONSTANT
`

// BenchmarkAnswer is a handler that reads a header, a JSON field and the state
// and returns a dict, beside one that returns the same each time.
func BenchmarkAnswer(b *testing.B) {
	for _, name := range []string{"device", "answer", "constant"} {
		b.Run(name, func(b *testing.B) {
			h := newHost(script.Options{})
			h.State().Set("token", "abc")
			s, err := h.LoadText("a.star", []byte(benchScript))
			if err != nil {
				b.Fatal(err)
			}
			f, err := h.Handler(s.Globals[name])
			if err != nil {
				b.Fatal(err)
			}
			x := newExchange("POST", "/api/devices/7", "")
			x.Request.Header.Set("Authorization", "Bearer abc")
			data := []byte(`{"user": {"name": "ada", "id": 7}, "tags": ["x"]}`)
			b.ReportAllocs()
			for b.Loop() {
				x.Request.Body = exchange.NewIncoming(bytes.NewReader(data), nil)
				if res, err := f.Respond(b.Context(), x); err != nil || res.Status != 200 {
					b.Fatal(res, err)
				}
			}
		})
	}
}

// slow is a server's body that goes on for ever.
type slow struct{ ctx context.Context }

func (s slow) Read([]byte) (int, error) { <-s.ctx.Done(); return 0, s.ctx.Err() }
func (s slow) Close() error             { return nil }

// TestSlowServer checks that waiting for a server counts as time of the script.
func TestSlowServer(t *testing.T) {
	t.Parallel()
	src := `
def header(req):
    return forward(req)
def body(req):
    return {"body": forward(req).text}
`
	for _, name := range []string{"header", "body"} {
		h := handler(t, script.Options{MaxTime: 30 * time.Millisecond}, src, name)
		x := newExchange("GET", "/", "")
		x.Forward = func(ctx context.Context) (*exchange.Response, error) {
			if name == "header" {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return &exchange.Response{Status: 200, Body: &exchange.Reader{R: slow{ctx}, N: -1}}, nil
		}
		if _, err := h.Respond(t.Context(), x); !errors.Is(err, call.ErrTime) || !strings.Contains(err.Error(), "more than 30ms (scripts.max_time)") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What is not read by the script takes as long as it takes.
	h := handler(t, script.Options{MaxTime: 30 * time.Millisecond}, src, "header")
	x := newExchange("GET", "/", "")
	var server context.Context
	x.Forward = func(ctx context.Context) (*exchange.Response, error) {
		server = ctx
		return &exchange.Response{Status: 200}, nil
	}
	if _, err := h.Respond(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	if err := exchange.Sleep(server, 60*time.Millisecond); err != nil {
		t.Error("the server's answer was given up:", err)
	}
}

// TestUpdate checks that the function of an update may change what it gets,
// that nobody else sees the change before it is done, and what is said when
// the function forgets to return it.
func TestUpdate(t *testing.T) {
	t.Parallel()
	h := newHost(script.Options{})
	s, err := h.LoadText("t.star", []byte(`
c = cell({"a": [1], "t": (1, [2])})
nothing = {}
def change(d):
    d["a"].append(2)
    d["t"][1].append(3)
    d["b"] = d.get("b", 0) + 1
    return d
def forgets(d):
    d["b"] = 1
def good(req):
    before = c.get()
    c.update(change)
    c.update(change)
    state.update("k", change, default = {"a": [], "t": (1, [])})
    state.update("k", change)
    state.update("n", lambda d: d.setdefault("x", 1) and d, default = nothing)
    return {"body": [before, c.get(), state.get("k"), state.get("n")]}
def lost(req): c.update(forgets)
def lost_state(req): state.update("x", forgets, default = {})
def frozen(req): c.get()["x"] = 1
def none(req): return {"body": [cell(1).update(lambda n: None)]}
`))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"good":       `[{"a":[1],"t":[1,[2]]},{"a":[1,2,2],"t":[1,[2,3,3]],"b":2},{"a":[2,2],"t":[1,[3,3]],"b":2},{"x":1}]`,
		"lost":       "t.star:19:24: cell.update: forgets returned None for a dict, want the new value",
		"lost_state": "t.star:20:34: state.update: forgets returned None for a dict, want the new value",
		"frozen":     "update(fn)",
		"none":       "[null]",
	} {
		handler, err := h.Handler(s.Globals[name])
		if err != nil {
			t.Fatal(err)
		}
		res, err := handler.Respond(t.Context(), newExchange("GET", "/", ""))
		got := fmt.Sprint(err)
		if err == nil {
			got = string(res.Body.(exchange.Bytes))
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

// TestHooksSeeFailures checks that a response hook is shown the answer to what
// failed, may replace it, and otherwise leaves the failure what it is.
func TestHooksSeeFailures(t *testing.T) {
	t.Parallel()
	h := newHost(script.Options{})
	s, err := h.LoadText("a.star", []byte(`
def boom(req): fail("boom")
def after(req, res):
    state.set("seen", "%d %s" % (res.status, res.text))
    if req.path == "/marked":
        res.headers["X-Hook"] = "1"
    if req.path == "/replaced":
        return response(status = 299)
`))
	if err != nil {
		t.Fatal(err)
	}
	hooks, err := h.Hooks(starlark.None, s.Globals["after"])
	if err != nil {
		t.Fatal(err)
	}
	boom, err := h.Handler(s.Globals["boom"])
	if err != nil {
		t.Fatal(err)
	}
	away := exchange.HandlerFunc(func(context.Context, *exchange.Exchange) (*exchange.Response, error) {
		return nil, &exchange.UpstreamError{Err: errors.New("refused")}
	})
	for _, c := range []struct {
		path   string
		next   exchange.Handler
		seen   string
		status int // 0 when the failure is left
	}{
		{"/a", boom, "500 {\"error\":\"a.star:2:20: fail: boom\"}", 0},
		{"/marked", boom, "500 ", 500},
		{"/replaced", boom, "500 ", 299},
		{"/a", away, "502 Bad gateway: ", 0},
		{"/replaced", away, "502 ", 299},
	} {
		res, err := h.Wrap(hooks, c.next).Respond(t.Context(), newExchange("GET", c.path, ""))
		seen, _ := h.State().Get("seen")
		if text := fmt.Sprint(seen); !strings.HasPrefix(text, c.seen) {
			t.Errorf("%s: the hook saw %s", c.path, text)
		}
		switch {
		case c.status == 0 && (err == nil || res != nil):
			t.Errorf("%s: %v, %v", c.path, res, err)
		case c.status > 0 && (err != nil || res.Status != c.status):
			t.Errorf("%s: %+v, %v", c.path, res, err)
		case c.status == 500 && (res.Header.Get("X-Hook") != "1" || res.Err == nil):
			t.Errorf("%s: %+v", c.path, res)
		}
	}
}
