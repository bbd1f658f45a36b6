package builtins

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
)

func answerModule() Module {
	return Module{
		Doc: "What a handler returns. Besides these: None, for the real server, and a plain dict with the keys of a scenario.",
		Funcs: []Func{
			{"response", "status=200, body=None, headers={}, content_type=None, file=None, latency_ms=0, stream=None",
				"Makes an answer. A dict or list as body is sent as JSON, text as text/plain, bytes as application/octet-stream, unless content_type or headers say otherwise; headers is a dict of texts or lists of texts. file is a path in the files directory, served with ranges and conditions. stream is a function of one argument, out: out.write(text or bytes) reaches the client at once, out.closed tells whether it has left. The answer waits latency_ms, which is milliseconds, or a dict as in YAML, {\"min\": 50, \"max\": 200} for instance, from which a time is drawn for each request. It has .status, .headers, .body and .text, which can be set, and .json(path).",
				"r = response(status = 201, body = {\"id\": 7}, headers = {\"X-Trace\": \"abc\"})\nr.status  # => 201\nr.json(\"id\")  # => 7\nr.headers[\"x-trace\"]  # => \"abc\"\nresponse(stream = lambda out: out.write(\"tick\\n\")).status  # => 200\nresponse(latency_ms = {\"distribution\": \"normal\", \"mean\": 80, \"stddev\": 20}).status  # => 200", callResponse},
			{"fault", "kind, after=0, answer=None",
				"What the network does instead of an answer: \"reset\" the connection, \"close\" it, \"stall\" (say nothing until the client gives up), \"truncate\" (end in the middle of the body) or send \"garbage\". With after, the header and that many bytes of the body of answer, a response, are sent first; without answer the body is filler.",
				"fault(\"reset\").kind  # => \"reset\"\nfault(\"truncate\", after = 100).after  # => 100\ntry_(fault, \"explode\").ok  # => False", callFault},
			{"forward", "req, method=None, url=None, headers=None, body=None",
				"Asks the real server and gives its answer, a response that can be changed and returned. What is given goes with this request only: headers are laid over those of req (None takes one away), url is a full URL or a path. A server that can't be reached is an error, which try_ catches; uncaught it is a 502.",
				"res = forward(req, headers = {\"X-Debug\": \"1\"})\nres.status  # => 200\nres.headers[\"X-Served-By\"] = \"starproxy\"\nres.body = merge(res.json(), {\"patched\": True})\nres.json(\"patched\")  # => True", forwardTo},
		},
	}
}

// parts are the keys that response() and a plain dict share.
type parts struct {
	status                     int
	body, headers, contentType starlark.Value
	file, latency, stream      starlark.Value
}

// set stores a part; it tells whether there is one of that name.
func (p *parts) set(key string, v starlark.Value) (known bool, err error) {
	switch key {
	case "status":
		n, ok := call.Integer(v)
		if !ok || n < 200 || n > 599 {
			return true, fmt.Errorf("status: got %s, want 200 to 599", call.Describe(v))
		}
		p.status = int(n)
	case "body":
		p.body = v
	case "headers":
		p.headers = v
	case "content_type":
		p.contentType = v
	case "file":
		p.file = v
	case "latency_ms":
		p.latency = v
	case "stream":
		p.stream = v
	default:
		return false, nil
	}
	return true, nil
}

func callResponse(c *call.Call, a call.Args) (starlark.Value, error) {
	p := parts{status: http.StatusOK}
	if a.Probing() || len(a.Positional) > 0 || !p.keywords(a.Keywords) {
		var status starlark.Value = starlark.MakeInt(http.StatusOK)
		var body, typ, file, stream starlark.Value = starlark.None, starlark.None, starlark.None, starlark.None
		var headers starlark.Value = new(starlark.Dict)
		var latency starlark.Value = starlark.MakeInt(0)
		if err := a.Unpack("status?", &status, "body?", &body, "headers?", &headers, "content_type?", &typ, "file?", &file, "latency_ms?", &latency, "stream?", &stream); err != nil {
			return nil, err
		}
		p = parts{body: body, headers: headers, contentType: typ, file: file, latency: latency, stream: stream}
		if _, err := p.set("status", status); err != nil {
			return nil, fmt.Errorf("response: %w", err)
		}
	}
	r := &Response{own: true, maxBody: c.Env.MaxBody, ctx: context.Background(), call: c}
	r.res = &r.made
	var err error
	if r.handler, err = p.build(c, r.res, c.Settings(), ""); err != nil {
		return nil, fmt.Errorf("response: %w", err)
	}
	if p.stream != nil && p.stream != starlark.None {
		fn, ok := p.stream.(starlark.Callable)
		if !ok {
			return nil, fmt.Errorf("response: argument \"stream\": got %s, want function", call.Describe(p.stream))
		}
		if r.res.Body != nil || r.handler != nil {
			return nil, errors.New("response: body, file and stream exclude each other")
		}
		r.stream = fn
	}
	return r, nil
}

