package builtins

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starproxy/builtins/call"
)

// The names of guards. No script can write them.
const (
	// GuardOperand is for both operands of x * y, for x in x % y, and for x in
	// x.method().
	GuardOperand = "."
	// GuardFactor is for y in x *= y.
	GuardFactor = "*="
	// GuardFilling is for y in x %= y.
	GuardFilling = "%="
	// GuardElements is for y in x += y.
	GuardElements = "+="
	// GuardArguments is for x in f(*x).
	GuardArguments = "*args"
)

// OperandGuards returns the guards of single operations of the interpreter, which
// cannot be interrupted. The host replaces an operand x by guard[x]. The result is x
// itself, an error, or a value that does the operation within the limits of env. An
// index expression is used because it costs much less than a function call.
func OperandGuards(env *call.Env) starlark.StringDict {
	c := &call.Call{Env: env}
	return starlark.StringDict{
		GuardOperand:   guardOf{c, guardOperand},
		GuardFactor:    guardOf{c, guardFactor},
		GuardFilling:   guardOf{c, guardFilling},
		GuardElements:  guardOf{c, guardElements(GuardElements)},
		GuardArguments: guardOf{c, guardElements(GuardArguments)},
	}
}

// guardOf is one guard. Any number of threads may use it: call belongs to no thread
// and has no limits of a run.
type guardOf struct {
	call *call.Call
	of   func(*call.Call, starlark.Value) (starlark.Value, error)
}

// Get returns the operand that replaces x.
func (g guardOf) Get(x starlark.Value) (starlark.Value, bool, error) {
	v, err := g.of(g.call, x)
	return v, true, err
}

func (guardOf) String() string        { return "guard" }
func (guardOf) Type() string          { return "guard" }
func (guardOf) Freeze()               {}
func (guardOf) Truth() starlark.Bool  { return true }
func (guardOf) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: guard") }

func guardOperand(c *call.Call, x starlark.Value) (starlark.Value, error) {
	switch v := x.(type) {
	case starlark.Int:
		if _, small := v.Int64(); small {
			return x, nil
		}
	case starlark.String, starlark.Bytes, *starlark.List, starlark.Tuple, *starlark.Dict, *starlark.Set:
	default:
		return x, nil
	}
	return operand{x, c}, nil
}

// guardFactor also wraps small numbers, because the other factor may be a text or a
// list.
func guardFactor(c *call.Call, x starlark.Value) (starlark.Value, error) {
	if _, ok := x.(starlark.Int); ok {
		return operand{x, c}, nil
	}
	return guardOperand(c, x)
}

// guardFilling returns an error if x is too long to be formatted into a text. With
// %=, the interpreter formats the operand itself, so a wrapper would appear in the
// text. Only a dict can be replaced, by another mapping.
func guardFilling(c *call.Call, x starlark.Value) (v starlark.Value, err error) {
	defer call.Rescue(GuardFilling, &err)
	size, err := c.Measured(GuardFilling, []starlark.Value{x})
	if err == nil {
		err = c.Enough(GuardFilling, size)
	}
	if err != nil {
		return nil, err
	}
	if m, ok := x.(starlark.Mapping); ok {
		return &lookups{m, c, c.Room()}, nil
	}
	return x, nil
}

// guardElements returns a guard that refuses values with too many elements for one
// operation.
func guardElements(name string) func(*call.Call, starlark.Value) (starlark.Value, error) {
	return func(_ *call.Call, x starlark.Value) (starlark.Value, error) {
		return x, elements(name, x)
	}
}

// operand replaces an operand of an operator, or the receiver of a method.
type operand struct {
	starlark.Value
	call *call.Call
}

// Binary computes x * y and x % y within limits. It passes other operators on
// unchanged.
func (o operand) Binary(op syntax.Token, y starlark.Value, side starlark.Side) (v starlark.Value, err error) {
	defer call.Rescue(op.String(), &err)
	x := o.Value
	if other, ok := y.(operand); ok {
		y = other.Value
	}
	if side == starlark.Right {
		x, y = y, x
	}
	switch op {
	case syntax.STAR:
		return multiply(o.call, x, y)
	case syntax.PERCENT:
		return remainder(o.call, x, y)
	}
	return starlark.Binary(op, x, y)
}

