package script

import (
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starproxy/builtins"
)

// bounded puts what has a bound in the place of the operators and methods that
// can make something enormous in one step; see [builtins.Operators]. Places in
// the text stay what they are. An operator between values that are known to be
// harmless is left alone.
type bounded struct{}

// program compiles a script.
func program(file *syntax.File, names starlark.StringDict) (*starlark.Program, error) {
	file.Stmts = bounded{}.stmts(file.Stmts)
	prog, err := starlark.FileProgram(file, names.Has)
	if err != nil {
		return nil, newErrorAmong(err, builtins.Visible(names))
	}
	return prog, nil
}

// maxFactor is the literal factor up to which a product is left alone: it
// grows no faster than a sum.
const maxFactor = 16

// stmts goes through a block. A loop gets a landmark: what is ended in code that
// has no place of its own, as in while True: pass, is where the one before is.
func (b bounded) stmts(list []syntax.Stmt) []syntax.Stmt {
	if list == nil {
		return nil // no else is not an empty one
	}
	out := make([]syntax.Stmt, 0, len(list))
	for _, s := range list {
		b.stmt(s)
		if loop, ok := s.(*syntax.WhileStmt); ok {
			out = append(out, landmark(loop.While))
		}
		out = append(out, s)
	}
	return out
}

func (b bounded) stmt(s syntax.Stmt) {
	switch s := s.(type) {
	case *syntax.AssignStmt:
		b.target(s.LHS)
		s.RHS = b.expr(s.RHS)
		op := ""
		switch s.Op {
		case syntax.STAR_EQ:
			if !harmless(nil, s.RHS) {
				op = "*="
			}
		case syntax.PERCENT_EQ:
			if x, ok := s.LHS.(*syntax.Ident); ok { // x = x % y is the same, and has both operands
				s.RHS = callTo("%", s.OpPos, &syntax.Ident{NamePos: x.NamePos, Name: x.Name}, s.RHS)
				s.Op = syntax.EQ
				break
			}
			op = "%="
		case syntax.PLUS_EQ:
			if !literal(s.RHS) {
				op = "+="
			}
		}
		if op != "" {
			s.RHS = callTo(op, s.OpPos, s.RHS)
		}
	case *syntax.DefStmt:
		b.params(s.Params)
		s.Body = b.stmts(s.Body)
	case *syntax.ExprStmt:
		s.X = b.expr(s.X)
	case *syntax.IfStmt:
		s.Cond = b.expr(s.Cond)
		s.True = b.stmts(s.True)
		s.False = b.stmts(s.False)
	case *syntax.ForStmt:
		b.target(s.Vars)
		s.X = b.expr(s.X)
		s.Body = b.stmts(s.Body)
	case *syntax.WhileStmt:
		s.Cond = b.expr(s.Cond)
		s.Body = b.stmts(s.Body)
	case *syntax.ReturnStmt:
		if s.Result != nil {
			s.Result = b.expr(s.Result)
		}
	}
}

// landmark is code that does nothing, but for which the interpreter knows a place.
func landmark(at syntax.Position) syntax.Stmt {
	zero := &syntax.Literal{Token: syntax.INT, TokenPos: at, Raw: "0", Value: int64(0)}
	return &syntax.ExprStmt{X: &syntax.UnaryExpr{OpPos: at, Op: syntax.PLUS, X: zero}}
}

// target goes through the left side of an assignment.
func (b bounded) target(e syntax.Expr) {
	switch e := e.(type) {
	case *syntax.DotExpr:
		e.X = b.expr(e.X)
	case *syntax.IndexExpr:
		e.X, e.Y = b.expr(e.X), b.expr(e.Y)
	case *syntax.ParenExpr:
		b.target(e.X)
	case *syntax.TupleExpr:
		for _, x := range e.List {
			b.target(x)
		}
	case *syntax.ListExpr:
		for _, x := range e.List {
			b.target(x)
		}
	}
}

func (b bounded) params(list []syntax.Expr) {
	for _, p := range list {
		if p, ok := p.(*syntax.BinaryExpr); ok {
			p.Y = b.expr(p.Y)
		}
	}
}

func (b bounded) list(list []syntax.Expr) {
	for i := range list {
		list[i] = b.expr(list[i])
	}
}