// keywords takes the usual call, keywords only, without a detour; it refuses
// what an error must be found for.
func (p *parts) keywords(kwargs []starlark.Tuple) bool {
	for _, kv := range kwargs {
		if known, err := p.set(string(kv[0].(starlark.String)), kv[1]); !known || err != nil {
			return false
		}
	}
	return true
}

// build fills res, or gives the handler that answers instead. The type is that
// of a body which does not say it.
func (p *parts) build(c *call.Call, res *exchange.Response, d *call.Defaults, typ string) (exchange.Handler, error) {
	res.Status, res.Origin, res.Delay, res.Draw = p.status, exchange.FromMock, d.Latency.Fixed, d.Latency.Draw
	given := ""
	if p.contentType != nil && p.contentType != starlark.None {
		s, ok := starlark.AsString(p.contentType)
		if !ok {
			return nil, fmt.Errorf("content_type: got %s, want string", call.Describe(p.contentType))
		}
		if _, err := headerText("Content-Type", p.contentType); err != nil {
			return nil, err
		}
		given, typ = s, s
	}
	if p.latency != nil && p.latency != starlark.None {
		l, err := latencyOf(c, p.latency)
		if err != nil {
			return nil, fmt.Errorf("latency_ms: %w", err)
		}
		res.Delay, res.Draw = l.Fixed, l.Draw
	}
	if err := p.header(res); err != nil {
		return nil, err
	}
	if p.file != nil && p.file != starlark.None {
		s, ok := starlark.AsString(p.file)
		switch {
		case !ok || s == "":
			return nil, fmt.Errorf("file: got %s, want the path of a file", call.Describe(p.file))
		case p.body != nil && p.body != starlark.None:
			return nil, errors.New("body and file exclude each other")
		case d.File == nil:
			return nil, errors.New("file: there are no files here")
		}
		return exchange.Drawn(d.File(s, res.Status, res.Header, given, res.Delay), res.Draw), nil
	}
	data, kind, err := bodyBytes(c, p.body)
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	if typ == "" {
		typ = kind
	}
	switch {
	case typ == "" || res.Header.Has("Content-Type") || res.Status == http.StatusNotModified && p.contentType == nil:
	case typ == jsonType && len(res.Header) == 0:
		res.Header = jsonHeader
	default:
		res.Header.Add("Content-Type", typ)
	}
	if len(data) > 0 {
		data, res.Header = encodeBody(c, res.Header, data, kind)
		res.Body = exchange.Bytes(data)
	}
	return nil, nil
}

// latencyOf reads a latency that a script gives: milliseconds, or a dict.
func latencyOf(c *call.Call, v starlark.Value) (call.Latency, error) {
	if d, ok := v.(starlark.IterableMapping); ok {
		spec, err := ToGo(c, d)
		if err != nil {
			return call.Latency{}, err
		}
		m, _ := spec.(jsonvalue.Object)
		return call.NewLatency(m, c.Env.Random)
	}
	ms, ok := starlark.AsFloat(v)
	fixed, within := call.Milliseconds(ms)
	if !ok || !within {
		return call.Latency{}, fmt.Errorf("got %s, want milliseconds, 0 to 86400000 (a day), or a dict such as {\"min\": 50, \"max\": 200}", call.Describe(v))
	}
	return call.Latency{Fixed: fixed}, nil
}

// jsonHeader is the header of most answers; nobody changes it.
var jsonHeader = exchange.HeaderOf("Content-Type", jsonType)

// sharedHeader tells whether h is jsonHeader itself.
func sharedHeader(h exchange.Header) bool { return len(h) > 0 && &h[0] == &jsonHeader[0] }

