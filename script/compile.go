package script

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/jsonvalue"
	"starproxy/builtins/value"
)

// compiler turns a value into nodes and one function.
type compiler struct {
	host     *Host
	where    Position
	places   func(path []string) Position // returns the place of a part; nil if only where is known
	exprs    []syntax.Expr
	at       []spot // the places of exprs
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
		return c.node(jsonvalue.Sorted(v), path)
	case jsonvalue.Object:
		var m mapNode
		n := len(c.exprs)
		for _, member := range v {
			e, err := c.node(member.Value, append(path, member.Key))
			if err != nil {
				return nil, err
			}
			m.keys, m.nodes = append(m.keys, member.Key), append(m.nodes, e)
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
		i, err := c.expression(sp.text, path)
		if err != nil {
			return nil, err
		}
		if len(spans) == 1 {
			return exprNode(i), nil
		}
		parts = append(parts, textPart{"", i})
	}
	if len(parts) == 0 || len(parts) == 1 && parts[0].expr < 0 {
		return fixedNode{s}, nil
	}
	return parts, nil
}

// expression compiles an expression of the part at path and returns its number.
func (c *compiler) expression(text string, path []string) (int, error) {
	where := c.place(path)
	e, warnings, err := c.host.expression(text, where)
	if err != nil {
		return 0, c.fail(path, fmt.Errorf("{{%s}}: %w", excerpt.Cut(text, maxShown), err))
	}
	for _, w := range warnings {
		c.warnings = append(c.warnings, c.fail(path, fmt.Errorf("{{%s}}: %s", excerpt.Cut(text, maxShown), w)).Error())
	}
	c.exprs, c.at = append(c.exprs, e), append(c.at, spot{where, text})
	return len(c.exprs) - 1, nil
}

// fail places an error in the document and in the value.
func (c *compiler) fail(path []string, err error) *Error {
	message := err.Error()
	if len(path) > 0 {
		message = strings.Join(path, ".") + ": " + message
	}
	message = told(message)
	return &Error{Pos: c.place(path), Message: message, Hint: hint(message), Err: err}
}

// place returns the place of a part of the value in the document.
func (c *compiler) place(path []string) Position {
	if c.places == nil {
		return c.where
	}
	return c.places(path)
}

// spot is the place of an expression and its text.
type spot struct {
	at   Position
	text string
}

// failed returns the error of an expression whose result cannot be used.
func (p spot) failed(err error) *Error {
	message := told(fmt.Sprintf("{{%s}}: %v", excerpt.Cut(p.text, maxShown), err))
	return &Error{Pos: p.at, Message: message, Hint: hint(err.Error()), Err: err}
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
	prog, err := program(file, c.host.templates)
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
		c.pending, err = value.AppendGoJSON(c.pending, n.v)
		return err
	case exprNode:
		c.result(int(n), false)
	case textNode:
		c.pending = append(c.pending, '"')
		for _, p := range n {
			c.pending = jsonvalue.AppendEscaped(c.pending, p.text)
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
			c.pending = append(jsonvalue.AppendText(c.pending, k), ':')
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
