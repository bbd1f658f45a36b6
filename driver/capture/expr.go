package capture

import (
	"slices"
	"strings"
	"unicode"
)

// Expr is a filter expression in the language of mitmproxy, with additions: see
// [ParseFilter] and [Operators]. It is immutable, and for any number of
// goroutines.
type Expr struct {
	root node // nil matches everything
}

// Annotations are what people noted down about entries, "" for nothing.
type Annotations interface {
	Mark(seq uint64) (mark, comment string)
}

// Match tells whether the expression is true of an entry, without the messages
// of WebSockets and without marks and comments; see Filter.
func (x *Expr) Match(e *Entry) bool {
	return x.root == nil || x.root.match(&subject{e: e})
}

// Filter gives the expression as a filter, nil for one that matches everything.
// messages gives the messages of the WebSocket whose handshake has the number
// seq; those that look into bodies need it, see NeedsMessages. Without it, nil,
// a WebSocket has none. Without annotations nothing is marked.
func (x *Expr) Filter(messages func(seq uint64, yield func(*Entry) bool), notes ...Annotations) Filter {
	if x.root == nil {
		return nil
	}
	var marks Annotations
	if len(notes) > 0 {
		marks = notes[0]
	}
	return func(e *Entry) bool {
		return x.root.match(&subject{e: e, messages: messages, marks: marks})
	}
}

// NeedsMessages tells whether the expression looks into the messages of
// WebSockets.
func (x *Expr) NeedsMessages() bool { return x.root != nil && x.root.cost() >= costBody }

// String writes the expression in a canonical form, which mitmproxy reads, too,
// unless it has operators of ours; it is "" for one that matches everything.
func (x *Expr) String() string {
	if x.root == nil {
		return ""
	}
	var b strings.Builder
	x.root.write(&b, looseOr)
	return b.String()
}

// cost is how much work it is to look at something. What is cheap is looked at
// first, and often settles the matter.
type cost uint8

const (
	costField cost = iota // a comparison
	costText              // a regular expression on a short text
	costBlock             // ... on a header, which has to be put together
	costBody              // ... on bodies, which have to be read and decoded
)

// The contexts that part of an expression is written in.
const (
	looseOr  = iota // in which everything stands without parentheses
	inAnd           // an "or" needs them
	inNegate        // so does an "and"
)

// node is part of an expression.
type node interface {
	match(s *subject) bool
	cost() cost
	write(b *strings.Builder, context int)
}

// condition is an operator and its argument.
type condition struct {
	op   *operator
	arg  argument
	text string // the argument as it was given, unquoted
}

func (c *condition) match(s *subject) bool { return c.op.test(s, &c.arg) }
func (c *condition) cost() cost            { return c.op.cost }

func (c *condition) write(b *strings.Builder, _ int) {
	b.WriteString("~" + c.op.Name)
	if c.op.Arg != NoArg {
		b.WriteString(" " + quote(c.text))
	}
}

// quote puts an argument in quotes if it can't stand without.
func quote(s string) string {
	bare := s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || strings.ContainsRune(special, r)
	})
	if bare {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// negation is the contrary of a node.
type negation struct{ of node }

func negate(n node) node {
	if n, ok := n.(negation); ok {
		return n.of
	}
	return negation{n}
}

func (n negation) match(s *subject) bool { return !n.of.match(s) }
func (n negation) cost() cost            { return n.of.cost() }

func (n negation) write(b *strings.Builder, _ int) {
	b.WriteByte('!')
	n.of.write(b, inNegate)
}

// group is an "and" or "or" of at least two parts.
type group struct {
	or     bool
	parts  []node // as they were written
	sorted []node // as they are looked at
}

// newGroup makes a group. Parts that are such groups themselves dissolve in it.
func newGroup(or bool, parts []node) node {
	if len(parts) == 1 {
		return parts[0]
	}
	g := &group{or: or}
	for _, p := range parts {
		if inner, ok := p.(*group); ok && inner.or == or {
			g.parts = append(g.parts, inner.parts...)
		} else {
			g.parts = append(g.parts, p)
		}
	}
	g.sorted = slices.Clone(g.parts)
	slices.SortStableFunc(g.sorted, func(a, b node) int { return int(a.cost()) - int(b.cost()) })
	return g
}

func (g *group) match(s *subject) bool {
	for _, p := range g.sorted {
		if p.match(s) == g.or {
			return g.or
		}
	}
	return !g.or
}

func (g *group) cost() cost { return g.sorted[len(g.sorted)-1].cost() }

func (g *group) write(b *strings.Builder, context int) {
	sign, inside, parens := " & ", inAnd, context == inNegate
	if g.or {
		sign, inside, parens = " | ", looseOr, context != looseOr
	}
	if parens {
		b.WriteByte('(')
	}
	for i, p := range g.parts {
		if i > 0 {
			b.WriteString(sign)
		}
		p.write(b, inside)
	}
	if parens {
		b.WriteByte(')')
	}
}
