package builtins

import "starproxy/builtins/trial"

func assertModule() Module {
	return Module{
		Name: "assert", Scope: Tests,
		Doc: "What tests state. A statement that does not hold ends the test.",
		Funcs: []Func{
			{"eq", "got, want", "got equals want.", "assert.eq(1 + 1, 2)", trial.Eq},
			{"ne", "got, other", "got does not equal other.", "assert.ne(1, 2)", trial.Ne},
			{"true", "cond, message=\"\"", "cond is true.", "assert.true(1 < 2)", trial.True},
			{"contains", "container, item", "item is in a list, a dict's keys, or a text.", "assert.contains(\"hello\", \"ell\")", trial.Contains},
			{"fails", "fn, pattern=\"\"", "fn() ends with an error that matches a regular expression.", "assert.fails(lambda: 1 // 0, \"division by zero\")", trial.Fails},
		},
	}
}

func clockModule() Module {
	return Module{
		Name: "clock", Scope: Tests,
		Doc: "The clock of a test: it stands still until it is moved.",
		Funcs: []Func{
			{"advance", "duration", "Moves the clock on.", "before = time.now()\nclock.advance(\"30s\")\nassert.eq(time.now() - " +
				"before, time.parse_duration(\"30s\"))", trial.Advance},
		},
	}
}

func testModule() Module {
	return Module{
		Scope: Tests,
		Doc:   "Means of tests.",
		Funcs: []Func{
			{"seed", "n", "Starts the random source from n.", "seed(7)\na = uuid()\nseed(7)\nassert.eq(uuid(), a)", trial.Seed},
			{"webhooks", "", "What webhook() and after: have sent so far, or would have: a list of dicts with method, url, headers, text, json (None for another body) and endpoint.", "serve({\"POST /n\": " +
				"{\"status\": 202, \"after\": {\"url\": \"http://shop.example/\", \"body\": {\"n\": 1}}}})\ncall(\"POST " +
				"/n\").status  # => 202\n[(w[\"method\"], w[\"url\"], w[\"json\"]) for w in webhooks()]  # => [(\"POST\", " +
				"\"http://shop.example/\", {\"n\": 1})]", callWebhooks},
			{"request", "key, headers=None, query=None, params=None, body=None", "Makes a request of \"METHOD /path\" or \"METHOD URL\", as a handler gets it. A body that is no text is sent as JSON.", "req = request(\"POST " +
				"/a?x=1\", headers={\"X-A\": \"b\"}, body={\"n\": 1})\nassert.eq(req.json(\"n\"), " +
				"1)\nassert.eq(req.query[\"x\"], \"1\")\nassert.eq(req.header(\"x-a\"), \"b\")", trial.Request},
			{"serve", "scenario, upstream=None", "Makes the endpoints that call() asks from here on: a dict as in a .star " +
				"scenario, or the path of a scenario from the test's directory. Before, it is the scenario of the same name " +
				"(auth.star or auth.yaml for auth_test.star), else scenario.star or scenario.yaml beside it. upstream(req) " +
				"stands in for the real server.", "serve({\"GET /a\": {\"status\": 204}})\ncall(\"GET /a\").status  # => 204", trial.Serve},
			{"call", "key, body=None, headers=None, query=None, limit=1048576, timeout=\"1m0s\", messages=None", "Sends the request \"METHOD /path\" to the endpoints and returns the answer. No socket is used, and nobody waits: latencies and sleep() move the test's clock on. The client leaves after limit bytes or when the timeout is over. What fails in a handler fails the test. For \"WEBSOCKET /path\" the client says messages: text, bytes, other values as JSON, and numbers, which are pauses in seconds by the test's clock; it leaves when the function wants one more. Without messages it listens until the timeout.", "serve({\"POST /n\": {\"status\": 201, \"body\": {\"n\": 1}, \"latency_ms\": 50}})\nr = call(\"POST /n\", body={\"x\": 1}, headers={\"X-A\": \"b\"})\nassert.eq((r.status, r.json(\"n\"), r.latency_ms), (201, 1, 50))\ndef echo(ws):\n    for msg in ws:\n        ws.send(msg.bytes if msg.binary else msg.text)\nserve({\"WEBSOCKET /echo\": echo})\ncall(\"WEBSOCKET /echo\", messages=[\"hi\", b\"\\x00\"]).messages  # => [\"hi\", b\"\\x00\"]", trial.Call},
		},
	}
}
