package capture

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxExpr bounds a filter expression, in bytes, and maxNesting how deep
	// its parentheses go.
	maxExpr    = 16 << 10
	maxNesting = 100
	// special are the characters that end a word, beside white space.
	special = `()~'"`
)

// ExprError is a mistake in a filter expression.
type ExprError struct {
	Pos     int // offset in bytes
	Column  int // the same in characters, from 1
	Message string
}

// oneLine is s with its control characters written as Go writes them.
func oneLine(s string) string {
	if strings.IndexFunc(s, unicode.IsControl) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unicode.IsControl(r) {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func (e *ExprError) Error() string { return fmt.Sprintf("column %d: %s", e.Column, e.Message) }

// ParseFilter reads a filter expression: operators ("~m POST", see [Operators])
// and words, which are looked for in the URL, with ! (not), & (and), | (or) and
// parentheses, in this order of precedence; side by side they are an "and"
// that binds weakest. Regular expressions are RE2's, match anywhere, and ignore
// the case of letters. One with white space or any of ( ) ~ ' " in it is put
// in quotes, in which \ stands before a quote or another \.
//
// The empty expression matches everything. A mistake is an *ExprError.
//
// All that mitmproxy reads is read, and means the same, with these exceptions,
// in which mitmproxy takes a sign for a regular expression that can't have been
// meant: in "~m GET&~u x" and "a|(b)" the sign is an operator, in "a && b" and
// "a || b" so are both, one that has nothing to stand before is a mistake,
// "~c 20x" is one, and in quotes \d remains \d.
func ParseFilter(expr string) (*Expr, error) {
	p := parser{src: expr}
	if len(expr) > maxExpr {
		return nil, p.fail(maxExpr, "expected an expression of at most %d bytes, found %d", maxExpr, len(expr))
	}
	if p.space(); p.pos == len(expr) {
		return &Expr{}, nil
	}
	root, err := p.sequence(-1)
	if err != nil {
		return nil, err
	}
	return &Expr{root}, nil
}

// parser reads an expression by recursive descent.
type parser struct {
	src   string
	pos   int
	depth int // of parentheses
}

func (p *parser) fail(pos int, format string, args ...any) *ExprError {
	return &ExprError{Pos: pos, Column: p.column(pos), Message: oneLine(fmt.Sprintf(format, args...))}
}

func (p *parser) column(pos int) int { return utf8.RuneCountInString(p.src[:pos]) + 1 }

// short is a text as a message quotes it.
func short(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

// space skips white space.
func (p *parser) space() {
	p.pos = len(p.src) - len(strings.TrimLeftFunc(p.src[p.pos:], unicode.IsSpace))
}

// next is the next byte, 0 at the end.
func (p *parser) next() byte {
	if p.pos < len(p.src) {
		return p.src[p.pos]
	}
	return 0
}

// run takes everything up to white space or one of the given characters.
func (p *parser) run(until string) string {
	rest := p.src[p.pos:]
	n := strings.IndexFunc(rest, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(until, r) })
	if n < 0 {
		n = len(rest)
	}
	p.pos += n
	return rest[:n]
}

// sequence reads expressions side by side, up to the end or to the parenthesis
// that closes the one at open.
func (p *parser) sequence(open int) (node, error) {
	var parts []node
	for {
		n, err := p.chain('|', func() (node, error) { return p.chain('&', p.term) })
		if err != nil {
			return nil, err
		}
		parts = append(parts, n)
		p.space()
		switch {
		case p.pos == len(p.src):
			if open >= 0 {
				return nil, p.fail(p.pos, "expected a ) for the ( in column %d", p.column(open))
			}
		case p.next() != ')':
			continue
		case open < 0:
			return nil, p.fail(p.pos, "expected an expression, found a ) without a (")
		default:
			p.pos++
		}
		return newGroup(false, parts), nil
	}
}

// chain reads operands with a sign between them.
func (p *parser) chain(sign byte, operand func() (node, error)) (node, error) {
	var parts []node
	for {
		n, err := operand()
		if err != nil {
			return nil, err
		}
		parts = append(parts, n)
		if p.space(); p.next() != sign {
			return newGroup(sign == '|', parts), nil
		}
		if p.pos++; p.next() == sign { // && and ||
			p.pos++
		}
	}
}

// term reads an operator, a word or what stands in parentheses, and the ! in
// front of it.
func (p *parser) term() (n node, err error) {
	not := false
	for p.space(); p.next() == '!'; p.space() {
		p.pos++
		not = !not
	}
	start := p.pos
	switch c := p.next(); {
	case p.pos == len(p.src):
		return nil, p.fail(p.pos, "expected an expression, found the end")
	case c == ')', c == '&', c == '|':
		return nil, p.fail(p.pos, "expected an expression, found %c", c)
	case c == '(':
		if p.depth++; p.depth > maxNesting {
			return nil, p.fail(p.pos, "expected at most %d parentheses inside each other", maxNesting)
		}
		p.pos++
		n, err = p.sequence(start)
		p.depth--
	case c == '~':
		n, err = p.operator()
	default:
		n, err = p.argument(operators["u"], "")
	}
	if err == nil && not {
		n = negate(n)
	}
	return n, err
}

// operator reads an operator and its argument.
func (p *parser) operator() (node, error) {
	start := p.pos
	p.pos++
	name := p.run(special + "!&|")
	op := operators[name]
	switch {
	case op == nil && start > 0 && strings.TrimRightFunc(p.src[:start], unicode.IsSpace) == p.src[:start] && !strings.ContainsRune(special+"!&|", rune(p.src[start-1])):
		return nil, p.fail(start, "unknown operator ~%s: a regular expression with ~ needs quotes", short(name))
	case op == nil:
		return nil, p.fail(start, "unknown operator ~%s: %s", short(name), suggestion(name))
	case op.Arg == NoArg:
		return &condition{op: op}, nil
	}
	after := " after ~" + name
	switch p.next() {
	case '!', '&', '|':
		return nil, p.fail(p.pos, "expected %s%s", op.Arg.wanted(), after)
	}
	p.space()
	return p.argument(op, after)
}

// argument reads the argument of an operator, which stands as a message says.
func (p *parser) argument(op *operator, after string) (node, error) {
	start := p.pos
	var text string
	switch c := p.next(); {
	case c == '"', c == '\'':
		var ok bool
		if text, ok = p.quoted(); !ok {
			return nil, p.fail(start, "expected a closing %c for this one", c)
		}
	case op.Arg == Regex:
		text = p.run(special)
		// A sign right before an operator or parenthesis is no part of it.
		if c := p.next(); c == '~' || c == '(' {
			bare := strings.TrimRight(text, "!&|")
			if signs := text[len(bare):]; signs != "" && signs[0] != '!' {
				p.pos -= len(signs)
				text = bare
			}
		}
	default:
		text = p.run(special + "!&|")
	}
	switch {
	case p.pos > start:
	case p.next() == '(':
		return nil, p.fail(start, "expected %s%s, found (: in an argument it needs quotes", op.Arg.wanted(), after)
	default:
		return nil, p.fail(start, "expected %s%s", op.Arg.wanted(), after)
	}
	c := &condition{op: op, text: text}
	if reason, ok := c.arg.set(op, text); !ok {
		return nil, p.fail(start, "expected %s%s, found %#q%s", op.Arg.wanted(), after, short(text), reason)
	}
	return c, nil
}

// quoted reads a text in quotes. A \ stands before a quote or another \; before
// anything else it is one itself, so that "\d" is what it looks like.
func (p *parser) quoted() (text string, ok bool) {
	end := p.next()
	var b strings.Builder
	for i := p.pos + 1; i < len(p.src); i++ {
		switch c := p.src[i]; {
		case c == end:
			p.pos = i + 1
			return b.String(), true
		case c == '\\' && i+1 < len(p.src):
			i++
			if next := p.src[i]; next != '\\' && next != '"' && next != '\'' {
				b.WriteByte('\\')
			}
			b.WriteByte(p.src[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}
