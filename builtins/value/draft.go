package value

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
)

// Draft is an answer as a script describes it. It has the keys that response() and a
// plain dict have in common.
type Draft struct {
	Status                     int
	Body, Headers, ContentType starlark.Value
	File, Latency, Stream      starlark.Value
}

// Set stores the value of a key. It reports false for an unknown key.
func (p *Draft) Set(key string, v starlark.Value) (known bool, err error) {
	switch key {
	case "status":
		n, ok := call.Integer(v)
		if !ok || n < 200 || n > 599 {
			return true, fmt.Errorf("status: got %s, want 200 to 599", call.Describe(v))
		}
		p.Status = int(n)
	case "body":
		p.Body = v
	case "headers":
		p.Headers = v
	case "content_type":
		p.ContentType = v
	case "file":
		p.File = v
	case "latency_ms":
		p.Latency = v
	case "stream":
		p.Stream = v
	default:
		return false, nil
	}
	return true, nil
}

// TakeKeywords stores the keywords of a usual call of response(). It reports false
// if there are other keywords or wrong values; Unpack then finds the error.
//
// It saves 8 % of a request that is answered by response(status, body, content_type)
// (BenchmarkReading of driver/proxy); when Unpack makes no garbage for keywords, it
// should go.
func (p *Draft) TakeKeywords(kwargs []starlark.Tuple) bool {
	for _, kv := range kwargs {
		if known, err := p.Set(string(kv[0].(starlark.String)), kv[1]); !known || err != nil {
			return false
		}
	}
	return true
}

// build fills res, or returns the handler that answers instead of res. typ is the
// content type of a body whose type is not given.
func (p *Draft) build(c *call.Call, res *exchange.Response, d *call.Defaults, typ string) (exchange.Handler, error) {
	res.Status, res.Origin, res.Delay, res.Draw = p.Status, exchange.FromMock, d.Latency.Fixed, d.Latency.Draw
	given := ""
	if p.ContentType != nil && p.ContentType != starlark.None {
		s, ok := starlark.AsString(p.ContentType)
		if !ok {
			return nil, fmt.Errorf("content_type: got %s, want string", call.Describe(p.ContentType))
		}
		if _, err := headerText("Content-Type", p.ContentType); err != nil {
			return nil, err
		}
		given, typ = s, s
	}
	if p.Latency != nil && p.Latency != starlark.None {
		l, err := LatencyOf(c, p.Latency)
		if err != nil {
			return nil, fmt.Errorf("latency_ms: %w", err)
		}
		res.Delay, res.Draw = l.Fixed, l.Draw
	}
	var err error
	if res.Header, err = HeaderFrom(p.Headers); err != nil {
		return nil, err
	}
	if p.File != nil && p.File != starlark.None {
		s, ok := starlark.AsString(p.File)
		switch {
		case !ok || s == "":
			return nil, fmt.Errorf("file: got %s, want the path of a file", call.Describe(p.File))
		case p.Body != nil && p.Body != starlark.None:
			return nil, errors.New("body and file exclude each other")
		case d.File == nil:
			return nil, errors.New("file: there are no files here")
		}
		return exchange.Drawn(d.File(s, res.Status, res.Header, given, res.Delay), res.Draw), nil
	}
	data, kind, err := BodyBytes(c, p.Body)
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	if typ == "" {
		typ = kind
	}
	switch {
	case typ == "" || res.Header.Has("Content-Type") || res.Status == http.StatusNotModified && p.ContentType == nil:
	case typ == jsonType && len(res.Header) == 0:
		res.Header = jsonHeader
	default:
		res.Header.Add("Content-Type", typ)
	}
	if len(data) > 0 {
		data, res.Header = EncodeBody(c, res.Header, data, kind)
		res.Body = exchange.Bytes(data)
	}
	return nil, nil
}

// LatencyOf reads a latency that a script gives: milliseconds, or a dict.
func LatencyOf(c *call.Call, v starlark.Value) (call.Latency, error) {
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
		return call.Latency{}, fmt.Errorf("got %s, want milliseconds, 0 to 86400000 (a day), or a dict such as {\"min\": 50, "+
			"\"max\": 200}", call.Describe(v))
	}
	return call.Latency{Fixed: fixed}, nil
}

// jsonHeader is the header of most answers. It is shared, so it must not be changed.
var jsonHeader = exchange.HeaderOf("Content-Type", jsonType)

// sharedHeader reports whether h is jsonHeader itself.
func sharedHeader(h exchange.Header) bool { return len(h) > 0 && &h[0] == &jsonHeader[0] }

// HeaderFrom reads a dict of headers. None is an empty dict. Fields that say where
// the message ends are left out: the proxy writes its own.
func HeaderFrom(v starlark.Value) (h exchange.Header, err error) {
	if v == nil || v == starlark.None {
		return nil, nil
	}
	if d, ok := v.(*starlark.Dict); ok && d.Len() == 0 {
		return nil, nil
	}
	err = EachHeader(v, func(name string, values ...string) {
		if exchange.EqualName(name, "Content-Length") || exchange.EqualName(name, "Transfer-Encoding") {
			return
		}
		for _, v := range values {
			h.Add(name, v)
		}
	})
	return h, err
}

// Response makes the response of a script. Errors don't name the function.
func (p *Draft) Response(c *call.Call) (*Response, error) {
	r := &Response{own: true, maxBody: c.Env.MaxBody, ctx: context.Background(), call: c}
	r.res = &r.made
	var err error
	if r.handler, err = p.build(c, r.res, c.Settings(), ""); err != nil {
		return nil, err
	}
	if p.Stream == nil || p.Stream == starlark.None {
		return r, nil
	}
	fn, ok := p.Stream.(starlark.Callable)
	if !ok {
		return nil, fmt.Errorf("argument \"stream\": got %s, want function", call.Describe(p.Stream))
	}
	if r.res.Body != nil || r.handler != nil {
		return nil, errors.New("body, file and stream exclude each other")
	}
	r.stream = fn
	return r, nil
}
