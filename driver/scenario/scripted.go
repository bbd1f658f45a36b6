package scenario

import (
	"cmp"
	"fmt"
	"path/filepath"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
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
func (c *compiler) scripted(k, v *yaml.Node, m mock.Match, w written) (*mock.Endpoint, error) {
	name, value := k.Value, w.value
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
	label, place := w.name(c.src.File, k)
	if fn, ok := value.(starlark.Callable); ok {
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
		Definition: jsonvalue.Object{{Key: scriptKey, Value: label}}, Summary: "script:" + label,
		Kind: fmt.Sprintf("handler %s (%s)", label, place)}, nil
}

// written is a value of a script's endpoints with its expression, which is nil when it
// is not known.
type written struct {
	value starlark.Value
	expr  syntax.Expr
}

// name returns the name and the place, FILE:LINE, of the function that answers, as the
// user has written them. A function that the library made has the name by which the
// script in file asked for it. k is the key of the endpoint.
func (w written) name(file string, k *yaml.Node) (label, place string) {
	at := script.Position{File: file, Line: k.Line}
	label = w.value.Type()
	fn, ok := w.value.(starlark.Callable)
	if ok {
		label = fn.Name()
	}
	if fn, ok := fn.(*starlark.Function); ok {
		p := fn.Position()
		if own := (script.Position{File: p.Filename(), Line: int(p.Line)}); !own.InLibrary() {
			return label, fmt.Sprintf("%s:%d", filepath.Base(own.File), own.Line)
		}
	}
	if w.expr != nil {
		start, _ := w.expr.Span()
		at.Line = int(start.Line)
		label = cmp.Or(called(w.expr), label)
	}
	return label, fmt.Sprintf("%s:%d", filepath.Base(at.File), at.Line)
}

// called returns the name in an expression: of the function that it calls, or of the
// value that it is. It is empty for any other expression.
func called(e syntax.Expr) string {
	switch e := unwrap(e).(type) {
	case *syntax.CallExpr:
		return called(e.Fn)
	case *syntax.DotExpr:
		if x := called(e.X); x != "" {
			return x + "." + e.Name.Name
		}
	case *syntax.Ident:
		return e.Name
	}
	return ""
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
