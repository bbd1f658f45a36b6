package builtins

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"
)

// MaxResult is how much one operation of a script may make, in bytes, unless
// an environment says less. What grows step by step is bounded elsewhere: by
// who runs the scripts, after each garbage collection.
const MaxResult = 256 << 20

// ErrMemory ends a run when scripts hold too much memory.
var ErrMemory = errors.New("memory limit exceeded")

// maxBits bounds products of whole numbers, whose cost grows with the square.
const maxBits = 1 << 20

// maxDigits bounds the text that int() reads.
const maxDigits = 100_000

// room is how many bytes one operation may make.
func (c *Call) room() int {
	if c != nil && c.Env != nil && c.Env.MaxResult > 0 {
		return c.Env.MaxResult
	}
	return MaxResult
}

// enough refuses an operation that would make more than size bytes, and
// charges for it.
func (c *Call) enough(what string, size int) error {
	if room := c.room(); size > room {
		return fmt.Errorf("%w: %s would make more than %d bytes at once (scripts.max_memory)", ErrMemory, what, room)
	}
	if err := c.work(size); err != nil {
		return err
	}
	return c.reserve(size)
}

// reserve claims memory, if it is more than a little.
func (c *Call) reserve(size int) error {
	if size <= worthwhile || c == nil || c.Bounds == nil {
		return nil
	}
	return c.Bounds.Reserve(size)
}

// printable refuses an int whose text would take too long to make: the work
// grows with the square.
func printable(v starlark.Int) error {
	if bits := v.BigInt().BitLen(); bits > maxBits {
		return fmt.Errorf("the number has more than %d bits", maxBits)
	}
	return nil
}

// perElement is what an element of a list, a dict or a set takes, in bytes, as
// far as it is made along with it.
const perElement = 64

// times is a * b, as large as an int can be.
func times(a, b int) int {
	if a > 0 && b > (1<<62)/a {
		return 1 << 62
	}
	return a * b
}

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

func operator(name string, fn func(*Call, starlark.Value, starlark.Value) (starlark.Value, error)) *starlark.Builtin {
	return starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (v starlark.Value, err error) {
		defer rescue(name, &err)
		return fn(CallOf(thread), args[0], args[1])
	})
}

// noticed is the size from which a sum is charged for, and worthwhile the one
// from which memory is reserved: most are small, and should cost next to nothing
// more.
const (
	noticed    = 4 << 10
	worthwhile = 1 << 20
)

