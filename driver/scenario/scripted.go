package scenario

import (
	"fmt"

	"go.starlark.net/starlark"
	"go.yaml.in/yaml/v3"

	"starproxy/builtins"
	"starproxy/builtins/exchange"
	"starproxy/driver/mock"
)

// Hooks are the functions of a scenario that see all traffic, mocked or not;
// either may be nil.
type Hooks struct {
	Request  starlark.Callable // of the request
	Response starlark.Callable // of the request and the response
}

// answerTag marks a node that stands for what a script answers with.
const answerTag = "!answer"

// isAnswer tells whether a value of a script's endpoints is a function, or
// what one may return; all else is data, as in YAML.
func isAnswer(v starlark.Value) bool {
	switch v.(type) {
	case *builtins.Handler, starlark.Callable:
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
		return nil, faultf(k, "endpoint %q: %v", name, err)
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
			return nil, faultf(v, "endpoint %q: %v", name, err)
		}
	} else if socket {
		return nil, faultf(v, "endpoint %q: expected a function of the socket, found %s", name, value.Type())
	}
	h, err := c.answerer(value, socket)
	if err != nil {
		return nil, faultf(v, "endpoint %q: %s", name, scriptMessage(err))
	}
	src := c.src
	src.Line, src.Column = k.Line, k.Column
	return &mock.Endpoint{Name: name, Match: m, Handler: h, Source: src,
		Definition: map[string]any{"script": label}, Summary: "script:" + label}, nil
}

// answerer makes a handler of a function or of what one may return.
func (c *compiler) answerer(value starlark.Value, socket bool) (exchange.Handler, error) {
	if h, ok := value.(*builtins.Handler); ok {
		return h.Handler, nil
	}
	fn, ok := value.(starlark.Callable)
	if !ok {
		fn = starlark.NewBuiltin(value.Type(), func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
			return value, nil
		})
	}
	if !socket {
		return c.env.Script.HandlerWith(fn, c.answering())
	}
	s, ok := any(c.env.Script).(interface {
		Socket(starlark.Value) (exchange.Handler, error)
	})
	if !ok {
		return nil, fmt.Errorf("WebSocket functions are %w in this build", ErrUnimplemented)
	}
	return s.Socket(fn)
}
