package builtins

import (
	"errors"
	"fmt"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starproxy/builtins/call"
	"starproxy/builtins/value"
)

func assertModule() Module {
	return Module{
		Name: "assert", Scope: Tests,
		Doc: "What tests state. A statement that does not hold ends the test.",
		Funcs: []Func{
			{"eq", "got, want", "got equals want.", "assert.eq(1 + 1, 2)", assertEq},
			{"ne", "got, other", "got does not equal other.", "assert.ne(1, 2)", assertNe},
			{"true", "cond, message=\"\"", "cond is true.", "assert.true(1 < 2)", assertTrue},
			{"contains", "container, item", "item is in a list, a dict's keys, or a text.", "assert.contains(\"hello\", \"ell\")", assertContains},
			{"fails", "fn, pattern=\"\"", "fn() ends with an error that matches a regular expression.", "assert.fails(lambda: 1 // 0, \"division by zero\")", assertFails},
		},
	}
}

func clockModule() Module {
	return Module{
		Name: "clock", Scope: Tests,
		Doc: "The clock of a test: it stands still until it is moved.",
		Funcs: []Func{
			{"advance", "duration", "Moves the clock on.", "before = time.now()\nclock.advance(\"30s\")\nassert.eq(time.now() - before, time.parse_duration(\"30s\"))", clockAdvance},
		},
	}
}

func testModule() Module {
	return Module{
		Scope: Tests,
		Doc:   "Means of tests.",
		Funcs: []Func{
			{"seed", "n", "Starts the random source from n.", "seed(7)\na = uuid()\nseed(7)\nassert.eq(uuid(), a)", callSeed},
			{"webhooks", "", "What webhook() and after: have sent so far, or would have: a list of dicts with method, url, headers, text, json (None for another body) and endpoint.", "serve({\"POST /n\": {\"status\": 202, \"after\": {\"url\": \"http://shop.example/\", \"body\": {\"n\": 1}}}})\ncall(\"POST /n\").status  # => 202\n[(w[\"method\"], w[\"url\"], w[\"json\"]) for w in webhooks()]  # => [(\"POST\", \"http://shop.example/\", {\"n\": 1})]", callWebhooks},
			{"request", "key, headers=None, query=None, params=None, body=None", "Makes a request of \"METHOD /path\" or \"METHOD URL\", as a handler gets it. A body that is no text is sent as JSON.", "req = request(\"POST /a?x=1\", headers={\"X-A\": \"b\"}, body={\"n\": 1})\nassert.eq(req.json(\"n\"), 1)\nassert.eq(req.query[\"x\"], \"1\")\nassert.eq(req.header(\"x-a\"), \"b\")", callRequest},
			{"serve", "scenario, upstream=None", "Makes the endpoints that call() asks from here on: a dict as in a .star scenario, or the path of a scenario from the test's directory. Before, it is the scenario of the same name (auth.star or auth.yaml for auth_test.star), else scenario.star or scenario.yaml beside it. upstream(req) stands in for the real server.", "serve({\"GET /a\": {\"status\": 204}})\ncall(\"GET /a\").status  # => 204", callServe},
			{"call", "key, body=None, headers=None, query=None, limit=1048576, timeout=\"1m0s\", messages=None", "Sends the request \"METHOD /path\" to the endpoints and returns the answer. No socket is used, and nobody waits: latencies and sleep() move the test's clock on. The client leaves after limit bytes or when the timeout is over. What fails in a handler fails the test. For \"WEBSOCKET /path\" the client says messages: text, bytes, other values as JSON, and numbers, which are pauses in seconds by the test's clock; it leaves when the function wants one more. Without messages it listens until the timeout.", "serve({\"POST /n\": {\"status\": 201, \"body\": {\"n\": 1}, \"latency_ms\": 50}})\nr = call(\"POST /n\", body={\"x\": 1}, headers={\"X-A\": \"b\"})\nassert.eq((r.status, r.json(\"n\"), r.latency_ms), (201, 1, 50))\ndef echo(ws):\n    for msg in ws:\n        ws.send(msg.bytes if msg.binary else msg.text)\nserve({\"WEBSOCKET /echo\": echo})\ncall(\"WEBSOCKET /echo\", messages=[\"hi\", b\"\\x00\"]).messages  # => [\"hi\", b\"\\x00\"]", callCall},
		},
	}
}

