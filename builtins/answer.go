package builtins

import (
	"fmt"
	"net/http"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
	"starproxy/builtins/value"
)

func answerModule() Module {
	return Module{
		Doc: "The values that a handler may return. A handler may also return None, to ask the real server, " +
			"or a plain dict with the keys of a scenario.",
		Funcs: []Func{
			{
				"response", "status=200, body=None, headers={}, content_type=None, file=None, latency_ms=0, stream=None",
				"Makes an answer. A dict or list as body is sent as JSON, text as text/plain, bytes as " +
					"application/octet-stream, unless content_type or headers say otherwise; headers is a dict " +
					"of texts or lists of texts. file is a path in the files directory, served with ranges and " +
					"conditions. stream is a function of one argument, out: out.write(text or bytes) sends to the " +
					"client at once, and out.closed is True when it has left. The answer waits latency_ms, which is " +
					`milliseconds, or a dict as in YAML, {"min": 50, "max": 200} for instance, from which a time ` +
					"is drawn for each request. It has .status, .headers, .body and .text, which can be set, and " +
					".json(path).",
				"r = response(status = 201, body = {\"id\": 7}, headers = {\"X-Trace\": \"abc\"})\n" +
					"r.status  # => 201\n" +
					"r.json(\"id\")  # => 7\n" +
					"r.headers[\"x-trace\"]  # => \"abc\"\n" +
					"response(stream = lambda out: out.write(\"tick\\n\")).status  # => 200\n" +
					`response(latency_ms = {"distribution": "normal", "mean": 80, "stddev": 20}).status  # => 200`,
				callResponse,
			},
			{
				"fault", "kind, after=0, answer=None",
				`A network fault instead of an answer: "reset" the connection, "close" it, "stall" (send ` +
					`nothing until the client gives up), "truncate" (end in the middle of the body) or send ` +
					`"garbage". With after, the header and that many bytes of the body are sent first. The body ` +
					"is that of answer, a response. Without answer it is filler. In the body itself: \"drip\" " +
					"(1024 bytes per second), \"corrupt\" (a byte in the middle is wrong), \"wrong_length\" " +
					"(Content-Length is larger by 1), \"duplicate\" (the body comes twice).",
				"fault(\"reset\").kind  # => \"reset\"\n" +
					"fault(\"truncate\", after = 100).after  # => 100\n" +
					`try_(fault, "explode").ok  # => False`,
				callFault,
			},
			{
				"forward", "req, method=None, url=None, headers=None, body=None",
				"Asks the real server and returns its answer, a response that can be changed and returned. " +
					"The arguments change this request only. headers replaces headers of req by name; None " +
					"removes one. url is a full URL or a path. It is an error if the server can't be reached; " +
					"try_ catches it, and without try_ the client gets a 502.",
				"res = forward(req, headers = {\"X-Debug\": \"1\"})\n" +
					"res.status  # => 200\n" +
					"res.headers[\"X-Served-By\"] = \"starproxy\"\n" +
					"res.body = merge(res.json(), {\"patched\": True})\n" +
					`res.json("patched")  # => True`,
				forwardTo,
			},
		},
	}
}

func callResponse(c *call.Call, a call.Args) (starlark.Value, error) {
	p := value.Draft{Status: http.StatusOK}
	if a.Probing() || len(a.Positional) > 0 || !p.TakeKeywords(a.Keywords) {
		var status starlark.Value = starlark.MakeInt(http.StatusOK)
		var body, typ, file, stream starlark.Value = starlark.None, starlark.None, starlark.None, starlark.None
		var headers starlark.Value = new(starlark.Dict)
		var latency starlark.Value = starlark.MakeInt(0)
		if err := a.Unpack("status?", &status, "body?", &body, "headers?", &headers, "content_type?", &typ, "file?", &file,
			"latency_ms?", &latency, "stream?", &stream); err != nil {
			return nil, err
		}
		p = value.Draft{Body: body, Headers: headers, ContentType: typ, File: file, Latency: latency, Stream: stream}
		if _, err := p.Set("status", status); err != nil {
			return nil, fmt.Errorf("response: %w", err)
		}
	}
	r, err := p.Response(c)
	if err != nil {
		return nil, fmt.Errorf("response: %w", err)
	}
	return r, nil
}

func callFault(c *call.Call, a call.Args) (starlark.Value, error) {
	var kind string
	var after int64
	var answer starlark.Value = starlark.None
	if err := a.Unpack("kind", &kind, "after?", &after, "answer?", &answer); err != nil {
		return nil, err
	}
	var begun *value.Response
	if answer != starlark.None {
		var ok bool
		if begun, ok = answer.(*value.Response); !ok || begun.Handler() != nil || begun.Stream() != nil {
			return nil, fmt.Errorf("fault: argument \"answer\": got %s, want a response with a body", call.Describe(answer))
		}
	}
	f, err := value.NewFault(kind, after, begun)
	if err != nil {
		return nil, fmt.Errorf("fault: %w", err)
	}
	return f, nil
}
