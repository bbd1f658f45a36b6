package script

// topics are what a script defines, for the reference.
func topics() Section {
	return Section{
		Name: "script", Title: "What a script defines",
		Doc: "What a script defines: a scenario has the globals endpoints, hooks, config and faults, an addon the functions " +
			"handle and websocket.",
		Entries: []Entry{
			{
				"endpoints", "endpoints",
				"A dict from keys (\"GET /path\", \"* /path\", \"WEBSOCKET /path\", \"https://host/path\") to what answers: a " +
					"function of the request, which gives response(...), a dict with a scenario's keys, fault(...), what " +
					"forward(req) gave, or None for the real server; or plain data, as in YAML. A WEBSOCKET function gets the " +
					"socket.",
				"def hello(req):\n    return response(body = {\"hello\": req.params[\"name\"]})\nserve({\"GET /hello/{name}\": " +
					"hello, \"GET /health\": {\"body\": \"ok\"}})\ncall(\"GET /hello/ada\").json()  # => {\"hello\": \"ada\"}",
			},
			{
				"hooks", "hooks = {\"request\": fn(req), \"response\": fn(req, res)}",
				"Functions that see all traffic, mocked or not. The request hook runs before an endpoint is asked and may change " +
					"the header of the request; what it returns is the answer, and None goes on. The response hook gets what is " +
					"about to go out: a mock's answer, the real server's, that of the request hook, or the 500 or 502 of what " +
					"failed; it may change it, and what it returns goes out instead. Either may be left out.",
				"def allow(req):\n    if not req.header(\"X-Key\"):\n        return response(status = 401)\ndef mark(req, " +
					"res):\n    res.headers[\"X-Seen\"] = req.path\nhooks = {\"request\": allow, \"response\": mark}",
			},
			{
				"config", "config = {\"files_dir\": ..., \"addons_dir\": ...}",
				"Settings of a scenario, the same as in YAML: files_dir and addons_dir (directories, from the scenario's own; " +
					"the driver's without them), default_latency_ms and default_content_type.",
				"config = {\"files_dir\": \"files\", \"addons_dir\": \"addons\"}",
			},
			{
				"faults", "faults = [{\"match\": ..., \"when\": ..., \"do\": ...}]",
				"Plans of faults that requests meet, mocked or not, the same as in YAML. match is the key of an endpoint or a dict " +
					"of conditions; when has nth, every, probability, times, from, to, since and per; do is a kind, or a dict of " +
					"kind and its values.",
				"faults = [{\"match\": \"GET /fw/*\", \"when\": {\"nth\": 1}, \"do\": {\"kind\": \"truncate\", \"after\": \"60%\"}}]",
			},
			{
				"handle", "handle(req, config)",
				"The function of addons/NAME.star that answers the endpoints with addon: NAME. config is their addon_config, a " +
					"dict; the answers are those of an endpoint's function.",
				"def handle(req, config):\n    return response(body = {\"hello\": config.get(\"name\", " +
					"\"world\")})\nhandle(request(\"GET /\"), {}).json(\"hello\")  # => \"world\"",
			},
			{
				"websocket", "websocket(ws, config)",
				"The function of an addon that serves WEBSOCKET endpoints.",
				"def websocket(ws, config):\n    for msg in ws:\n        ws.send(config.get(\"prefix\", \"\") + " +
					"msg.text)\nserve({\"WEBSOCKET /echo\": lambda ws: websocket(ws, {\"prefix\": \"> \"})})\ncall(\"WEBSOCKET " +
					"/echo\", messages = [\"hi\"]).messages  # => [\"> hi\"]",
			},
			{
				"addon", "addon: NAME",
				"The key of an endpoint that the script NAME.star in the addons directory answers, by its handle(req, config) or " +
					"websocket(ws, config); addon_config beside it is given to them. The directory is addons_dir of the " +
					"scenario's config, else directories.addons of the proxy, {data}/addons.",
				"endpoints = {\"GET /hello\": {\"addon\": \"greeter\", \"addon_config\": {\"name\": \"ada\"}}}",
			},
		},
	}
}
