package script

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starproxy/builtins/excerpt"
)

// span is a piece of a template string: text, or an expression.
type span struct {
	text string
	expr bool
	pos  int // the offset of the expression in the string, in bytes
}

// split divides a string at its {{ }}. If the string is one expression with only
// space around it, the result is that expression alone.
func split(s string) ([]span, error) {
	spans, err := spansOf(s)
	if err != nil {
		return nil, err
	}
	lone := -1
	for i, sp := range spans {
		switch {
		case sp.expr && lone < 0:
			lone = i
		case sp.expr || strings.TrimSpace(sp.text) != "":
			return spans, nil
		}
	}
	if lone >= 0 {
		return spans[lone : lone+1], nil
	}
	return spans, nil
}

// openError is the error of an expression without its }}.
type openError struct {
	pos  int // the offset of its {{
	text string
}

func (e *openError) Error() string {
	return fmt.Sprintf("expression without an end: want }} after %q", e.text)
}

// spansOf is split, except that it keeps space around a lone expression.
func spansOf(s string) ([]span, error) {
	var spans []span
	at := 0
	for {
		i := strings.Index(s[at:], "{{")
		if i < 0 {
			break
		}
		open := at + i
		end := closing(s, open+2)
		if end < 0 {
			return nil, &openError{open, excerpt.Cut(s[open:], maxShown)}
		}
		if open > at {
			spans = append(spans, span{text: s[at:open]})
		}
		spans = append(spans, span{text: s[open+2 : end], expr: true, pos: open + 2})
		at = end + 2
	}
	if at < len(s) {
		spans = append(spans, span{text: s[at:]})
	}
	return spans, nil
}

// closing returns the offset of the }} that ends the expression at i. A }} in quotes
// or in brackets of the expression does not count. If there is no other, closing
// returns the first }}, so that the parser can say what is wrong.
func closing(s string, i int) int {
	depth := 0
	for j := i; j < len(s); j++ {
		switch c := s[j]; c {
		case '"', '\'':
			if j = quoted(s, j); j < 0 {
				return first(s, i)
			}
		case '(', '[', '{':
			depth++
		case ')', ']':
			depth--
		case '}':
			if depth <= 0 {
				if strings.HasPrefix(s[j:], "}}") {
					return j
				}
			} else {
				depth--
			}
		}
	}
	return first(s, i)
}

func first(s string, i int) int {
	if j := strings.Index(s[i:], "}}"); j >= 0 {
		return i + j
	}
	return -1
}

// quoted returns the end of the string literal that begins at i, or -1 if it has
// none.
func quoted(s string, i int) int {
	q := s[i : i+1]
	if strings.HasPrefix(s[i:], q+q+q) {
		if j := strings.Index(s[i+3:], q+q+q); j >= 0 {
			return i + 3 + j + 2
		}
		return -1
	}
	for j := i + 1; j < len(s); j++ {
		switch s[j] {
		case '\\':
			j++
		case q[0]:
			return j
		case '\n':
			return -1
		}
	}
	return -1
}

// maxShown is the largest number of characters of an expression in an error.
const maxShown = 60

// maxExpr bounds the length of one expression, in bytes.
const maxExpr = 64 << 10

// expression parses one template expression and resolves its words.
func (h *Host) expression(src string, where Position) (syntax.Expr, []string, error) {
	text := strings.TrimSpace(src)
	if text == "" {
		return nil, nil, errors.New("empty expression")
	}
	if len(text) > maxExpr {
		return nil, nil, fmt.Errorf("expression is longer than %d bytes", maxExpr)
	}
	if err := nesting([]byte(text)); err != nil {
		return nil, nil, err
	}
	e, err := parse(text, where)
	if err != nil {
		plain, ok := plainCall(text, h.templates)
		if !ok {
			return nil, nil, advised(text, err)
		}
		if e, err = parse(plain, where); err != nil {
			return nil, nil, err
		}
		text = plain
	}
	w := words{names: h.templates, text: text, base: e}
	word, lone := w.word(e, false)
	e = w.expr(e)
	if w.err != nil {
		return nil, nil, w.err
	}
	if lone && len(w.warnings) == 0 {
		w.warnings = append(w.warnings, w.unknown(word))
	}
	if m := w.module(e); m != "" {
		w.warnings = append(w.warnings, m)
	}
	if w.function(e) {
		e = &syntax.CallExpr{Fn: e, Lparen: syntax.Start(e), Rparen: syntax.Start(e)}
	}
	return e, w.warnings, nil
}

