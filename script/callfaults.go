package script

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starproxy/builtins"
	"starproxy/builtins/nearest"
)

// signature is the parameters of a function.
type signature struct {
	name     string
	places   []string // those that take positional arguments, in their order
	keywords []string // all that have names
	required []string
	varargs  bool // *args takes the other positional arguments
	kwargs   bool // **kwargs takes the other keyword arguments
}

// newSignature reads parameters as in a def statement.
func newSignature(name string, params []syntax.Expr) signature {
	s := signature{name: name}
	places := true
	for _, p := range params {
		switch p := p.(type) {
		case *syntax.Ident:
			s.add(p.Name, places)
			s.required = append(s.required, p.Name)
		case *syntax.BinaryExpr:
			s.add(p.X.(*syntax.Ident).Name, places)
		case *syntax.UnaryExpr:
			switch {
			case p.Op == syntax.STARSTAR:
				s.kwargs = true
			case p.X != nil:
				s.varargs = true
			}
			places = false
		}
	}
	return s
}

func (s *signature) add(name string, place bool) {
	s.keywords = append(s.keywords, name)
	if place {
		s.places = append(s.places, name)
	}
}

// readSignature reads the text of parameters; ok is false if it has another form.
func readSignature(name, params string) (s signature, ok bool) {
	file, err := dialect().Parse(name, "def f("+params+"): pass\n", 0)
	if err != nil {
		return signature{}, false
	}
	return newSignature(name, file.Stmts[0].(*syntax.DefStmt).Params), true
}

// checkCalls lists the calls of known functions with arguments that they do not take, and the
// members that modules lack. The names of the file have been resolved.
func checkCalls(file *syntax.File, scope builtins.Scope) []*Error {
	c := &callChecker{scope: scope, modules: map[string][]string{}, builtins: map[string]signature{}, own: ownFunctions(file)}
	c.learn()
	syntax.Walk(file, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CallExpr:
			c.call(n)
		case *syntax.DotExpr:
			c.member(n)
		}
		return true
	})
	return c.faults
}

// callChecker knows the functions that a script can call.
type callChecker struct {
	scope    builtins.Scope
	modules  map[string][]string         // the members of each module
	builtins map[string]signature        // by their names, such as state.incr
	own      map[*syntax.Ident]signature // by where they are bound
	faults   []*Error
}

// learn reads the tables of the builtins.
func (c *callChecker) learn() {
	for _, m := range builtins.Modules() {
		if m.Scope != builtins.Everywhere && m.Scope != c.scope {
			continue
		}
		prefix := ""
		if m.Name != "" {
			prefix = m.Name + "."
			c.modules[m.Name] = []string{}
		}
		for _, f := range m.Funcs {
			if m.Name != "" {
				c.modules[m.Name] = append(c.modules[m.Name], f.Name)
			}
			if s, ok := readSignature(prefix+f.Name, f.Params); ok {
				c.builtins[prefix+f.Name] = s
				if m.Call == f.Name {
					c.builtins[m.Name] = s
				}
			}
		}
		for _, k := range m.Consts {
			if m.Name != "" {
				c.modules[m.Name] = append(c.modules[m.Name], k.Name)
			}
		}
	}
}

// ownFunctions returns the functions that the file defines or loads from the standard
// library, by where they are bound. A name that is bound more than once has none.
func ownFunctions(file *syntax.File) map[*syntax.Ident]signature {
	bound := map[*syntax.Ident]int{}
	own := map[*syntax.Ident]signature{}
	var h *Host // for the standard library
	defer func() {
		if h != nil {
			h.Close()
		}
	}()
	syntax.Walk(file, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.DefStmt:
			if at := bindingOf(n.Name); at != nil {
				bound[at]++
				own[at] = newSignature(n.Name.Name, n.Params)
			}
		case *syntax.AssignStmt:
			eachIdent(n.LHS, func(id *syntax.Ident) { bound[bindingOf(id)]++ })
		case *syntax.ForStmt:
			eachIdent(n.Vars, func(id *syntax.Ident) { bound[bindingOf(id)]++ })
		case *syntax.LoadStmt:
			if h == nil {
				h = New(Options{})
			}
			for i, to := range n.To {
				bound[bindingOf(to)]++
				if s, ok := h.loadedSignature(n.ModuleName(), n.From[i].Name); ok {
					own[bindingOf(to)] = s
				}
			}
		}
		return true
	})
	for at := range own {
		if at == nil || bound[at] != 1 {
			delete(own, at)
		}
	}
	return own
}

// loadedSignature returns that of a function of the standard library.
func (h *Host) loadedSignature(module, name string) (signature, bool) {
	file, ok := strings.CutPrefix(module, stdlibPrefix)
	if !ok {
		return signature{}, false
	}
	globals, err := h.Stdlib(file)
	if err != nil {
		return signature{}, false
	}
	fn, ok := globals[name].(*starlark.Function)
	if !ok {
		return signature{}, false
	}
	return readSignature(name, parameters(fn))
}

