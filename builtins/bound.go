package builtins

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"starproxy/builtins/call"
	"starproxy/builtins/nearest"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Operators are what the host puts in the place of operators and methods that
// can make something enormous of little, under names that no script can
// write. "+", "*" and "%" take both operands; "*=", "%=" and "+=" the right one, and
// give it, or what stands in for it; "*args" takes what is spread over a call; a
// method's name after a dot takes the receiver and gives the method.
func Operators() starlark.StringDict {
	names := starlark.StringDict{
		"+":     starlark.NewBuiltin("+", sum),
		"*":     operator("*", multiply),
		"%":     operator("%", remainder),
		"*=":    stand("*=", multiply),
		"%=":    starlark.NewBuiltin("%=", filling),
		"+=":    spread("+="),
		"*args": spread("*args"),
	}
	for name := range boundMethods {
		names["."+name] = starlark.NewBuiltin(name, func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
			return attribute(args[0], name)
		})
	}
	names.Freeze()
	return names
}

func operator(name string, fn func(*call.Call, starlark.Value, starlark.Value) (starlark.Value, error)) *starlark.Builtin {
	return starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (v starlark.Value, err error) {
		defer call.Rescue(name, &err)
		return fn(call.Of(thread), args[0], args[1])
	})
}

// sum is x + y.
func sum(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	x, y := args[0], args[1]
	if size := weight(x) + weight(y); size > call.Noticed {
		if err := call.Of(thread).Enough("+", size); err != nil {
			return nil, err
		}
	}
	return starlark.Binary(plus, x, y)
}

// weight is what a value adds to a sum, in bytes.
func weight(v starlark.Value) int {
	switch v := v.(type) {
	case starlark.String:
		return len(v)
	case starlark.Bytes:
		return len(v)
	case *starlark.List:
		return 16 * v.Len()
	case starlark.Tuple:
		return 16 * len(v)
	}
	return 0
}

// operand stands in for the right operand of an operator.
type operand struct {
	starlark.Value
	call *call.Call
	fn   func(*call.Call, starlark.Value, starlark.Value) (starlark.Value, error)
}

// Binary does what the operator does with the operand itself.
func (o operand) Binary(_ syntax.Token, x starlark.Value, side starlark.Side) (starlark.Value, error) {
	if side == starlark.Left {
		return o.fn(o.call, o.Value, x)
	}
	return o.fn(o.call, x, o.Value)
}

// stand gives what stands in for the right operand of x *= y, which has to be
// computed where x may be an element or a field.
func stand(name string, fn func(*call.Call, starlark.Value, starlark.Value) (starlark.Value, error)) *starlark.Builtin {
	return starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		return operand{args[0], call.Of(thread), fn}, nil
	})
}

// filling refuses values that are too long for a text to be filled with. (Text
// takes any operand of %= for the value, so none can stand in for it, except a
// dict for a dict.)
func filling(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (v starlark.Value, err error) {
	defer call.Rescue("%=", &err)
	c := call.Of(thread)
	size, err := c.Measured("%=", args[:1])
	if err == nil {
		err = c.Enough("%=", size)
	}
	if err != nil {
		return nil, err
	}
	if m, ok := args[0].(starlark.Mapping); ok {
		return &lookups{m, c, c.Room()}, nil
	}
	return args[0], nil
}

// lookups wraps a dict that fills a text, in which each value may occur many
// times. When the text would become too long, lookups finds no value any more.
type lookups struct {
	starlark.Mapping
	call *call.Call
	room int // for the values that are still to come, in bytes
}

// Get returns a value of the dict. The interpreter hears of no error, only that
// there is no value.
func (l *lookups) Get(key starlark.Value) (starlark.Value, bool, error) {
	v, found, err := l.Mapping.Get(key)
	if err == nil && found {
		var size int
		size, err = l.call.Measured("%=", []starlark.Value{v})
		l.room -= size
	}
	if err != nil || l.room < 0 {
		return nil, false, err
	}
	return v, found, nil
}

// spread refuses what has too many elements to be gone through in one step.
func spread(name string) *starlark.Builtin {
	return starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		if err := elements(name, args[0]); err != nil {
			return nil, err
		}
		if size := weight(args[0]); size > call.Noticed {
			if err := call.Of(thread).Enough(name, size); err != nil {
				return nil, err
			}
		}
		return args[0], nil
	})
}

