package script

import (
	"context"
	"strings"

	"go.starlark.net/starlark"

	"starproxy/builtins"
	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
)

// Template is a JSON value with {{ expressions }} in its strings, compiled to
// one Starlark function that computes them all in the order in which they
// stand. It is immutable.
type Template struct {
	host     *Host
	root     node
	fn       starlark.Value // nil when there is no expression
	json     []piece        // the JSON text, in pieces
	warnings []string
}

// node is a part of the value.
type node interface {
	// value builds the part with the results of the expressions.
	value(c *builtins.Call, results starlark.Tuple) (any, error)
}

type (
	fixedNode struct{ v any }
	exprNode  int // the whole string is this expression
	textNode  []textPart
	listNode  []node
	mapNode   struct {
		keys  []string
		nodes []node
	}
	// textPart is text, or the result of an expression when expr is 0 or more.
	textPart struct {
		text string
		expr int
	}
)

// piece is JSON text followed by a result (unless expr is negative): as a
// value, or as text inside a string.
type piece struct {
	before string
	expr   int
	inside bool
}

// Template compiles v, a JSON value as package jsonvalue has them; where is its place in a document. An
// error tells which expression is wrong, where, and why.
func (h *Host) Template(v any, where Position) (*Template, error) {
	c := compiler{host: h, where: where}
	root, err := c.node(v, nil)
	if err != nil {
		return nil, err
	}
	t := &Template{host: h, root: root, warnings: c.warnings}
	if len(c.exprs) > 0 {
		if t.fn, err = c.function(); err != nil {
			return nil, err
		}
	}
	if err := c.encode(root); err != nil {
		return nil, &Error{Pos: where, Message: told(err.Error()), Err: err}
	}
	t.json = append(c.pieces, piece{before: string(c.pending), expr: -1})
	return t, nil
}

// Static tells that the template has no expression: it is the same each time.
func (t *Template) Static() bool { return t.fn == nil }

// Warnings are remarks for who wrote the template, such as an unquoted word
// that looks like a misspelt function.
func (t *Template) Warnings() []string { return t.warnings }

// Render builds the value for a request; x may be nil when there is none. The
// result is a JSON value as package jsonvalue has them, and may share what has
// no expression with other results: the caller must not change it.
func (t *Template) Render(ctx context.Context, x *exchange.Exchange) (any, error) {
	if t.fn == nil {
		return t.root.value(nil, nil)
	}
	r := t.host.get(ctx, x)
	defer t.host.put(r)
	results, err := t.results(r)
	if err != nil {
		return nil, t.host.report(x, err)
	}
	v, err := t.root.value(&r.call, results)
	if err != nil {
		return nil, t.host.report(x, newError(err))
	}
	return v, nil
}

// JSON is the rendered value as compact JSON text. It is much cheaper than
// marshalling what Render returns.
func (t *Template) JSON(ctx context.Context, x *exchange.Exchange) ([]byte, error) {
	if t.fn == nil {
		return []byte(t.json[0].before), nil
	}
	r := t.host.get(ctx, x)
	defer t.host.put(r)
	results, err := t.results(r)
	if err != nil {
		return nil, t.host.report(x, err)
	}
	size := 0
	for _, p := range t.json {
		size += len(p.before) + 24
	}
	out := make([]byte, 0, size)
	for _, p := range t.json {
		out = append(out, p.before...)
		switch {
		case p.expr < 0:
		case p.inside:
			out, err = appendInside(&r.call, out, results[p.expr])
		default:
			out, err = r.call.AppendJSON(out, results[p.expr])
		}
		if err != nil {
			return nil, t.host.report(x, &Error{Message: told("template result: " + err.Error()), Err: err})
		}
	}
	return out, nil
}

// results computes all expressions.
func (t *Template) results(r *runner) (starlark.Tuple, error) {
	v, err := r.run(t.fn, nil)
	if err != nil {
		return nil, err
	}
	results := v.(starlark.Tuple)
	for i, v := range results {
		for range maxHops {
			fn, ok := v.(starlark.Callable)
			if !ok {
				break
			}
			if v, err = r.run(fn, nil); err != nil {
				return nil, err
			}
			results[i] = v
		}
	}
	return results, nil
}

// appendInside writes a result as it stands inside a JSON string.
func appendInside(c *builtins.Call, dst []byte, v starlark.Value) ([]byte, error) {
	switch v := v.(type) {
	case starlark.String:
		return jsonvalue.AppendEscaped(dst, string(v)), nil
	case starlark.Int:
		return c.AppendJSON(dst, v)
	}
	s, err := text(c, v)
	if err != nil {
		return nil, err
	}
	return jsonvalue.AppendEscaped(dst, s), nil
}

// text is a result as it stands between other text: strings as they are, all
// else as JSON.
func text(c *builtins.Call, v starlark.Value) (string, error) {
	switch v := v.(type) {
	case starlark.String:
		return string(v), nil
	case starlark.Bytes:
		return string(v), nil
	}
	b, err := c.AppendJSON(nil, v)
	if err == nil && len(b) > 1 && b[0] == '"' {
		return v.String(), nil // a time, say
	}
	return string(b), err
}

func (n fixedNode) value(*builtins.Call, starlark.Tuple) (any, error) { return n.v, nil }
func (n exprNode) value(c *builtins.Call, results starlark.Tuple) (any, error) {
	return c.ToGo(results[n])
}

func (n textNode) value(c *builtins.Call, results starlark.Tuple) (any, error) {
	var b strings.Builder
	for _, p := range n {
		b.WriteString(p.text)
		if p.expr >= 0 {
			s, err := text(c, results[p.expr])
			if err != nil {
				return nil, err
			}
			b.WriteString(s)
		}
	}
	return b.String(), nil
}

func (n listNode) value(c *builtins.Call, results starlark.Tuple) (any, error) {
	list := make([]any, len(n))
	for i, e := range n {
		var err error
		if list[i], err = e.value(c, results); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (n mapNode) value(c *builtins.Call, results starlark.Tuple) (any, error) {
	o := make(jsonvalue.Object, len(n.keys))
	for i, k := range n.keys {
		v, err := n.nodes[i].value(c, results)
		if err != nil {
			return nil, err
		}
		o[i] = jsonvalue.Member{Key: k, Value: v}
	}
	return o, nil
}