// sum is x + y.
func sum(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	x, y := args[0], args[1]
	if size := weight(x) + weight(y); size > noticed {
		if err := CallOf(thread).enough("+", size); err != nil {
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
	call *Call
	fn   func(*Call, starlark.Value, starlark.Value) (starlark.Value, error)
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
func stand(name string, fn func(*Call, starlark.Value, starlark.Value) (starlark.Value, error)) *starlark.Builtin {
	return starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		return operand{args[0], CallOf(thread), fn}, nil
	})
}

// filling refuses values that are too long for a text to be filled with. (Text
// takes any operand of %= for the value, so none can stand in for it, except a
// dict for a dict.)
func filling(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (v starlark.Value, err error) {
	defer rescue("%=", &err)
	c := CallOf(thread)
	size, err := c.measured("%=", args[:1])
	if err == nil {
		err = c.enough("%=", size)
	}
	if err != nil {
		return nil, err
	}
	if m, ok := args[0].(starlark.Mapping); ok {
		return &lookups{m, c, c.room()}, nil
	}
	return args[0], nil
}

// lookups wraps a dict that fills a text, in which each value may occur many
// times. When the text would become too long, lookups finds no value any more.
type lookups struct {
	starlark.Mapping
	call *Call
	room int // for the values that are still to come, in bytes
}

// Get returns a value of the dict. The interpreter hears of no error, only that
// there is no value.
func (l *lookups) Get(key starlark.Value) (starlark.Value, bool, error) {
	v, found, err := l.Mapping.Get(key)
	if err == nil && found {
		var size int
		size, err = l.call.measured("%=", []starlark.Value{v})
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
		if size := weight(args[0]); size > noticed {
			if err := CallOf(thread).enough(name, size); err != nil {
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
	if n := starlark.Len(v); n > maxElements {
		return fmt.Errorf("%s: %d elements are more than %d", name, n, maxElements)
	}
	return nil
}

// multiply is x * y.
func multiply(c *Call, x, y starlark.Value) (starlark.Value, error) {
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
			if (!small || !alsoSmall) && v.BigInt().BitLen()+n.BigInt().BitLen() > maxBits {
				return nil, fmt.Errorf("the product has more than %d bits", maxBits)
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
			if err := c.enough("*", times(unit, int(count))); err != nil {
				return nil, err
			}
		}
	}
	return starlark.Binary(syntax.STAR, x, y)
}

// remainder is x % y, which formats when x is text.
func remainder(c *Call, x, y starlark.Value) (starlark.Value, error) {
	if s, ok := x.(starlark.String); ok {
		size, err := c.filledIn(string(s), y)
		if err == nil {
			err = c.enough("%", len(s)+size)
		}
		if err != nil {
			return nil, err
		}
	}
	return starlark.Binary(syntax.PERCENT, x, y)
}

// filledIn is how long the text of what format takes from y would be. A value
// of a dict can stand in many places, those of a tuple stand in one each.
func (c *Call) filledIn(format string, y starlark.Value) (int, error) {
	m, ok := y.(starlark.Mapping)
	if !ok || !strings.Contains(format, "%(") {
		return c.measured("%", []starlark.Value{y})
	}
	total, sizes := 0, map[string]int{}
	for total <= c.room() {
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
				size, err = c.measured("%", []starlark.Value{v})
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

// fits refuses to write the text of values that is too long, or too deep.
func (c *Call) fits(what string, before int, values ...starlark.Value) error {
	size, err := c.measured(what, values)
	if err != nil {
		return err
	}
	return c.enough(what, before+size)
}

// measured is how long the text of values would be, or what is wrong with it.
func (c *Call) measured(what string, values []starlark.Value) (int, error) {
	m := measure{room: c.room()}
	for _, v := range values {
		m.add(v)
	}
	switch {
	case m.deep:
		return 0, fmt.Errorf("%s: %w", what, errDepth)
	case m.bad != nil:
		return 0, fmt.Errorf("%s: %w", what, m.bad)
	}
	size := c.room() - m.room
	if m.room < 0 {
		return size, c.enough(what, size)
	}
	return size, nil
}

// perContainer is what each list, dict and so on counts for: more than its
// text, because to go through it takes time as well.
const perContainer = 64

// measure counts how long the text of values would be.
type measure struct {
	room int // that is left
	deep bool
	bad  error // there is a number that is too long
	path []starlark.Value
}

func (m *measure) add(v starlark.Value) {
	switch v := v.(type) {
	case starlark.String:
		m.room -= len(v) + 2
	case starlark.Bytes:
		m.room -= len(v) + 3
	case starlark.Int:
		m.room -= 8
		if _, ok := v.Int64(); !ok {
			m.room -= v.BigInt().BitLen() / 3
			if err := printable(v); err != nil {
				m.bad = err
			}
		}
	case *starlark.List:
		if m.enter(v) {
			for i := 0; i < v.Len() && m.room >= 0 && !m.deep; i++ {
				m.add(v.Index(i))
			}
			m.leave()
		}
	case starlark.Tuple:
		m.room -= perContainer
		if len(m.path) >= maxDepth {
			m.deep = true
			return
		}
		m.path = append(m.path, nil)
		for i := 0; i < len(v) && m.room >= 0 && !m.deep; i++ {
			m.add(v[i])
		}
		m.leave()
	case *starlark.Dict:
		if m.enter(v) {
			for k, v := range v.Entries() {
				m.add(k)
				m.add(v)
				if m.room < 0 || m.deep {
					break
				}
			}
			m.leave()
		}
	case *starlark.Set:
		m.room -= perContainer
		for e := range v.Elements() {
			if m.add(e); m.room < 0 || m.deep {
				break
			}
		}
	case *starlarkstruct.Struct:
		if !m.enter(v) {
			return
		}
		for _, name := range v.AttrNames() {
			if field, err := v.Attr(name); err == nil {
				m.room -= len(name) + 2
				m.add(field)
			}
			if m.room < 0 || m.deep {
				break
			}
		}
		m.leave()
	case *match:
		m.room -= v.loc[1] - v.loc[0]
	case *message:
		m.room -= len(v.data)
	case *cell:
		m.room -= 16
		if len(m.path) < maxDepth {
			m.path = append(m.path, v)
			m.add(v.initial)
			m.leave()
		} else {
			m.deep = true
		}
	default:
		m.room -= 16
	}
}

// enter notes a container that is gone into, unless it is inside of itself.
func (m *measure) enter(v starlark.Value) bool {
	m.room -= perContainer
	if len(m.path) >= maxDepth {
		m.deep = true
		return false
	}
	for _, outer := range m.path {
		if outer == v {
			return false
		}
	}
	m.path = append(m.path, v)
	return true
}

func (m *measure) leave() { m.path = m.path[:len(m.path)-1] }

// boundMethods are the methods of text, lists, sets and dicts that can make
// much of little, or go through an iterable in one step; each looks at the
// receiver and the arguments first.
var boundMethods = map[string]func(c *Call, recv starlark.Value, args starlark.Tuple, kwargs []starlark.Tuple) error{
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
		if near := Nearest(name, has.AttrNames()); near != "" {
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
		defer rescue(name, &err)
		if err := check(CallOf(thread), x, args, kwargs); err != nil {
			return nil, err
		}
		return fn.CallInternal(thread, args, kwargs)
	}).BindReceiver(x)
}

func boundArgs(c *Call, _ starlark.Value, args starlark.Tuple, _ []starlark.Tuple) error {
	for _, a := range args {
		if err := elements("argument", a); err != nil {
			return err
		}
		n := max(starlark.Len(a), 0)
		if err := c.charge(n / 4); err != nil {
			return err
		}
		if err := c.enough("argument", times(n, perElement)); err != nil {
			return err
		}
	}
	return nil
}

// boundKeys is boundArgs of a method that hashes the elements of its arguments.
func boundKeys(name string) func(*Call, starlark.Value, starlark.Tuple, []starlark.Tuple) error {
	return func(c *Call, recv starlark.Value, args starlark.Tuple, kwargs []starlark.Tuple) error {
		if err := boundArgs(c, recv, args, kwargs); err != nil {
			return err
		}
		for _, a := range args {
			if err := c.hashable(name, a); err != nil {
				return err
			}
		}
		return nil
	}
}

func boundElems(c *Call, recv starlark.Value, _ starlark.Tuple, _ []starlark.Tuple) error {
	n := starlark.Len(recv)
	if n > maxElements {
		return fmt.Errorf("%d elements are more than %d", n, maxElements)
	}
	return c.charge(n / bytesPerStep) // they are made when they are asked for
}

// boundStrip looks at characters to take off: each may be compared with all.
func boundStrip(c *Call, recv starlark.Value, args starlark.Tuple, _ []starlark.Tuple) error {
	s, ok := recv.(starlark.String)
	cutset, also := first(args).(starlark.String)
	if !ok || !also {
		return nil
	}
	return c.charge(trimmed(string(s), string(cutset)))
}

func boundJoin(c *Call, recv starlark.Value, args starlark.Tuple, _ []starlark.Tuple) error {
	sep, ok := recv.(starlark.String)
	if !ok || len(args) != 1 {
		return nil
	}
	size := times(len(sep), max(starlark.Len(args[0])-1, 0))
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
	return c.enough("join", size)
}

func boundReplace(c *Call, recv starlark.Value, args starlark.Tuple, _ []starlark.Tuple) error {
	s, ok := recv.(starlark.String)
	if !ok || len(args) < 2 {
		return nil
	}
	old, ok := args[0].(starlark.String)
	repl, also := args[1].(starlark.String)
	if !ok || !also {
		return nil
	}
	return c.enough("replace", replaced(string(s), string(old), string(repl)))
}

// replaced is at least as long as s with every old replaced by repl.
func replaced(s, old, repl string) int {
	if len(repl) <= len(old) {
		return len(s)
	}
	if most := times(len(s)+1, len(repl)); most < 1<<20 {
		return most // no matter how often
	}
	return len(s) + times(strings.Count(s, old), len(repl)-len(old))
}

func boundFormat(c *Call, recv starlark.Value, args starlark.Tuple, kwargs []starlark.Tuple) error {
	s, ok := recv.(starlark.String)
	if !ok {
		return nil
	}
	values := append(starlark.Tuple(nil), args...)
	for _, kv := range kwargs {
		values = append(values, kv[1])
	}
	size, err := c.measured("format", values)
	if err != nil {
		return err
	}
	// A value can stand in many places.
	size = times(size, max(strings.Count(string(s), "{"), 1))
	return c.enough("format", len(s)+size)
}

func boundSplit(c *Call, recv starlark.Value, args starlark.Tuple, _ []starlark.Tuple) error {
	s, ok := recv.(starlark.String)
	if !ok || len(s) <= worthwhile/perElement {
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
	if n >= maxElements {
		return fmt.Errorf("%d parts are more than %d", n+1, maxElements)
	}
	return c.enough("split", times(n+1, perElement/2))
}

func first(args starlark.Tuple) starlark.Value {
	if len(args) == 0 {
		return nil
	}
	return args[0]
}

// Interface guard.
var _ starlark.HasBinary = operand{}
