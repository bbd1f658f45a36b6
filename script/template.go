package script

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starproxy/builtins"
	"starproxy/builtins/exchange"
)

// Template is a JSON value with {{ expressions }} in its strings, compiled to
// one Starlark function that computes them all in the order in which they
// stand (map keys in alphabetical order). It is immutable.
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
	value(results starlark.Tuple) (any, error)
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

// Template compiles v, a JSON value; where is its place in a document. An
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
		return nil, &Error{Pos: where, Message: err.Error(), Err: err}
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
// result is made of nil, bool, int64, float64, string, []any and
// map[string]any, and may share what has no expression with other results:
// the caller must not change it.
func (t *Template) Render(ctx context.Context, x *exchange.Exchange) (any, error) {
	if t.fn == nil {
		return t.root.value(nil)
	}
	r := t.host.get(ctx, x)
	defer t.host.put(r)
	results, err := t.results(r)
	if err != nil {
		return nil, t.host.report(x, err)
	}
	v, err := t.root.value(results)
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
			out, err = appendInside(out, results[p.expr])
		default:
			out, err = builtins.AppendJSON(out, results[p.expr])
		}
		if err != nil {
			return nil, t.host.report(x, &Error{Message: "template result: " + err.Error(), Err: err})
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
func appendInside(dst []byte, v starlark.Value) ([]byte, error) {
	switch v := v.(type) {
	case starlark.String:
		return builtins.AppendEscaped(dst, string(v)), nil
	case starlark.Int:
		return builtins.AppendJSON(dst, v)
	}
	s, err := text(v)
	if err != nil {
		return nil, err
	}
	return builtins.AppendEscaped(dst, s), nil
}

// text is a result as it stands between other text: strings as they are, all
// else as JSON.
func text(v starlark.Value) (string, error) {
	switch v := v.(type) {
	case starlark.String:
		return string(v), nil
	case starlark.Bytes:
		return string(v), nil
	}
	b, err := builtins.AppendJSON(nil, v)
	if err == nil && len(b) > 1 && b[0] == '"' {
		return v.String(), nil // a time, say
	}
	return string(b), err
}

func (n fixedNode) value(starlark.Tuple) (any, error)        { return n.v, nil }
func (n exprNode) value(results starlark.Tuple) (any, error) { return builtins.ToGo(results[n]) }

func (n textNode) value(results starlark.Tuple) (any, error) {
	var b strings.Builder
	for _, p := range n {
		b.WriteString(p.text)
		if p.expr >= 0 {
			s, err := text(results[p.expr])
			if err != nil {
				return nil, err
			}
			b.WriteString(s)
		}
	}
	return b.String(), nil
}

func (n listNode) value(results starlark.Tuple) (any, error) {
	list := make([]any, len(n))
	for i, e := range n {
		var err error
		if list[i], err = e.value(results); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (n mapNode) value(results starlark.Tuple) (any, error) {
	m := make(map[string]any, len(n.keys))
	for i, k := range n.keys {
		v, err := n.nodes[i].value(results)
		if err != nil {
			return nil, err
		}
		m[k] = v
	}
	return m, nil
}

// compiler turns a value into nodes and one function.
type compiler struct {
	host     *Host
	where    Position
	exprs    []syntax.Expr
	warnings []string

	pieces  []piece
	pending []byte // JSON text since the last piece
}

func (c *compiler) node(v any, path []string) (node, error) {
	if len(path) > 500 {
		return nil, &Error{Pos: c.where, Message: "template is nested deeper than 500 levels"}
	}
	switch v := v.(type) {
	case string:
		return c.text(v, path)
	case []any:
		list := make(listNode, len(v))
		n := len(c.exprs)
		for i, e := range v {
			var err error
			if list[i], err = c.node(e, append(path, strconv.Itoa(i))); err != nil {
				return nil, err
			}
		}
		if len(c.exprs) > n {
			return list, nil
		}
	case map[string]any:
		m := mapNode{keys: slices.Sorted(maps.Keys(v))}
		n := len(c.exprs)
		for _, k := range m.keys {
			e, err := c.node(v[k], append(path, k))
			if err != nil {
				return nil, err
			}
			m.nodes = append(m.nodes, e)
		}
		if len(c.exprs) > n {
			return m, nil
		}
	}
	return fixedNode{v}, nil
}

// text compiles a string.
func (c *compiler) text(s string, path []string) (node, error) {
	spans, err := split(s)
	if err != nil {
		return nil, c.fail(path, err)
	}
	var parts textNode
	for _, sp := range spans {
		if !sp.expr {
			parts = append(parts, textPart{sp.text, -1})
			continue
		}
		e, warnings, err := c.host.expression(sp.text, c.where)
		if err != nil {
			return nil, c.fail(path, fmt.Errorf("{{%s}}: %w", clip(sp.text), err))
		}
		for _, w := range warnings {
			c.warnings = append(c.warnings, c.fail(path, fmt.Errorf("{{%s}}: %s", clip(sp.text), w)).Error())
		}
		c.exprs = append(c.exprs, e)
		if len(spans) == 1 {
			return exprNode(len(c.exprs) - 1), nil
		}
		parts = append(parts, textPart{"", len(c.exprs) - 1})
	}
	if len(parts) == 0 || len(parts) == 1 && parts[0].expr < 0 {
		return fixedNode{s}, nil
	}
	return parts, nil
}

// fail places an error in the document and in the value.
func (c *compiler) fail(path []string, err error) *Error {
	message := err.Error()
	if len(path) > 0 {
		message = strings.Join(path, ".") + ": " + message
	}
	return &Error{Pos: c.where, Message: message, Hint: hint(message), Err: err}
}

// function compiles "def template(): return (e1, e2, ...)".
func (c *compiler) function() (starlark.Value, error) {
	at := syntax.Start(c.exprs[0])
	tuple := &syntax.TupleExpr{Lparen: at, List: c.exprs, Rparen: at}
	def := &syntax.DefStmt{
		Def:    at,
		Name:   &syntax.Ident{NamePos: at, Name: "template"},
		Lparen: at, Rparen: at,
		Body: []syntax.Stmt{&syntax.ReturnStmt{Return: at, Result: tuple}},
	}
	file := &syntax.File{Path: c.where.File, Stmts: []syntax.Stmt{def}, Options: dialect()}
	prog, err := starlark.FileProgram(file, c.host.templates.Has)
	if err != nil {
		return nil, newError(err)
	}
	r := c.host.get(context.Background(), nil)
	defer c.host.put(r)
	globals, err := prog.Init(&r.thread, c.host.templates)
	if err != nil {
		return nil, c.host.explain(r, err)
	}
	globals.Freeze()
	return globals["template"], nil
}

// encode writes the JSON text of a node, in pieces.
func (c *compiler) encode(n node) (err error) {
	switch n := n.(type) {
	case fixedNode:
		c.pending, err = builtins.AppendGoJSON(c.pending, n.v)
		return err
	case exprNode:
		c.result(int(n), false)
	case textNode:
		c.pending = append(c.pending, '"')
		for _, p := range n {
			c.pending = builtins.AppendEscaped(c.pending, p.text)
			if p.expr >= 0 {
				c.result(p.expr, true)
			}
		}
		c.pending = append(c.pending, '"')
	case listNode:
		c.pending = append(c.pending, '[')
		for i, e := range n {
			if i > 0 {
				c.pending = append(c.pending, ',')
			}
			if err := c.encode(e); err != nil {
				return err
			}
		}
		c.pending = append(c.pending, ']')
	case mapNode:
		c.pending = append(c.pending, '{')
		for i, k := range n.keys {
			if i > 0 {
				c.pending = append(c.pending, ',')
			}
			c.pending = append(builtins.AppendQuoted(c.pending, k), ':')
			if err := c.encode(n.nodes[i]); err != nil {
				return err
			}
		}
		c.pending = append(c.pending, '}')
	}
	return nil
}

func (c *compiler) result(expr int, inside bool) {
	c.pieces = append(c.pieces, piece{string(c.pending), expr, inside})
	c.pending = c.pending[:0]
}