// elements refuses iterables that are too long.
func elements(name string, v starlark.Value) error {
	switch v.(type) {
	case starlark.Int, starlark.String, starlark.Bytes, starlark.Float:
		return nil
	}
	if n := starlark.Len(v); n > call.MaxElements {
		return fmt.Errorf("%s: %d elements are more than %d", name, n, call.MaxElements)
	}
	return nil
}

// multiply is x * y.
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

// remainder is x % y, which formats when x is text.
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

// filledIn is how long the text of what format takes from y would be. A value
// of a dict can stand in many places, those of a tuple stand in one each.
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

// boundMethods are the methods of text, lists, sets and dicts that can make
// much of little, or go through an iterable in one step; each looks at the
// receiver and the arguments first.
var boundMethods = map[string]func(c *call.Call, recv starlark.Value, args starlark.Tuple, kwargs []starlark.Tuple) error{
	"join":                 boundJoin,
	"replace":              boundReplace,
	"format":               boundFormat,
	"split":                boundSplit,
	"rsplit":               boundSplit,
	"splitlines":           boundSplit,
	"elems":                boundElems,
	"elem_ords":            boundElems,
	"codepoints":           boundElems,
	"codepoint_ords":       boundElems,
	"extend":               boundArgs,
	"update":               boundKeys("update"),
	"union":                boundKeys("union"),
	"difference":           boundKeys("difference"),
	"intersection":         boundKeys("intersection"),
	"symmetric_difference": boundKeys("symmetric_difference"),
	"issubset":             boundKeys("issubset"),
	"issuperset":           boundKeys("issuperset"),
	"strip":                boundStrip,
	"lstrip":               boundStrip,
	"rstrip":               boundStrip,
}

// Bounded tells whether a method of this name is one that Operators has.
func Bounded(name string) bool { return boundMethods[name] != nil }

// attribute is x.name, for the names of boundMethods.
func attribute(x starlark.Value, name string) (starlark.Value, error) {
	has, ok := x.(starlark.HasAttrs)
	if !ok {
		return nil, fmt.Errorf("%s has no .%s field or method", x.Type(), name)
	}
	v, err := has.Attr(name)
	if err != nil {
		var missing starlark.NoSuchAttrError
		if !errors.As(err, &missing) {
			return nil, err
		}
		v = nil
	}
	if v == nil {
		message := fmt.Sprintf("%s has no .%s field or method", x.Type(), name)
		if err != nil {
			message = err.Error()
		}
		if near := nearest.Name(name, has.AttrNames()); near != "" {
			message += fmt.Sprintf(" (did you mean .%s?)", near)
		}
		return nil, errors.New(message)
	}
	return boundMethod(x, name, v), nil
}

// boundMethod is the method v of x with its bound, or v itself.
func boundMethod(x starlark.Value, name string, v starlark.Value) starlark.Value {
	check := boundMethods[name]
	fn, ok := v.(*starlark.Builtin)
	if check == nil || !ok {
		return v
	}
	switch x.(type) {
	case starlark.String, starlark.Bytes, *starlark.List, *starlark.Dict, *starlark.Set:
	default:
		return v
	}
	return starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (v starlark.Value, err error) {
		defer call.Rescue(name, &err)
		if err := check(call.Of(thread), x, args, kwargs); err != nil {
			return nil, err
		}
		return fn.CallInternal(thread, args, kwargs)
	}).BindReceiver(x)
}

func boundArgs(c *call.Call, _ starlark.Value, args starlark.Tuple, _ []starlark.Tuple) error {
	for _, a := range args {
		if err := elements("argument", a); err != nil {
			return err
		}
		n := max(starlark.Len(a), 0)
		if err := c.Charge(n / 4); err != nil {
			return err
		}
		if err := c.Enough("argument", call.Times(n, call.PerElement)); err != nil {
			return err
		}
	}
	return nil
}

// boundKeys is boundArgs of a method that hashes the elements of its arguments.
func boundKeys(name string) func(*call.Call, starlark.Value, starlark.Tuple, []starlark.Tuple) error {
	return func(c *call.Call, recv starlark.Value, args starlark.Tuple, kwargs []starlark.Tuple) error {
		if err := boundArgs(c, recv, args, kwargs); err != nil {
			return err
		}
		for _, a := range args {
			if err := c.Hashable(name, a); err != nil {
				return err
			}
		}
		return nil
	}
}

