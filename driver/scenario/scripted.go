package scenario

import (
	"go.starlark.net/starlark"
	"go.yaml.in/yaml/v3"

	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
	starvalue "starproxy/builtins/value"
	"starproxy/driver/document"
	"starproxy/driver/mock"
	"starproxy/script"
)

// Hooks are the functions of a scenario that see all traffic, mocked or not.
type Hooks struct {
	script.Hooks
	host *script.Host
	how  *script.Answering
}

// Wrap returns a handler that calls the hooks before and after next.
func (h *Hooks) Wrap(next exchange.Handler) exchange.Handler {
	return h.host.WrapWith(h.Hooks, next, h.how)
}

// answerTag is the tag of a node in the place of a script's function or response.
const answerTag = "!answer"

// isAnswer reports whether a value of a script's endpoints is a function, or a
// response that one may return. All other values are data, as in YAML.
func isAnswer(v starlark.Value) bool {
	switch v.(type) {
	case *starvalue.Handler, starlark.Callable:
		return true
	}
	return v.Type() == "response" || v.Type() == "fault"
}

// scripted compiles an endpoint whose value is a function.
func (c *compiler) scripted(k, v *yaml.Node, m mock.Match, value starlark.Value) (*mock.Endpoint, error) {
	name := k.Value
	if isURL(name) {
		if m.Method == "" {
			m.Method = "GET"
		}
		name = m.Method + " " + name
	}
	if err := m.Compile(); err != nil {
		return nil, document.Errorf(k, "endpoint %q: %v", name, err)
	}
	socket := m.Method == mock.WebSocket
	label := value.Type()
	fn, ok := value.(starlark.Callable)
	if ok {
		label = fn.Name()
		what := "the request"
		if socket {
			what = "the socket"
		}
		if err := takes(fn, 1, what); err != nil {
			return nil, document.Errorf(v, "endpoint %q: %v", name, err)
		}
	} else if socket {
		return nil, document.Errorf(v, "endpoint %q: got %s, want a function of the socket", name, value.Type())
	}
	h, err := answerer(c.env.Script, value, c.answering(), socket)
	if err != nil {
		return nil, document.Errorf(v, "endpoint %q: %s", name, scriptMessage(err))
	}
	src := c.src
	src.Line, src.Column = k.Line, k.Column
	return &mock.Endpoint{Name: name, Match: m, Handler: h, Source: src,
		Definition: jsonvalue.Object{{Key: scriptKey, Value: label}}, Summary: "script:" + label}, nil
}

// scriptKey is the key under which the definition of an endpoint tells the
// function that answers; documents don't have it.
const scriptKey = "script"

// isScripted reports whether a script answers for an endpoint.
func isScripted(ep *mock.Endpoint) bool {
	def, _ := ep.Definition.(jsonvalue.Object)
	label, _ := def.Get(scriptKey)
	return label != nil
}

// answerer makes a handler of a function, of requests or of sockets, or of what
// one may return.
func answerer(host *script.Host, value starlark.Value, how *script.Answering, socket bool) (exchange.Handler, error) {
	if h, ok := value.(*starvalue.Handler); ok {
		return h.Handler, nil
	}
	if socket {
		return host.SocketWith(value, how)
	}
	fn, ok := value.(starlark.Callable)
	if !ok {
		fn = starlark.NewBuiltin(value.Type(), func(*starlark.Thread, *starlark.Builtin, starlark.Tuple,
			[]starlark.Tuple) (starlark.Value, error) {
			return value, nil
		})
	}
	return host.HandlerWith(fn, how)
}