// Attr returns the method of the operand with its limits.
func (o operand) Attr(name string) (starlark.Value, error) {
	x, ok := o.Value.(starlark.HasAttrs)
	if !ok {
		return nil, nil
	}
	v, err := x.Attr(name)
	if v == nil || err != nil {
		return nil, err
	}
	return boundMethod(o.Value, name, v), nil
}

// AttrNames lists the methods of the operand.
func (o operand) AttrNames() []string {
	if x, ok := o.Value.(starlark.HasAttrs); ok {
		return x.AttrNames()
	}
	return nil
}

// lookups is a dict whose values are formatted into a text, each any number of
// times. When the text would become too long, lookups finds no more values.
type lookups struct {
	starlark.Mapping
	call *call.Call
	room int // the bytes that are left for further values
}

// Get returns a value of the dict. The interpreter ignores the error and reports
// that the key is missing.
func (l *lookups) Get(key starlark.Value) (starlark.Value, bool, error) {
	v, found, err := l.Mapping.Get(key)
	if err == nil && found {
		var size int
		size, err = l.call.Measured(GuardFilling, []starlark.Value{v})
		l.room -= size
	}
	if err != nil || l.room < 0 {
		return nil, false, err
	}
	return v, found, nil
}

// multiply returns x * y.
func multiply(c *call.Call, x, y starlark.Value) (starlark.Value, error) {
	n, isInt := y.(starlark.Int)
	other := x
	if !isInt {
		n, isInt = x.(starlark.Int)
		other = y
	}
	if isInt {
		unit := 0
		switch v := other.(type) {
		case starlark.Int:
			_, small := v.Int64()
			_, alsoSmall := n.Int64()
			if (!small || !alsoSmall) && v.BigInt().BitLen()+n.BigInt().BitLen() > call.MaxBits {
				return nil, fmt.Errorf("the product has more than %d bits", call.MaxBits)
			}
		case starlark.String:
			unit = len(v)
		case starlark.Bytes:
			unit = len(v)
		case *starlark.List:
			unit = 16 * v.Len()
		case starlark.Tuple:
			unit = 16 * len(v)
		}
		if unit > 0 && n.Sign() > 0 {
			count, ok := n.Int64()
			if !ok {
				count = 1 << 62
			}
			if err := c.Enough("*", call.Times(unit, int(count))); err != nil {
				return nil, err
			}
		}
	}
	return starlark.Binary(syntax.STAR, x, y)
}

// remainder returns x % y. If x is text, that is formatting.
func remainder(c *call.Call, x, y starlark.Value) (starlark.Value, error) {
	if s, ok := x.(starlark.String); ok {
		size, err := filledIn(c, string(s), y)
		if err == nil {
			err = c.Enough("%", len(s)+size)
		}
		if err != nil {
			return nil, err
		}
	}
	return starlark.Binary(syntax.PERCENT, x, y)
}

// filledIn returns the length of the text that formatting takes from y. A value of a
// dict may be used many times, a value of a tuple only once.
func filledIn(c *call.Call, format string, y starlark.Value) (int, error) {
	m, ok := y.(starlark.Mapping)
	if !ok || !strings.Contains(format, "%(") {
		return c.Measured("%", []starlark.Value{y})
	}
	total, sizes := 0, map[string]int{}
	for total <= c.Room() {
		_, rest, found := strings.Cut(format, "%(")
		if !found {
			break
		}
		var name string
		name, format, _ = strings.Cut(rest, ")")
		size, known := sizes[name]
		if !known {
			v, there, err := m.Get(starlark.String(name))
			if err == nil && there {
				size, err = c.Measured("%", []starlark.Value{v})
			}
			if err != nil {
				return 0, err
			}
			sizes[name] = size
		}
		total += size
	}
	return total, nil
}

// Interface guards.
var (
	_ starlark.Mapping   = guardOf{}
	_ starlark.HasBinary = operand{}
	_ starlark.HasAttrs  = operand{}
)