func boundElems(c *call.Call, recv starlark.Value, _ starlark.Tuple, _ []starlark.Tuple) error {
	n := starlark.Len(recv)
	if n > call.MaxElements {
		return fmt.Errorf("%d elements are more than %d", n, call.MaxElements)
	}
	return c.Charge(n / call.BytesPerStep) // they are made when they are asked for
}

// boundStrip looks at characters to take off: each may be compared with all.
func boundStrip(c *call.Call, recv starlark.Value, args starlark.Tuple, _ []starlark.Tuple) error {
	s, ok := recv.(starlark.String)
	cutset, also := first(args).(starlark.String)
	if !ok || !also {
		return nil
	}
	return c.Charge(trimmed(string(s), string(cutset)))
}

func boundJoin(c *call.Call, recv starlark.Value, args starlark.Tuple, _ []starlark.Tuple) error {
	sep, ok := recv.(starlark.String)
	if !ok || len(args) != 1 {
		return nil
	}
	size := call.Times(len(sep), max(starlark.Len(args[0])-1, 0))
	add := func(v starlark.Value) {
		if s, ok := v.(starlark.String); ok {
			size += len(s)
		}
	}
	switch x := args[0].(type) {
	case *starlark.List:
		for i := range x.Len() {
			add(x.Index(i))
		}
	case starlark.Tuple:
		for _, v := range x {
			add(v)
		}
	case *starlark.Set:
		for v := range x.Elements() {
			add(v)
		}
	case *starlark.Dict:
		for k := range x.Entries() {
			add(k)
		}
	default:
		if err := elements("join", x); err != nil {
			return err
		}
	}
	return c.Enough("join", size)
}

func boundReplace(c *call.Call, recv starlark.Value, args starlark.Tuple, _ []starlark.Tuple) error {
	s, ok := recv.(starlark.String)
	if !ok || len(args) < 2 {
		return nil
	}
	old, ok := args[0].(starlark.String)
	repl, also := args[1].(starlark.String)
	if !ok || !also {
		return nil
	}
	return c.Enough("replace", replaced(string(s), string(old), string(repl)))
}

// replaced is at least as long as s with every old replaced by repl.
func replaced(s, old, repl string) int {
	if len(repl) <= len(old) {
		return len(s)
	}
	if most := call.Times(len(s)+1, len(repl)); most < 1<<20 {
		return most // no matter how often
	}
	return len(s) + call.Times(strings.Count(s, old), len(repl)-len(old))
}

func boundFormat(c *call.Call, recv starlark.Value, args starlark.Tuple, kwargs []starlark.Tuple) error {
	s, ok := recv.(starlark.String)
	if !ok {
		return nil
	}
	values := append(starlark.Tuple(nil), args...)
	for _, kv := range kwargs {
		values = append(values, kv[1])
	}
	size, err := c.Measured("format", values)
	if err != nil {
		return err
	}
	// A value can stand in many places.
	size = call.Times(size, max(strings.Count(string(s), "{"), 1))
	return c.Enough("format", len(s)+size)
}

func boundSplit(c *call.Call, recv starlark.Value, args starlark.Tuple, _ []starlark.Tuple) error {
	s, ok := recv.(starlark.String)
	if !ok || len(s) <= call.Worthwhile/call.PerElement {
		return nil
	}
	n := 0
	if sep, ok := first(args).(starlark.String); ok && sep != "" {
		n = strings.Count(string(s), string(sep))
	} else {
		for i := 1; i < len(s); i++ {
			if s[i-1] <= ' ' && s[i] > ' ' || s[i-1] == '\n' || s[i-1] >= utf8.RuneSelf {
				n++
			}
		}
	}
	if n >= call.MaxElements {
		return fmt.Errorf("%d parts are more than %d", n+1, call.MaxElements)
	}
	return c.Enough("split", call.Times(n+1, call.PerElement/2))
}

func first(args starlark.Tuple) starlark.Value {
	if len(args) == 0 {
		return nil
	}
	return args[0]
}

// Interface guard.
var _ starlark.HasBinary = operand{}