func assertEq(c *call.Call, a call.Args) (starlark.Value, error) {
	var got, want starlark.Value
	if err := a.Unpack("got", &got, "want", &want); err != nil {
		return nil, err
	}
	same, err := starlark.Equal(got, want)
	if err == nil && !same {
		err = fmt.Errorf("got %s, want %s", got, want)
	}
	return starlark.None, err
}

func assertNe(c *call.Call, a call.Args) (starlark.Value, error) {
	var got, other starlark.Value
	if err := a.Unpack("got", &got, "other", &other); err != nil {
		return nil, err
	}
	same, err := starlark.Equal(got, other)
	if err == nil && same {
		err = fmt.Errorf("got %s, want anything else", got)
	}
	return starlark.None, err
}

func assertTrue(c *call.Call, a call.Args) (starlark.Value, error) {
	var cond starlark.Value
	message := ""
	if err := a.Unpack("cond", &cond, "message?", &message); err != nil {
		return nil, err
	}
	if cond.Truth() {
		return starlark.None, nil
	}
	if message == "" {
		message = fmt.Sprintf("%s is not true", cond)
	}
	return nil, errors.New(message)
}

func assertContains(c *call.Call, a call.Args) (starlark.Value, error) {
	var container, item starlark.Value
	if err := a.Unpack("container", &container, "item", &item); err != nil {
		return nil, err
	}
	in, err := starlark.Binary(syntax.IN, item, container)
	if err == nil && !in.Truth() {
		err = fmt.Errorf("%s is not in %s", item, container)
	}
	return starlark.None, err
}

func assertFails(c *call.Call, a call.Args) (starlark.Value, error) {
	var fn starlark.Callable
	pattern := ""
	if err := a.Unpack("fn", &fn, "pattern?", &pattern); err != nil {
		return nil, err
	}
	re, err := compiled(c, a.Func, pattern)
	if err != nil {
		return nil, err
	}
	_, err = starlark.Call(c.Thread, fn, nil, nil)
	if err == nil {
		return nil, fmt.Errorf("%s did not fail", fn.Name())
	}
	if !re.MatchString(err.Error()) {
		return nil, fmt.Errorf("failed with %q, want a match of %q", err.Error(), pattern)
	}
	return starlark.None, nil
}

func clockAdvance(c *call.Call, a call.Args) (starlark.Value, error) {
	var d time.Duration
	if err := a.Unpack("duration", &d); err != nil {
		return nil, err
	}
	if c.Env.Manual == nil {
		return nil, errors.New("clock.advance: the clock here is not a test's")
	}
	c.Waits()
	c.Env.Manual.Advance(d)
	c.Waited()
	return starlark.None, c.Env.Tasks.Failure()
}

func callSeed(c *call.Call, a call.Args) (starlark.Value, error) {
	var v starlark.Value
	if err := a.Unpack("n", &v); err != nil {
		return nil, err
	}
	n, ok := call.Integer(v)
	seed := uint64(n)
	if i, isInt := v.(starlark.Int); isInt && !ok {
		seed, ok = i.Uint64()
	}
	if !ok {
		return nil, fmt.Errorf("seed: argument \"n\": got %s, want %s", call.Describe(v), call.WantInt(v))
	}
	c.Env.Random.Seed(seed)
	return starlark.None, nil
}

func callRequest(c *call.Call, a call.Args) (starlark.Value, error) {
	var key string
	var headers, query, params, body starlark.Value
	if err := a.Unpack("key", &key, "headers?", &headers, "query?", &query, "params?", &params, "body?", &body); err != nil {
		return nil, err
	}
	x, err := value.NewExchange(key, headers, query, params, body)
	if err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	x.Start = c.Env.Clock()
	return value.NewRequest(x, c.Env.MaxBody), nil
}