// eachIdent calls fn for the names that an assignment binds.
func eachIdent(e syntax.Expr, fn func(*syntax.Ident)) {
	switch e := e.(type) {
	case *syntax.Ident:
		fn(e)
	case *syntax.ParenExpr:
		eachIdent(e.X, fn)
	case *syntax.TupleExpr:
		for _, x := range e.List {
			eachIdent(x, fn)
		}
	case *syntax.ListExpr:
		for _, x := range e.List {
			eachIdent(x, fn)
		}
	}
}

// bindingOf returns where the variable of a name is bound first, or nil.
func bindingOf(id *syntax.Ident) *syntax.Ident {
	if b, ok := id.Binding.(*resolve.Binding); ok {
		return b.First
	}
	return nil
}

// predeclared reports whether a name is that of a builtin, not of the script.
func predeclared(id *syntax.Ident) bool {
	b, ok := id.Binding.(*resolve.Binding)
	return ok && b.Scope == resolve.Predeclared
}

// signatureOf returns the parameters of what a call calls, if they are known.
func (c *callChecker) signatureOf(fn syntax.Expr) (s signature, ok bool) {
	switch fn := fn.(type) {
	case *syntax.Ident:
		if predeclared(fn) {
			s, ok = c.builtins[fn.Name]
		} else if at := bindingOf(fn); at != nil {
			s, ok = c.own[at]
		}
	case *syntax.DotExpr:
		if x, is := fn.X.(*syntax.Ident); is && predeclared(x) {
			s, ok = c.builtins[x.Name+"."+fn.Name.Name]
		}
	}
	return s, ok
}

// call checks the arguments of a call.
func (c *callChecker) call(e *syntax.CallExpr) {
	s, ok := c.signatureOf(e.Fn)
	if !ok {
		return
	}
	given := map[string]bool{}
	positional, more := 0, false // more arguments, which only running tells
	for _, arg := range e.Args {
		switch a := arg.(type) {
		case *syntax.UnaryExpr:
			if a.Op == syntax.STAR || a.Op == syntax.STARSTAR {
				more = true
				continue
			}
		case *syntax.BinaryExpr:
			if a.Op == syntax.EQ {
				c.keyword(s, a.X.(*syntax.Ident), given)
				continue
			}
		}
		if positional++; positional > len(s.places) {
			if !s.varargs && positional == len(s.places)+1 {
				c.fail(syntax.Start(arg), fmt.Sprintf("%s: got %d positional arguments, want at most %d",
					s.name, countPlaces(e.Args), len(s.places)), "")
			}
			continue
		}
		given[s.places[positional-1]] = true
	}
	for _, name := range s.required {
		if !given[name] && !more {
			c.fail(syntax.Start(e), fmt.Sprintf("%s: missing argument %q", s.name, name), "")
			return
		}
	}
}

// countPlaces returns the number of positional arguments.
func countPlaces(args []syntax.Expr) int {
	n := 0
	for _, arg := range args {
		if b, ok := arg.(*syntax.BinaryExpr); ok && b.Op == syntax.EQ {
			continue
		}
		n++
	}
	return n
}

// keyword notes an argument with a name.
func (c *callChecker) keyword(s signature, id *syntax.Ident, given map[string]bool) {
	switch {
	case given[id.Name]:
		c.fail(id.NamePos, fmt.Sprintf("%s: two values for argument %q", s.name, id.Name), "")
	case slices.Contains(s.keywords, id.Name) || s.kwargs:
	default:
		c.fail(id.NamePos, fmt.Sprintf("%s: no argument %q", s.name, id.Name), meant(nearest.Name(id.Name, s.keywords)))
		for _, name := range s.required { // the misspelt one is not missing, too
			given[name] = true
		}
	}
	given[id.Name] = true
}

// member checks that a module has a member.
func (c *callChecker) member(e *syntax.DotExpr) {
	x, ok := e.X.(*syntax.Ident)
	if !ok || !predeclared(x) {
		return
	}
	members, ok := c.modules[x.Name]
	if !ok || slices.Contains(members, e.Name.Name) {
		return
	}
	near := nearest.Name(e.Name.Name, members)
	if near != "" {
		near = x.Name + "." + near
	}
	c.fail(e.Name.NamePos, fmt.Sprintf("%s has no %s", x.Name, e.Name.Name), meant(near))
}

// meant returns the hint at a name, or "" without one.
func meant(name string) string {
	if name == "" {
		return ""
	}
	return "did you mean " + name + "?"
}

func (c *callChecker) fail(at syntax.Position, message, hint string) {
	c.faults = append(c.faults, &Error{Pos: position(at), Message: message, Hint: hint})
}
