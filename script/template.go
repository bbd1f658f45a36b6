package script

import (
	"context"
	"errors"
	"strings"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
	"starproxy/builtins/value"
)

// Template is a JSON value with {{ expressions }} in its strings. They are compiled
// to one Starlark function that computes all of them in their order. A Template is
// immutable.
type Template struct {
	host     *Host
	root     node
	fn       starlark.Value // nil when there is no expression
	at       []spot         // the place of each expression
	json     []piece        // the JSON text, in pieces
	warnings []string
}

// node is a part of the value.
type node interface {
	// value builds the part with the results of the expressions.
	value(c *call.Call, results rendered) (any, error)
}

// rendered are the results of the expressions, with their places.
type rendered struct {
	results starlark.Tuple
	at      []spot
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

// Template compiles v, a JSON value as in package jsonvalue; where is its place in a
// document. An error tells which expression is wrong, its place, and why.
func (h *Host) Template(v any, where Position) (*Template, error) {
	return h.compile(v, compiler{host: h, where: where})
}

// TemplateIn is [Host.Template] for a value whose parts have places of their own.
// places returns the place of the part at a path of keys and indexes.
func (h *Host) TemplateIn(v any, places func(path []string) Position) (*Template, error) {
	return h.compile(v, compiler{host: h, where: places(nil), places: places})
}

func (h *Host) compile(v any, c compiler) (*Template, error) {
	root, err := c.node(v, nil)
	if err != nil {
		return nil, err
	}
	t := &Template{host: h, root: root, at: c.at, warnings: c.warnings}
	if len(c.exprs) > 0 {
		if t.fn, err = c.function(); err != nil {
			return nil, err
		}
	}
	if err := c.encode(root); err != nil {
		return nil, &Error{Pos: c.where, Message: told(err.Error()), Err: err}
	}
	t.json = append(c.pieces, piece{before: string(c.pending), expr: -1})
	return t, nil
}

// Static reports whether the template has no expressions, so that each result is the
// same.
func (t *Template) Static() bool { return t.fn == nil }

// Warnings returns remarks for the author of the template, for example about a word
// without quotes that looks like a misspelt function.
func (t *Template) Warnings() []string { return t.warnings }

// Render builds the value for a request; x is nil if there is none. The result is a
// JSON value as in package jsonvalue. Results may share the parts that have no
// expression, so the caller must not change them.
func (t *Template) Render(ctx context.Context, x *exchange.Exchange) (any, error) {
	if t.fn == nil {
		return t.root.value(nil, rendered{})
	}
	r := t.host.get(ctx, x)
	defer t.host.put(r)
	results, err := t.results(r)
	if err != nil {
		return nil, t.host.report(x, err)
	}
	v, err := t.root.value(&r.call, rendered{results, t.at})
	if err != nil {
		return nil, t.host.report(x, newError(err))
	}
	return v, nil
}

// JSON renders the value as compact JSON text. It is much cheaper than to marshal the
// result of Render.
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
			out, err = value.AppendJSON(&r.call, out, results[p.expr])
		}
		if err != nil {
			return nil, t.host.report(x, t.at[p.expr].failed(err))
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
				if e := new(Error); errors.As(err, &e) && e.Pos.Line == 0 { // no script called it
					e.Pos = t.at[i].at
				}
				return nil, err
			}
			results[i] = v
		}
	}
	return results, nil
}

// appendInside appends a result as a part of a JSON string.
func appendInside(c *call.Call, dst []byte, v starlark.Value) ([]byte, error) {
	switch v := v.(type) {
	case starlark.String:
		return jsonvalue.AppendEscaped(dst, string(v)), nil
	case starlark.Int:
		return value.AppendJSON(c, dst, v)
	}
	s, err := text(c, v)
	if err != nil {
		return nil, err
	}
	return jsonvalue.AppendEscaped(dst, s), nil
}

// text returns a result as a part of a text: a string as it is, any other value as
// JSON.
func text(c *call.Call, v starlark.Value) (string, error) {
	switch v := v.(type) {
	case starlark.String:
		return string(v), nil
	case starlark.Bytes:
		return string(v), nil
	}
	b, err := value.AppendJSON(c, nil, v)
	if err == nil && len(b) > 1 && b[0] == '"' {
		return v.String(), nil // a time, say
	}
	return string(b), err
}

func (n fixedNode) value(*call.Call, rendered) (any, error) { return n.v, nil }

func (n exprNode) value(c *call.Call, r rendered) (any, error) {
	v, err := value.ToGo(c, r.results[n])
	if err != nil {
		return nil, r.at[n].failed(err)
	}
	return v, nil
}

func (n textNode) value(c *call.Call, r rendered) (any, error) {
	var b strings.Builder
	for _, p := range n {
		b.WriteString(p.text)
		if p.expr >= 0 {
			s, err := text(c, r.results[p.expr])
			if err != nil {
				return nil, r.at[p.expr].failed(err)
			}
			b.WriteString(s)
		}
	}
	return b.String(), nil
}

func (n listNode) value(c *call.Call, r rendered) (any, error) {
	list := make([]any, len(n))
	for i, e := range n {
		var err error
		if list[i], err = e.value(c, r); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (n mapNode) value(c *call.Call, r rendered) (any, error) {
	o := make(jsonvalue.Object, len(n.keys))
	for i, k := range n.keys {
		v, err := n.nodes[i].value(c, r)
		if err != nil {
			return nil, err
		}
		o[i] = jsonvalue.Member{Key: k, Value: v}
	}
	return o, nil
}
