package script

import (
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
)

// TestLater runs tests of what comes after answers, by the clock of a test.
func TestLater(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ src, want string }{
		"order": {`
def handler(req):
    later(lambda: state.update("log", lambda l: l + ["b"], default = []), 2)
    later(lambda: state.update("log", lambda l: l + ["a"], default = []), "1s")
    later(lambda: state.update("log", lambda l: l + ["now"], default = []))
    state.update("log", lambda l: l + ["answer"], default = [])
    return response()

def test_order():
    serve({"GET /": handler})
    call("GET /")
    assert.eq(state("log"), ["answer", "now"])
    clock.advance("1500ms")
    assert.eq(state("log"), ["answer", "now", "a"])
    clock.advance("1h")
    assert.eq(state("log"), ["answer", "now", "a", "b"])
`, ""},
		"the clock shows when it is due": {`
def handler(req):
    begin = time.now()
    later(lambda: state.set("after", str(time.now() - begin)), "90s")
    return response()

def test_clock():
    serve({"GET /": handler})
    call("GET /")
    clock.advance("1h")
    assert.eq(state("after"), "1m30s")
`, ""},
		"sleep and chain": {`
def tick():
    n = state.incr("ticks")
    sleep("10s")
    if n < 5:
        later(tick, "1m")

def handler(req):
    later(tick, "1m")
    later(lambda: state.set("other", True), "65s")
    return response(body = req.text)

def test_chain():
    serve({"POST /": handler})
    call("POST /", body = "x")
    clock.advance("1h")
    assert.eq((state("ticks"), state("other")), (5, True))
`, ""},
		"an error fails the call": {`
def test_error():
    serve({"GET /": lambda req: [later(lambda: 1 // 0), response()][1]})
    call("GET /")
`, "later_test.star:3:50: floored division by zero"},
		"an error fails the advance": {`
def test_error():
    serve({"GET /": lambda req: [later(lambda: 1 // 0, "1s"), response()][1]})
    call("GET /")
    clock.advance("1s")
`, "division by zero"},
		"at the top level":         {"later(lambda: None)\ndef test_x():\n    pass\n", "later: a handler calls it, not a file that is loaded"},
		"webhook at the top level": {"webhook('http://a/')\ndef test_x():\n    pass\n", "webhook: a handler calls it, not a file that is loaded"},
		"delay":                    {"def test_x():\n    serve({'GET /': lambda req: later(lambda: None, -1)})\n    call('GET /')\n", `later: argument "delay": got int -1, want a duration`},
		"url":                      {"def test_x():\n    serve({'GET /': lambda req: webhook('/x')})\n    call('GET /')\n", `webhook: url: got "/x", want http://host/path or https://host/path`},
		"method":                   {"def test_x():\n    serve({'GET /': lambda req: webhook('http://a/', method = 'a b')})\n    call('GET /')\n", `webhook: method: got "A B", want one such as POST`},
		"headers":                  {"def test_x():\n    serve({'GET /': lambda req: webhook('http://a/', headers = {'X': 'a\\nb'})})\n    call('GET /')\n", "webhook: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := TestOptions{Table: handlerTable}
			results := RunTests(t.Context(), o, "later_test.star", []byte(c.src))
			for _, r := range results {
				if got := ""; r.Err != nil || c.want != "" {
					if r.Err != nil {
						got = r.Err.Error()
					}
					if c.want == "" || !strings.Contains(got, c.want) {
						t.Errorf("got %s, want %s", got, c.want)
					}
				}
			}
		})
	}
}

// handlerTable answers every request by the one function of a dict.
func handlerTable(h *Host, _ string, endpoints starlark.Value) (exchange.Handler, error) {
	fn := endpoints.(starlark.IterableMapping).Items()[0][1]
	return h.HandlerWith(fn, &Answering{Defaults: call.Defaults{}})
}
