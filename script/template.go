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

// Template is a JSON value with {{ expressions }} in its strings, compiled to
// one Starlark function that computes them all in the order in which they
// stand. It is immutable.
type Template struct {
	host     *Host
	root     node
	fn       starlark.Value // nil when there is no expression
	at       []spot         // where each expression stands
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

// Template compiles v, a JSON value as package jsonvalue has them; where is its place in a document. An
// error tells which expression is wrong, where, and why.
func (h *Host) Template(v any, where Position) (*Template, error) {
	return h.compile(v, compiler{host: h, where: where})
}

// TemplateIn is [Host.Template] for a value whose parts have places of their
// own; places returns the one at a path of keys and indexes.
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

// appendInside writes a result as it stands inside a JSON string.
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

// text is a result as it stands between other text: strings as they are, all
// else as JSON.
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
