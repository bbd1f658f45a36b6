package script

import (
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starproxy/builtins"
)

// program compiles a script, with guards on its operands.
func program(file *syntax.File, names starlark.StringDict) (*starlark.Program, error) {
	guardOperands(file)
	prog, err := starlark.FileProgram(file, names.Has)
	if err != nil {
		return nil, newErrorAmong(err, builtins.Visible(names))
	}
	return prog, nil
}

// guardOperands makes a tree ready for the sandbox. It puts a guard around
// operands of those operations that can make something enormous of little in one
// step: x becomes guard[x], which is x unless the operation needs a bound. See
// [builtins.OperandGuards]. The operations themselves stay, each at its place in
// the text. Sums are left alone: one at most doubles what there is, and the sandbox
// looks at the memory in time.
func guardOperands(n syntax.Node) {
	syntax.Walk(n, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.File:
			n.Stmts = withLandmarks(n.Stmts)
		case *syntax.DefStmt:
			n.Body = withLandmarks(n.Body)
		case *syntax.IfStmt:
			n.True, n.False = withLandmarks(n.True), withLandmarks(n.False)
		case *syntax.ForStmt:
			n.Body = withLandmarks(n.Body)
		case *syntax.WhileStmt:
			n.Body = withLandmarks(n.Body)
		case *syntax.AssignStmt:
			guardAssignment(n)
		case *syntax.BinaryExpr:
			guardBinary(n)
		case *syntax.DotExpr:
			if builtins.Bounded(n.Name.Name) {
				n.X = guard(builtins.GuardOperand, n.Dot, n.X)
			}
		case *syntax.CallExpr:
			for _, a := range n.Args {
				if star, ok := a.(*syntax.UnaryExpr); ok && star.Op == syntax.STAR {
					star.X = guard(builtins.GuardArguments, star.OpPos, star.X)
				}
			}
		}
		return true
	})
}

// guardBinary guards the operands of x * y and x % y.
func guardBinary(e *syntax.BinaryExpr) {
	switch {
	case e.Op == syntax.STAR && !isSmall(e.X) && !isSmall(e.Y):
		e.X, e.Y = guard(builtins.GuardOperand, e.OpPos, e.X), guard(builtins.GuardOperand, e.OpPos, e.Y)
	case e.Op == syntax.PERCENT && !isNumber(e.X) && !isNumber(e.Y):
		e.X = guard(builtins.GuardOperand, e.OpPos, e.X)
	}
}

// withLandmarks puts a statement that does nothing before each while loop. The
// interpreter knows the places of operations only. A run that is ended in a loop
// without an operation, as in while True: pass, has the place of the operation before
// it: that is this statement, which has the place of the loop.
func withLandmarks(list []syntax.Stmt) []syntax.Stmt {
	for i := len(list) - 1; i >= 0; i-- {
		if loop, ok := list[i].(*syntax.WhileStmt); ok {
			zero := &syntax.Literal{Token: syntax.INT, TokenPos: loop.While, Raw: "0", Value: int64(0)}
			list = slices.Insert(list, i, syntax.Stmt(&syntax.ExprStmt{X: &syntax.UnaryExpr{OpPos: loop.While, Op: syntax.PLUS, X: zero}}))
		}
	}
	return list
}

// guardAssignment guards the right side of x *= y, x %= y and x += y.
func guardAssignment(s *syntax.AssignStmt) {
	switch s.Op {
	case syntax.STAR_EQ:
		if !isSmall(s.RHS) {
			s.RHS = guard(builtins.GuardFactor, s.OpPos, s.RHS)
		}
	case syntax.PERCENT_EQ:
		if x, ok := s.LHS.(*syntax.Ident); ok { // x = x % y is the same, and has both operands
			s.RHS = &syntax.BinaryExpr{X: &syntax.Ident{NamePos: x.NamePos, Name: x.Name}, OpPos: s.OpPos, Op: syntax.PERCENT, Y: s.RHS}
			s.Op = syntax.EQ
		} else {
			s.RHS = guard(builtins.GuardFilling, s.OpPos, s.RHS)
		}
	case syntax.PLUS_EQ:
		if !isShort(s.RHS) {
			s.RHS = guard(builtins.GuardElements, s.OpPos, s.RHS)
		}
	}
}

// guard returns guard[x]; an error of the guard is at the place of the operator.
func guard(name string, at syntax.Position, x syntax.Expr) syntax.Expr {
	start, end := x.Span()
	end.Col-- // an index ends behind its bracket
	return &syntax.IndexExpr{X: &syntax.Ident{NamePos: start, Name: name}, Lbrack: at, Y: x, Rbrack: end}
}

// isSmall reports whether a product with the factor e is at most twice as large
// as the other factor, or a number.
func isSmall(e syntax.Expr) bool {
	l, ok := e.(*syntax.Literal)
	if !ok {
		return false
	}
	n, isInt := l.Value.(int64)
	return l.Token == syntax.FLOAT || isInt && n <= 2
}

// isNumber reports whether e is the literal of a number.
func isNumber(e syntax.Expr) bool {
	l, ok := e.(*syntax.Literal)
	return ok && (l.Token == syntax.INT || l.Token == syntax.FLOAT)
}

// isShort reports whether e has no more elements than the script itself writes:
// it is a literal, or an operation that gives a number or a truth.
func isShort(e syntax.Expr) bool {
	switch e := e.(type) {
	case *syntax.Literal, *syntax.ListExpr, *syntax.TupleExpr:
		return true
	case *syntax.BinaryExpr:
		return e.Op != syntax.PLUS && e.Op != syntax.STAR && e.Op != syntax.PIPE && e.Op != syntax.OR && e.Op != syntax.AND
	}
	return false
}