// header reads the headers; what frames the message is left to the proxy.
func (p *parts) header(res *exchange.Response) error {
	if p.headers == nil || p.headers == starlark.None {
		return nil
	}
	if d, ok := p.headers.(*starlark.Dict); ok && d.Len() == 0 {
		return nil
	}
	return eachHeader(p.headers, func(name string, values ...string) {
		if exchange.IsFraming(name) {
			return
		}
		for _, v := range values {
			res.Header.Add(name, v)
		}
	})
}

// Plain makes the answer of a dict that says no more than status, body, headers,
// content_type, file and latency_ms; ok is false for any other.
func Plain(c *call.Call, d *starlark.Dict, defaults *call.Defaults) (res *exchange.Response, h exchange.Handler, ok bool, err error) {
	r := &plain{parts: parts{status: http.StatusOK}}
	d.Entries()(r.take)
	if r.err != nil || r.other || templated(r.headers) || expression(r.file) {
		return nil, nil, r.err != nil, r.err
	}
	typ := defaults.ContentType
	if typ == "" {
		typ = jsonType
	}
	if r.file != nil && r.file != starlark.None {
		typ = ""
	}
	h, err = r.build(c, &r.res, defaults, typ)
	return &r.res, h, true, err
}

// plain is a dict being read, and its answer.
type plain struct {
	parts
	res   exchange.Response
	other bool // there is a key of another kind of answer
	err   error
}

// take reads an entry; it tells whether to go on.
func (r *plain) take(k, v starlark.Value) bool {
	key, isText := k.(starlark.String)
	if !isText || key == "stream" {
		r.other = true
		return false
	}
	known, err := r.set(string(key), v)
	r.other, r.err = !known, err
	return known && err == nil
}

// expression tells whether the name of a file has an expression in it.
func expression(file starlark.Value) bool {
	s, ok := starlark.AsString(file)
	return ok && strings.Contains(s, "{{")
}

// templated tells whether a header has an expression in it.
func templated(headers starlark.Value) bool {
	d, ok := headers.(*starlark.Dict)
	if !ok || d.Len() == 0 {
		return false
	}
	for _, v := range d.Entries() {
		if s, ok := v.(starlark.String); ok && strings.Contains(string(s), "{{") {
			return true
		}
		if l, ok := v.(*starlark.List); ok {
			for i := range l.Len() {
				if s, ok := l.Index(i).(starlark.String); ok && strings.Contains(string(s), "{{") {
					return true
				}
			}
		}
	}
	return false
}

// Fault is what fault() makes.
type Fault struct {
	kind  string
	after int64
	// Answer is what begins before the fault, or nil.
	Answer *Response
}

func callFault(c *call.Call, a call.Args) (starlark.Value, error) {
	f := &Fault{}
	var answer starlark.Value = starlark.None
	if err := a.Unpack("kind", &f.kind, "after?", &f.after, "answer?", &answer); err != nil {
		return nil, err
	}
	if answer != starlark.None {
		r, ok := answer.(*Response)
		if !ok || r.handler != nil || r.stream != nil {
			return nil, fmt.Errorf("fault: argument \"answer\": got %s, want a response with a body", call.Describe(answer))
		}
		f.Answer = r
	}
	if _, err := f.Respond(); err != nil {
		return nil, fmt.Errorf("fault: %w", err)
	}
	return f, nil
}

// Respond makes the response that is the fault.
func (f *Fault) Respond() (*exchange.Response, error) {
	var res *exchange.Response
	if f.Answer != nil {
		res = f.Answer.res
	}
	return exchange.NewFault(f.kind, f.after, res)
}

func (f *Fault) String() string        { return fmt.Sprintf("fault(%q)", f.kind) }
func (f *Fault) Type() string          { return "fault" }
func (f *Fault) Truth() starlark.Bool  { return true }
func (f *Fault) Hash() (uint32, error) { return 0, errors.New("unhashable: fault") }

// Freeze freezes the answer.
func (f *Fault) Freeze() {
	if f.Answer != nil {
		f.Answer.Freeze()
	}
}

// AttrNames lists the fields.
func (f *Fault) AttrNames() []string { return []string{"after", "kind"} }

// Attr gives a field.
func (f *Fault) Attr(name string) (starlark.Value, error) {
	switch name {
	case "after":
		return starlark.MakeInt64(f.after), nil
	case "kind":
		return starlark.String(f.kind), nil
	}
	return nil, nil
}

// Interface guard.
var _ starlark.HasAttrs = (*Fault)(nil)
