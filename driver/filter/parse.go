package filter

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"starproxy/builtins/excerpt"
)

const (
	// maxExpr is the largest size of an expression, in bytes.
	maxExpr = 16 << 10
	// maxNesting is how deep parentheses may be nested.
	maxNesting = 100
	// special has the characters that end a word, like white space does.
	special = `()~'"`
)

// Error is a mistake in a filter expression.
type Error struct {
	Pos     int // offset of the mistake, in bytes
	Column  int // the same in characters, starting at 1
	Message string
}

func (e *Error) Error() string { return fmt.Sprintf("column %d: %s", e.Column, e.Message) }

// oneLine returns s with its control characters escaped as in Go.
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

// Parse parses a filter expression. It consists of operators ("~m POST", see
// [Operators]) and of words, which are searched in the URL. They are combined by
// parentheses, ! (not), & (and) and | (or), in this order of precedence. Two
// expressions side by side are an "and" that binds weakest.
//
// A regular expression is one of RE2. It matches anywhere in the text and ignores
// the case of letters. One with white space or any of ( ) ~ ' " in it must be in
// quotes. Inside quotes, \ escapes a quote or another \.
//
// The empty expression matches everything. The error is always an *Error.
//
// Parse accepts all that mitmproxy accepts, with the same meaning, except where
// mitmproxy takes a sign for part of a regular expression against the likely
// intent:
//   - in "~m GET&~u x" and "a|(b)" the sign is an operator
//   - "a && b" and "a || b" mean the same as with single signs
//   - a sign with nothing before or after it is an error, and so is "~c 20x"
//   - in quotes, \d remains \d
func Parse(expr string) (*Expr, error) {
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

// parser is a recursive descent parser.
type parser struct {
	src   string
	pos   int
	depth int // how many parentheses are open
}

func (p *parser) fail(pos int, format string, args ...any) *Error {
	return &Error{Pos: pos, Column: p.column(pos), Message: oneLine(fmt.Sprintf(format, args...))}
}

func (p *parser) column(pos int) int { return utf8.RuneCountInString(p.src[:pos]) + 1 }

// space skips white space.
func (p *parser) space() {
	p.pos = len(p.src) - len(strings.TrimLeftFunc(p.src[p.pos:], unicode.IsSpace))
}

// next returns the next byte without taking it, 0 at the end.
func (p *parser) next() byte {
	if p.pos < len(p.src) {
		return p.src[p.pos]
	}
	return 0
}

// run takes and returns the text up to white space or one of the characters in until.
func (p *parser) run(until string) string {
	rest := p.src[p.pos:]
	n := strings.IndexFunc(rest, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(until, r) })
	if n < 0 {
		n = len(rest)
	}
	p.pos += n
	return rest[:n]
}

// sequence parses expressions side by side, up to the parenthesis that closes the
// one at offset open. With a negative open it parses up to the end.
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

// chain parses operands with a sign between them.
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

// term parses an operator, a word or an expression in parentheses, with any
// number of ! before it.
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

// operator parses an operator and its argument.
func (p *parser) operator() (node, error) {
	start := p.pos
	p.pos++
	name := p.run(special + "!&|")
	op := operators[name]
	switch {
	case op == nil && start > 0 && strings.TrimRightFunc(p.src[:start], unicode.IsSpace) == p.src[:start] &&
		!strings.ContainsRune(special+"!&|", rune(p.src[start-1])):
		return nil, p.fail(start, "unknown operator ~%s: a regular expression with ~ needs quotes", excerpt.Cut(name, 40))
	case op == nil:
		return nil, p.fail(start, "unknown operator ~%s: %s", excerpt.Cut(name, 40), suggestion(name))
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

// argument parses the argument of op. after ends the error messages: it names the
// operator that the argument follows.
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
		// A sign right before an operator or a parenthesis does not belong to it.
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
		return nil, p.fail(start, "expected %s%s, found %#q%s", op.Arg.wanted(), after, excerpt.Cut(text, 40), reason)
	}
	return c, nil
}

// quoted parses a text in quotes. \ escapes a quote or another \. Before any other
// character it is an ordinary character, so that "\d" is the regular expression \d.
// ok is false when the closing quote is missing.
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
