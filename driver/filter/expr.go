// Package filter is the language of filter expressions over captured entries:
// mitmproxy's language, with additions. It also has the shell patterns that
// select entries by path.
//
// Everything here is immutable once it is made and may be used by any number of
// goroutines.
package filter

import (
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"starproxy/driver/capture"
)

// Expr is a parsed filter expression, see [Parse].
type Expr struct {
	root node // nil matches everything
}

// Annotations look up what users told.
type Annotations interface {
	// Mark returns the mark and the comment of an entry, by its number. Both are "" when
	// there is none.
	Mark(seq uint64) (mark, comment string)
	// Device returns the name of the device with an address, "" when it has none.
	Device(a netip.Addr) string
}

// Messages calls yield for each message of the WebSocket whose handshake has the
// number seq, until yield returns false.
type Messages func(seq uint64, yield func(*capture.Entry) bool)

// Filter returns the expression as a filter, or nil when it matches everything.
// Operators on bodies look into the messages of WebSockets: with nil messages, a
// WebSocket has none. With nil notes, no entry has a mark or a comment.
func (x *Expr) Filter(messages Messages, notes Annotations) capture.Filter {
	if x.root == nil {
		return nil
	}
	return func(e *capture.Entry) bool {
		return x.root.match(&subject{e: e, messages: messages, notes: notes})
	}
}

// Bodies reports whether the expression has an operator that looks into bodies.
func (x *Expr) Bodies() bool { return x.root != nil && x.root.cost() == costBody }

// String returns the expression in a canonical form, or "" when it matches
// everything. mitmproxy reads this form too, unless it has operators that
// mitmproxy lacks.
func (x *Expr) String() string {
	if x.root == nil {
		return ""
	}
	var b strings.Builder
	x.root.write(&b, inOr)
	return b.String()
}

// cost ranks how much work a test is. Cheap tests run first, because they often
// settle the matter.
type cost uint8

const (
	costField cost = iota // compares a field
	costText              // runs a regular expression on a short text
	costBlock             // runs one on a header, which is written out first
	costBody              // runs one on bodies, which are read and decoded first
)

// context is the place of a node in the expression that is being written. It
// decides whether the node needs parentheses.
type context uint8

const (
	inOr     context = iota // no node needs parentheses
	inAnd                   // an "or" needs them
	inNegate                // an "or" and an "and" need them
)

// node is part of an expression.
type node interface {
	match(s *subject) bool
	cost() cost
	write(b *strings.Builder, in context)
}

// condition is an operator and its argument.
type condition struct {
	op   *operator
	arg  argument
	text string // the argument without quotes
}

func (c *condition) match(s *subject) bool { return c.op.test(s, &c.arg) }
func (c *condition) cost() cost            { return c.op.cost }

func (c *condition) write(b *strings.Builder, _ context) {
	b.WriteString("~" + c.op.Name)
	if c.op.Arg != NoArg {
		b.WriteString(" " + quote(c.text))
	}
}

// quote returns an argument in quotes, or unchanged when it needs none.
func quote(s string) string {
	bare := s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || strings.ContainsRune(special, r)
	})
	if bare {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// negation matches when its operand does not.
type negation struct{ operand node }

// negate returns the negation of n. Two negations cancel each other.
func negate(n node) node {
	if n, ok := n.(negation); ok {
		return n.operand
	}
	return negation{n}
}

func (n negation) match(s *subject) bool { return !n.operand.match(s) }
func (n negation) cost() cost            { return n.operand.cost() }

func (n negation) write(b *strings.Builder, _ context) {
	b.WriteByte('!')
	n.operand.write(b, inNegate)
}

// group is an "and" or an "or" of at least two parts.
type group struct {
	or     bool
	parts  []node // in the order of the expression
	sorted []node // in the order of evaluation: cheap parts first
}

// newGroup returns a group of the parts, or the part itself when there is only
// one. Parts that are groups of the same kind are replaced by their own parts.
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

func (g *group) write(b *strings.Builder, in context) {
	sign, inside, parens := " & ", inAnd, in == inNegate
	if g.or {
		sign, inside, parens = " | ", inOr, in != inOr
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
