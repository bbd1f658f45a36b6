package builtins

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
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
	x, err := newExchange(key, headers, query, params, body)
	if err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	x.Start = c.Env.Clock()
	return &Request{x: x, maxBody: c.Env.MaxBody}, nil
}

// newExchange makes the exchange of a request that never saw a network.
func newExchange(key string, headers, query, params, body starlark.Value) (*exchange.Exchange, error) {
	verb, target, ok := strings.Cut(key, " ")
	if !ok {
		verb, target = http.MethodGet, key
	}
	u, err := url.Parse(target)
	if err != nil || u.Path == "" {
		return nil, fmt.Errorf("%q is no METHOD /path", key)
	}
	q := &exchange.Request{
		Method: strings.ToUpper(verb), Scheme: "http", Host: "localhost", Target: u.RequestURI(),
		Proto: "HTTP/1.1",
	}
	q.Port = exchange.DefaultPort(q.Scheme)
	if u.Host != "" {
		q.Scheme = u.Scheme
		if q.Host, q.Port, err = exchange.ParseAuthority(u.Host, exchange.DefaultPort(q.Scheme)); err != nil {
			return nil, fmt.Errorf("%q: %w", key, err)
		}
	}
	q.Authority = q.Host
	x := &exchange.Exchange{ID: 1, Client: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 40000), Request: q}
	err = eachText(headers, "string", func(name string, v starlark.Value) bool {
		s, ok := plainText(v)
		q.Header.Set(name, s)
		return ok
	})
	if err != nil {
		return nil, fmt.Errorf("headers: %w", err)
	}
	pairs, err := textLists(query)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	if len(pairs) > 0 {
		values := exchange.Values(u.RawQuery)
		for k, v := range pairs {
			values[k] = v
		}
		q.SetTarget(u.EscapedPath() + "?" + values.Encode())
	}
	if x.Params, err = textMap(params); err != nil {
		return nil, fmt.Errorf("params: %w", err)
	}
	return x, setBody(q, body)
}

// setBody gives a request its body: text as it is, all else as JSON.
func setBody(q *exchange.Request, body starlark.Value) error {
	var data []byte
	switch v := body.(type) {
	case nil, starlark.NoneType:
		return nil
	case starlark.String:
		data = []byte(v)
	case starlark.Bytes:
		data = []byte(v)
	default:
		var err error
		if data, err = AppendJSON(nil, nil, v); err != nil {
			return fmt.Errorf("body: %w", err)
		}
		if q.Header.Get("Content-Type") == "" {
			q.Header.Set("Content-Type", "application/json")
		}
	}
	if _, raw := body.(starlark.Bytes); !raw {
		data, q.Header, _ = exchange.EncodeBody(q.Header, data)
	}
	q.Body = exchange.NewIncoming(strings.NewReader(string(data)), nil)
	q.ContentLength = int64(len(data))
	return nil
}

// textMap reads a dict of texts; numbers count as text. None is empty.
func textMap(v starlark.Value) (map[string]string, error) {
	m := map[string]string{}
	err := eachText(v, "string", func(k string, v starlark.Value) (ok bool) {
		m[k], ok = plainText(v)
		return ok
	})
	return m, err
}

// textLists is textMap for names that may have lists of texts.
func textLists(v starlark.Value) (map[string][]string, error) {
	m := map[string][]string{}
	err := eachText(v, "string or list of strings", func(k string, v starlark.Value) bool {
		list := []starlark.Value{v}
		if l, ok := v.(*starlark.List); ok {
			list = list[:0]
			for i := range l.Len() {
				list = append(list, l.Index(i))
			}
		}
		m[k] = nil
		for _, e := range list {
			s, ok := plainText(e)
			if !ok {
				return false
			}
			m[k] = append(m[k], s)
		}
		return true
	})
	return m, err
}

// eachText goes through a dict; take refuses values that are not what it wants.
func eachText(v starlark.Value, want string, take func(key string, v starlark.Value) bool) error {
	if v == nil || v == starlark.None {
		return nil
	}
	d, ok := v.(starlark.IterableMapping)
	if !ok {
		return fmt.Errorf("got %s, want dict", call.Describe(v))
	}
	for _, kv := range d.Items() {
		k, err := jsonKey(kv[0])
		if err != nil {
			return err
		}
		if !take(k, kv[1]) {
			return fmt.Errorf("%q: got %s, want %s", k, call.Describe(kv[1]), want)
		}
	}
	return nil
}

// plainText is a text, or a number as text.
func plainText(v starlark.Value) (string, bool) {
	switch v := v.(type) {
	case starlark.String:
		return string(v), true
	case starlark.Int, starlark.Float:
		return v.String(), true
	}
	return "", false
}