var (
	// block is the beginning of a loop, a condition or a comment in the template
	// languages of other programs.
	block = regexp.MustCompile(`^(#|/|%|(for|if|else|elif|elsif|range|with|end|endif|endfor|each|unless)\b)`)
	// helper is a function of those languages with its arguments behind blanks.
	helper = regexp.MustCompile(`^[A-Za-z][\w-]*\s+['"\w]`)
	// bareFormat is a format without quotes, as in fmt(%d, 3).
	bareFormat = regexp.MustCompile(`[(,]\s*%`)
)

// advised adds advice to err, the syntax error of an expression, if the mistake is
// a common one.
func advised(text string, err error) error {
	switch {
	case block.MatchString(text):
		return fmt.Errorf("%w (there are no blocks: write one expression, such as 'a' if x == 1 else 'b', or a function in a "+
			".star scenario)", err)
	case helper.MatchString(text) && strings.Contains(err.Error(), "after expression"):
		return fmt.Errorf("%w (arguments stand in parentheses, as in request_query(page); \"starproxy scenario import\" translates "+
			"helpers of WireMock)", err)
	case bareFormat.MatchString(text):
		return fmt.Errorf("%w (a format needs quotes, as in fmt('%%d', 3))", err)
	}
	return err
}

// parse parses one expression that begins at where.
func parse(text string, where Position) (syntax.Expr, error) {
	line, col := int32(max(where.Line, 1)), int32(max(where.Column, 1))
	e, err := dialect().ParseExpr(where.File, syntax.FilePortion{Content: []byte(text), FirstLine: line, FirstCol: col}, 0)
	var fault syntax.Error
	if errors.As(err, &fault) {
		return nil, errors.New(fault.Msg)
	}
	return e, err
}

// plainCall puts quotes around the words of NAME(word, word) that are no Starlark:
// request_body_json(items.0.id), random_choice(not found, 50%).
func plainCall(text string, names starlark.StringDict) (string, bool) {
	open := strings.IndexByte(text, '(')
	if open <= 0 || text[len(text)-1] != ')' {
		return "", false
	}
	if _, ok := names[text[:open]]; !ok {
		return "", false
	}
	args, ok := arguments(text[open+1 : len(text)-1])
	if !ok {
		return "", false
	}
	changed := false
	for i, a := range args {
		a = strings.TrimSpace(a)
		if _, err := parse(a, Position{}); err != nil {
			if !plain(a) {
				return "", false
			}
			a, changed = syntax.Quote(a, false), true
		}
		args[i] = a
	}
	return text[:open+1] + strings.Join(args, ", ") + ")", changed
}

// arguments splits at the commas outside of quotes and brackets.
func arguments(s string) ([]string, bool) {
	var args []string
	depth, start := 0, 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"', '\'':
			if i = quoted(s, i); i < 0 {
				return nil, false
			}
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth--; depth < 0 {
				return nil, false
			}
		case ',':
			if depth == 0 {
				args, start = append(args, s[start:i]), i+1
			}
		}
	}
	return append(args, s[start:]), depth == 0
}

// plain reports whether s is made of words: it begins with a letter, a digit or one
// of /_@$- and has no quotes, braces, or operators but those found in names and
// in paths into JSON.
func plain(s string) bool {
	letters := false
	for i, r := range s {
		switch {
		case unicode.IsLetter(r):
			letters = true
		case unicode.IsDigit(r) || r == '/':
		case i == 0 && strings.ContainsRune("_@$-", r): // _links.0, @odata.type, -1.id
		case i > 0 && strings.ContainsRune(" ._-/:%+@&~#!?$[]\\", r):
		default:
			return false
		}
	}
	return letters || strings.ContainsAny(s, "%.:") && s != ""
}
