package script

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"

	"starproxy/builtins"
	"starproxy/builtins/nearest"
)

// words replaces the undefined names in an expression by their text.
type words struct {
	names    starlark.StringDict
	text     string      // the expression
	base     syntax.Expr // the parsed expression, which begins where text does
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

// isBound reports whether the expression itself binds name.
func (w *words) isBound(name string) bool {
	for _, b := range w.bound {
		if b == name {
			return true
		}
	}
	return false
}

// word returns the text of an expression that consists of undefined names with dots,
// hyphens and slashes between them: user.name, X-Request-Id. If any is true, defined
// names count as text, too.
func (w *words) word(e syntax.Expr, any bool) (string, bool) {
	if !w.wordy(e, any) {
		return "", false
	}
	s := w.source(e)
	if _, ok := e.(*syntax.IndexExpr); ok {
		s += "]" // the span ends before the bracket
	}
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
	case *syntax.IndexExpr: // as in the path items[-1].id
		return any && wholeNumber(e.Y) && w.wordy(e.X, any)
	case *syntax.BinaryExpr:
		if e.Op != syntax.MINUS && e.Op != syntax.SLASH && e.Op != syntax.SLASHSLASH {
			return false
		}
		if _, ok := e.Y.(*syntax.Literal); ok {
			return w.wordy(e.X, any)
		}
		// The first name decides: "uuid-x" is a word, too, but "n - 1" is a
		// subtraction if the expression binds n.
		return w.wordy(e.X, any) && w.wordy(e.Y, true)
	}
	return false
}

// wholeNumber reports whether e is the literal of a whole number, such as 0 or -1.
func wholeNumber(e syntax.Expr) bool {
	if u, ok := e.(*syntax.UnaryExpr); ok && u.Op == syntax.MINUS {
		e = u.X
	}
	n, ok := e.(*syntax.Literal)
	return ok && n.Token == syntax.INT
}

// source returns the text of a part of the expression.
func (w *words) source(e syntax.Expr) string {
	start, end := e.Span()
	from, _ := w.base.Span()
	// Positions count runes. An expression of several lines is no word.
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

// quote returns a string literal at the place of e.
func quote(e syntax.Expr, s string) syntax.Expr {
	return &syntax.Literal{Token: syntax.STRING, TokenPos: syntax.Start(e), Raw: syntax.Quote(s, false), Value: s}
}

// expr replaces the words in e.
func (w *words) expr(e syntax.Expr) syntax.Expr {
	if s, ok := w.word(e, false); ok {
		if hint := slips[s]; hint != "" {
			w.warnings = append(w.warnings, fmt.Sprintf("%s is text here: write %s", s, hint))
		} else if len(s) > 3 {
			if near := nearest.Name(s, builtins.Visible(w.names)); near != "" {
				w.warnings = append(w.warnings, fmt.Sprintf("%s is text here: did you mean %s?", s, near))
			}
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
		w.member(e)
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

// bind notes the names that a pattern binds.
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

// named has the functions whose first argument is a name. A word in its place is
// text even if it is defined, as in counter(list).
var named = map[string]bool{
	"counter": true, "env": true, "state": true, "request_header": true, "request_query": true, "request_query_all": true,
	"request_body_json": true, "request_param": true,
}

func (w *words) call(e *syntax.CallExpr) {
	if fn, ok := e.Fn.(*syntax.Ident); ok {
		if !w.defined(fn.Name) {
			w.undefined(fn.Name)
			return
		}
		if named[fn.Name] && !w.isBound(fn.Name) && len(e.Args) > 0 {
			s, ok := w.word(e.Args[0], true)
			if !ok && fn.Name == "request_body_json" && wholeNumber(e.Args[0]) { // an index in a list
				s, ok = w.source(e.Args[0]), true
			}
			if ok {
				e.Args[0] = quote(e.Args[0], s)
			}
		}
	} else if s, ok := w.word(e.Fn, false); ok { // a text can't be called
		w.undefined(s)
		return
	} else {
		e.Fn = w.expr(e.Fn)
	}
	w.list(e.Args)
}

// undefined sets the error about a call of an undefined function.
func (w *words) undefined(name string) {
	if w.err != nil {
		return
	}
	w.err = fmt.Errorf("undefined function %s", name)
	if strings.HasPrefix(name, "req.") {
		w.err = fmt.Errorf("%w (%s)", w.err, ofScripts)
	} else if near := nearest.Name(name, w.callable()); near != "" {
		w.err = fmt.Errorf("%w (did you mean %s?)", w.err, near)
	}
}

// callable lists the names of functions, and of modules.
func (w *words) callable() []string {
	names := builtins.Visible(w.names)
	for name, v := range starlark.Universe {
		if _, ok := v.(starlark.Callable); ok {
			names = append(names, name)
		}
	}
	return names
}

// ofScripts says what a template has in the place of req in scripts.
const ofScripts = "scripts have req; here are request_query(name), request_header(name), request_path and others"

// function reports whether e names a function that is meant to be called.
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

// identifier matches the names that a {name} segment of a path can have.
var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// unknown returns the warning about an expression that is only an undefined word.
func (w *words) unknown(word string) string {
	if word == "req" || strings.HasPrefix(word, "req.") {
		return word + " is text here: " + ofScripts
	}
	var near []string
	for _, name := range builtins.Visible(w.names) {
		if strings.HasPrefix(name, word+"_") {
			near = append(near, name)
		}
		if m := w.moduleOf(name); m != nil && slices.Contains(m.AttrNames(), word) {
			near = append(near, name+"."+word)
		}
	}
	if len(near) == 0 && identifier.MatchString(word) {
		return fmt.Sprintf("%s is text here: there is no such name (text needs no braces; a {%s} of the path is "+
			"request_param(%s))", word, word, word)
	}
	if len(near) == 0 {
		return word + " is text here: there is no such name (text needs no braces)"
	}
	return fmt.Sprintf("%s is text here: did you mean %s?", word, strings.Join(near[:min(len(near), 3)], " or "))
}

// module returns the warning about an expression that is a module and so has no JSON
// form, or "".
func (w *words) module(e syntax.Expr) string {
	id, ok := e.(*syntax.Ident)
	if !ok {
		return ""
	}
	m := w.moduleOf(id.Name)
	if _, callable := m.(starlark.Callable); m == nil || callable {
		return ""
	}
	return fmt.Sprintf("%s is a module: want one of its functions, such as %s.%s", id.Name, id.Name, m.AttrNames()[0])
}

// moduleOf returns the module of a name, or nil.
func (w *words) moduleOf(name string) starlark.HasAttrs {
	if w.isBound(name) {
		return nil
	}
	if v := w.names[name]; v != nil && v.Type() == "module" {
		m, _ := v.(starlark.HasAttrs)
		return m
	}
	return nil
}

// member warns about a name that a module does not have.
func (w *words) member(e *syntax.DotExpr) {
	id, ok := e.X.(*syntax.Ident)
	if !ok {
		return
	}
	m := w.moduleOf(id.Name)
	if m == nil || slices.Contains(m.AttrNames(), e.Name.Name) {
		return
	}
	warning := fmt.Sprintf("%s has no %s", id.Name, e.Name.Name)
	if near := nearest.Name(e.Name.Name, m.AttrNames()); near != "" {
		warning += fmt.Sprintf(": did you mean %s.%s?", id.Name, near)
	}
	w.warnings = append(w.warnings, warning)
}

// slips are words of JSON that Starlark writes in another way.
var slips = map[string]string{"true": "True", "false": "False", "null": "None"}
