package script

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"

	"starproxy/builtins"
)

// span is a piece of a template string: text, or an expression.
type span struct {
	text string
	expr bool
	pos  int // of the expression in the string, in bytes
}

// split takes a string apart at its {{ }}. A string that is nothing but one
// expression with space around it is one span.
func split(s string) ([]span, error) {
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
			return nil, fmt.Errorf("expression without an end: want }} after %q", clip(s[open:]))
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

// closing finds the }} that ends an expression beginning at i: outside of
// quotes and of the expression's own brackets. If there is none, the first }}
// is taken, so that the parser can say what is wrong.
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

// quoted finds the end of a string literal that begins at i, -1 if it has none.
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

// clip shortens a text for an error.
func clip(s string) string {
	if len(s) <= 60 {
		return s
	}
	end := 57
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "..."
}

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
			return nil, nil, err
		}
		if e, err = parse(plain, where); err != nil {
			return nil, nil, err
		}
		text = plain
	}
	w := words{names: h.templates, text: text, base: e}
	e = w.expr(e)
	if w.err != nil {
		return nil, nil, w.err
	}
	if w.function(e) {
		e = &syntax.CallExpr{Fn: e, Lparen: syntax.Start(e), Rparen: syntax.Start(e)}
	}
	return e, w.warnings, nil
}

// parse reads one expression; its positions are those of where.
func parse(text string, where Position) (syntax.Expr, error) {
	line, col := int32(max(where.Line, 1)), int32(max(where.Column, 1))
	e, err := dialect().ParseExpr(where.File, syntax.FilePortion{Content: []byte(text), FirstLine: line, FirstCol: col}, 0)
	var fault syntax.Error
	if errors.As(err, &fault) {
		return nil, errors.New(fault.Msg)
	}
	return e, err
}

// plainCall quotes the unquoted words of NAME(word, word) that do not parse as
// they stand: request_body_json(items.0.id), random_choice(not found, 50%).
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

// plain tells whether s is made of words: it begins with a letter, digit or
// slash and has no brackets, quotes or operators but those found in names.
func plain(s string) bool {
	letters := false
	for i, r := range s {
		switch {
		case unicode.IsLetter(r):
			letters = true
		case unicode.IsDigit(r) || r == '/':
		case i > 0 && strings.ContainsRune(" ._-/:%+@&~#!?$", r):
		default:
			return false
		}
	}
	return letters || strings.ContainsAny(s, "%.:") && s != ""
}

// words replaces undefined names by their text.
type words struct {
	names    starlark.StringDict
	text     string      // the expression
	base     syntax.Expr // parsed; its start is the text's
	bound    []string    // names that a comprehension or lambda binds
	warnings []string
	err      error
}

func (w *words) defined(name string) bool {
	for _, b := range w.bound {
		if b == name {
			return true
		}
	}
	if _, ok := w.names[name]; ok {
		return true
	}
	_, ok := starlark.Universe[name]
	return ok
}

// isBound tells whether the expression itself binds name.
func (w *words) isBound(name string) bool {
	for _, b := range w.bound {
		if b == name {
			return true
		}
	}
	return false
}

// word is the text of an expression that is nothing but undefined names with
// dots, hyphens and slashes between: user.name, X-Request-Id. With any, names
// that are defined count as text, too.
func (w *words) word(e syntax.Expr, any bool) (string, bool) {
	if !w.wordy(e, any) {
		return "", false
	}
	s := w.source(e)
	return s, s != "" && !strings.ContainsAny(s, " \t\n")
}

func (w *words) wordy(e syntax.Expr, any bool) bool {
	switch e := e.(type) {
	case *syntax.Ident:
		if any {
			return !w.isBound(e.Name)
		}
		return !w.defined(e.Name)
	case *syntax.DotExpr:
		return w.wordy(e.X, any)
	case *syntax.BinaryExpr:
		if e.Op != syntax.MINUS && e.Op != syntax.SLASH && e.Op != syntax.SLASHSLASH {
			return false
		}
		if _, ok := e.Y.(*syntax.Literal); ok {
			return w.wordy(e.X, any)
		}
		// The first name decides: "uuid-x" is no subtraction either, but "n - 1"
		// of a bound n is.
		return w.wordy(e.X, any) && w.wordy(e.Y, true)
	}
	return false
}

// source is the text of a part of the expression.
func (w *words) source(e syntax.Expr) string {
	start, end := e.Span()
	from, _ := w.base.Span()
	// Positions count runes; an expression that spans lines is no word.
	if start.Line != end.Line || start.Line != from.Line {
		return ""
	}
	runes := []rune(w.text)
	i, j := int(start.Col-from.Col), int(end.Col-from.Col)
	if i < 0 || j > len(runes) || i >= j {
		return ""
	}
	return string(runes[i:j])
}

// quote makes a string literal in the place of e.
func quote(e syntax.Expr, s string) syntax.Expr {
	return &syntax.Literal{Token: syntax.STRING, TokenPos: syntax.Start(e), Raw: syntax.Quote(s, false), Value: s}
}