func (b bounded) expr(e syntax.Expr) syntax.Expr {
	switch e := e.(type) {
	case *syntax.BinaryExpr:
		if e.Op == syntax.EQ { // a keyword argument
			e.Y = b.expr(e.Y)
			return e
		}
		e.X, e.Y = b.expr(e.X), b.expr(e.Y)
		switch {
		case e.Op == syntax.PLUS && !literal(e.X) && !literal(e.Y):
			return callTo("+", e.OpPos, e.X, e.Y)
		case e.Op == syntax.STAR && !harmless(e.X, e.Y):
			return callTo("*", e.OpPos, e.X, e.Y)
		case e.Op == syntax.PERCENT && !isNumber(e.X):
			return callTo("%", e.OpPos, e.X, e.Y)
		}
	case *syntax.UnaryExpr:
		if e.X != nil {
			e.X = b.expr(e.X)
		}
	case *syntax.ParenExpr:
		e.X = b.expr(e.X)
	case *syntax.DotExpr:
		e.X = b.expr(e.X)
		if builtins.Bounded(e.Name.Name) {
			return callTo("."+e.Name.Name, e.Dot, e.X)
		}
	case *syntax.CallExpr:
		e.Fn = b.expr(e.Fn)
		b.list(e.Args)
		for _, a := range e.Args {
			if star, ok := a.(*syntax.UnaryExpr); ok && star.Op == syntax.STAR {
				star.X = callTo("*args", star.OpPos, star.X)
			}
		}
	case *syntax.CondExpr:
		e.Cond, e.True, e.False = b.expr(e.Cond), b.expr(e.True), b.expr(e.False)
	case *syntax.IndexExpr:
		e.X, e.Y = b.expr(e.X), b.expr(e.Y)
	case *syntax.SliceExpr:
		e.X = b.expr(e.X)
		for _, p := range []*syntax.Expr{&e.Lo, &e.Hi, &e.Step} {
			if *p != nil {
				*p = b.expr(*p)
			}
		}
	case *syntax.ListExpr:
		b.list(e.List)
	case *syntax.TupleExpr:
		b.list(e.List)
	case *syntax.DictExpr:
		b.list(e.List)
	case *syntax.DictEntry:
		e.Key, e.Value = b.expr(e.Key), b.expr(e.Value)
	case *syntax.Comprehension:
		for _, c := range e.Clauses {
			switch c := c.(type) {
			case *syntax.ForClause:
				b.target(c.Vars)
				c.X = b.expr(c.X)
			case *syntax.IfClause:
				c.Cond = b.expr(c.Cond)
			}
		}
		e.Body = b.expr(e.Body)
	case *syntax.LambdaExpr:
		b.params(e.Params)
		e.Body = b.expr(e.Body)
	}
	return e
}

// callTo is name(args...) with the place of an operator. As an expression it
// begins where its first operand does.
func callTo(name string, at syntax.Position, args ...syntax.Expr) syntax.Expr {
	fn := &syntax.Ident{NamePos: syntax.Start(args[0]), Name: name}
	_, end := args[len(args)-1].Span()
	end.Col-- // a call ends behind its bracket
	return &syntax.CallExpr{Fn: fn, Lparen: at, Args: args, Rparen: end}
}

// harmless tells whether a product is small for what its factors are.
func harmless(x, y syntax.Expr) bool {
	for _, e := range []syntax.Expr{x, y} {
		switch e := e.(type) {
		case *syntax.Literal:
			switch v := e.Value.(type) {
			case float64:
				return true
			case int64:
				if v <= maxFactor {
					return true
				}
			}
		}
	}
	return false
}

// literal tells whether a term adds no more than what the script itself holds.
func literal(e syntax.Expr) bool {
	switch e := e.(type) {
	case *syntax.Literal, *syntax.ListExpr, *syntax.TupleExpr:
		return true
	case *syntax.BinaryExpr: // other than a sum is a number, or a truth
		return e.Op != syntax.PLUS && e.Op != syntax.PIPE && e.Op != syntax.OR && e.Op != syntax.AND
	}
	return false
}

func isNumber(e syntax.Expr) bool {
	l, ok := e.(*syntax.Literal)
	return ok && (l.Token == syntax.INT || l.Token == syntax.FLOAT)
}
