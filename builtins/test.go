package builtins

import "starproxy/builtins/trial"

func assertModule() Module {
	return Module{
		Name: "assert", Scope: Tests,
		Doc: "Checks for tests. A check that fails ends the test.",
		Funcs: []Func{
			{"eq", "got, want", "got equals want.", "assert.eq(1 + 1, 2)", trial.Eq},
			{"ne", "got, other", "got does not equal other.", "assert.ne(1, 2)", trial.Ne},
			{"true", "cond, message=\"\"", "cond is true.", "assert.true(1 < 2)", trial.True},
			{"contains", "container, item", "item is in a list, a dict's keys, or a text.", "assert.contains(\"hello\", \"ell\")",
				trial.Contains},
			{"expect", "expectations", "The requests that the test has made with call() fulfil an expectation, or a list of them. " +
				"The keys are those of files for \"j proxy expect\".", "serve({\"GET /a\": {\"body\": \"x\"}})\ncall(\"GET /a\")\n" +
				"assert.expect({\"request\": \"GET /a\", \"count\": 1, \"no_unmatched\": True})", trial.Expect},
			{"fails", "fn, pattern=\"\"", "fn() ends with an error that matches a regular expression.",
				"assert.fails(lambda: 1 // 0, \"division by zero\")", trial.Fails},
		},
	}
}

func clockModule() Module {
	return Module{
		Name: "clock", Scope: Tests,
		Doc: "The clock of a test. It moves only when a test moves it, or when an answer or sleep() waits.",
		Funcs: []Func{
			{"advance", "duration", "Moves the clock forward.", "before = time.now()\nclock.advance(\"30s\")\nassert.eq(time.now() - " +
				"before, time.parse_duration(\"30s\"))", trial.Advance},
		},
	}
}

func testModule() Module {
	return Module{
		Scope: Tests,
		Doc:   "Other functions for tests.",
		Funcs: []Func{
			{"seed", "n", "Sets the number from which the random source starts.", "seed(7)\na = uuid()\nseed(7)\nassert.eq(uuid(), a)",
				trial.Seed},
			{"webhooks", "", "The webhooks of webhook() and after: so far, which a test does not really send: a list of dicts " +
				"with method, url, headers, text, json (None if the body is not JSON) and endpoint.", "serve({\"POST /n\": " +
				"{\"status\": 202, \"after\": {\"url\": \"http://shop.example/\", \"body\": {\"n\": 1}}}})\ncall(\"POST " +
				"/n\").status  # => 202\n[(w[\"method\"], w[\"url\"], w[\"json\"]) for w in webhooks()]  # => [(\"POST\", " +
				"\"http://shop.example/\", {\"n\": 1})]", callWebhooks},
			{"request", "key, headers=None, query=None, params=None, body=None", "Makes a request such as a handler gets, from " +
				"\"METHOD /path\" or \"METHOD URL\". A body that is not text is sent as JSON.", "req = request(\"POST " +
				"/a?x=1\", headers={\"X-A\": \"b\"}, body={\"n\": 1})\nassert.eq(req.json(\"n\"), " +
				"1)\nassert.eq(req.query[\"x\"], \"1\")\nassert.eq(req.header(\"x-a\"), \"b\")", trial.Request},
			{"serve", "scenario, upstream=None", "Sets the endpoints that call() sends its requests to: a dict as in a .star " +
				"scenario, or the path of a scenario relative to the test's directory. Without serve(), it is the scenario of the " +
				"same name (auth.star or auth.yaml for auth_test.star), else scenario.star or scenario.yaml beside it. " +
				"upstream(req) answers instead of the real server.", "serve({\"GET /a\": {\"status\": 204}})\ncall(\"GET " +
				"/a\").status  # => 204", trial.Serve},
			{"call", "key, body=None, headers=None, query=None, limit=1048576, timeout=\"1m0s\", messages=None",
				"Sends the request \"METHOD /path\" to the endpoints and returns the answer. No socket is used, and no real time " +
					"passes: latencies and sleep() move the test's clock forward. The client leaves after limit bytes or when " +
					"the timeout is over. An error in a handler fails the test. For \"WEBSOCKET /path\" the client sends " +
					"messages: text, bytes, other values as JSON, and numbers, which are pauses in seconds on the test's clock. " +
					"It leaves when the function wants one more message. Without messages the client only receives, until the " +
					"timeout.",
				"serve({\"POST /n\": {\"status\": 201, \"body\": {\"n\": 1}, \"latency_ms\": 50}})\nr = call(\"POST /n\", " +
					"body={\"x\": 1}, headers={\"X-A\": \"b\"})\nassert.eq((r.status, r.json(\"n\"), r.latency_ms), (201, 1, " +
					"50))\ndef echo(ws):\n    for msg in ws:\n        ws.send(msg.bytes if msg.binary else " +
					"msg.text)\nserve({\"WEBSOCKET /echo\": echo})\ncall(\"WEBSOCKET /echo\", messages=[\"hi\", " +
					"b\"\\x00\"]).messages  # => [\"hi\", b\"\\x00\"]", trial.Call},
		},
	}
}