// expr resolves the words of e.
func (w *words) expr(e syntax.Expr) syntax.Expr {
	if s, ok := w.word(e, false); ok {
		if hint := slips[s]; hint != "" {
			w.warnings = append(w.warnings, fmt.Sprintf("%s is text here: write %s", s, hint))
		} else if near := builtins.Nearest(s, w.names.Keys()); near != "" && len(s) > 3 {
			w.warnings = append(w.warnings, fmt.Sprintf("%s is text here: did you mean %s?", s, near))
		}
		return quote(e, s)
	}
	switch e := e.(type) {
	case *syntax.BinaryExpr:
		if e.Op == syntax.EQ { // a keyword argument
			e.Y = w.expr(e.Y)
			break
		}
		e.X, e.Y = w.expr(e.X), w.expr(e.Y)
	case *syntax.UnaryExpr:
		if e.X != nil {
			e.X = w.expr(e.X)
		}
	case *syntax.ParenExpr:
		e.X = w.expr(e.X)
	case *syntax.DotExpr:
		e.X = w.expr(e.X)
	case *syntax.CallExpr:
		w.call(e)
	case *syntax.CondExpr:
		e.Cond, e.True, e.False = w.expr(e.Cond), w.expr(e.True), w.expr(e.False)
	case *syntax.IndexExpr:
		e.X, e.Y = w.expr(e.X), w.expr(e.Y)
	case *syntax.SliceExpr:
		e.X = w.expr(e.X)
		for _, p := range []*syntax.Expr{&e.Lo, &e.Hi, &e.Step} {
			if *p != nil {
				*p = w.expr(*p)
			}
		}
	case *syntax.ListExpr:
		w.list(e.List)
	case *syntax.TupleExpr:
		w.list(e.List)
	case *syntax.DictExpr:
		w.list(e.List)
	case *syntax.DictEntry:
		e.Key, e.Value = w.expr(e.Key), w.expr(e.Value)
	case *syntax.Comprehension:
		w.comprehension(e)
	case *syntax.LambdaExpr:
		n := len(w.bound)
		for i, p := range e.Params {
			if b, ok := p.(*syntax.BinaryExpr); ok {
				b.Y = w.expr(b.Y)
				w.bind(b.X)
			} else {
				w.bind(e.Params[i])
			}
		}
		e.Body = w.expr(e.Body)
		w.bound = w.bound[:n]
	}
	return e
}

func (w *words) list(list []syntax.Expr) {
	for i := range list {
		list[i] = w.expr(list[i])
	}
}

func (w *words) comprehension(e *syntax.Comprehension) {
	n := len(w.bound)
	for _, c := range e.Clauses {
		switch c := c.(type) {
		case *syntax.ForClause:
			c.X = w.expr(c.X)
			w.bind(c.Vars)
		case *syntax.IfClause:
			c.Cond = w.expr(c.Cond)
		}
	}
	e.Body = w.expr(e.Body)
	w.bound = w.bound[:n]
}

// bind makes the names in a pattern known.
func (w *words) bind(e syntax.Expr) {
	switch e := e.(type) {
	case *syntax.Ident:
		w.bound = append(w.bound, e.Name)
	case *syntax.UnaryExpr:
		if e.X != nil {
			w.bind(e.X)
		}
	case *syntax.ParenExpr:
		w.bind(e.X)
	case *syntax.TupleExpr:
		for _, x := range e.List {
			w.bind(x)
		}
	case *syntax.ListExpr:
		for _, x := range e.List {
			w.bind(x)
		}
	}
}

// named are the functions whose first argument is a name: there a word is text
// even if it is defined, as in counter(list).
var named = map[string]bool{
	"counter": true, "env": true, "state": true, "request_header": true, "request_query": true,
	"request_body_json": true, "request_param": true,
}

func (w *words) call(e *syntax.CallExpr) {
	if fn, ok := e.Fn.(*syntax.Ident); ok {
		if !w.defined(fn.Name) {
			if w.err == nil {
				w.err = fmt.Errorf("undefined function %s", fn.Name)
				if near := builtins.Nearest(fn.Name, append(w.names.Keys(), starlark.Universe.Keys()...)); near != "" {
					w.err = fmt.Errorf("%w (did you mean %s?)", w.err, near)
				}
			}
			return
		}
		if named[fn.Name] && !w.isBound(fn.Name) && len(e.Args) > 0 {
			if s, ok := w.word(e.Args[0], true); ok {
				e.Args[0] = quote(e.Args[0], s)
			}
		}
	} else {
		e.Fn = w.expr(e.Fn)
	}
	w.list(e.Args)
}

// function tells whether e names a function that is meant to be called.
func (w *words) function(e syntax.Expr) bool {
	switch e := e.(type) {
	case *syntax.Ident:
		v, ok := w.names[e.Name]
		_, callable := v.(starlark.Callable)
		return ok && callable
	case *syntax.DotExpr:
		x, ok := e.X.(*syntax.Ident)
		if !ok {
			return false
		}
		if m, ok := w.names[x.Name].(*starlarkstruct.Module); ok {
			_, callable := m.Members[e.Name.Name].(starlark.Callable)
			return callable
		}
	}
	return false
}

// slips are words of JSON that are other words in Starlark.
var slips = map[string]string{"true": "True", "false": "False", "null": "None"}
