package value

import (
	"fmt"
	"strings"
	"unsafe"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// The limits of a value that is frozen. The interpreter freezes by recursion, and
// it goes through a tuple again each time that it meets it.
const (
	maxFrozenDepth = 10_000
	maxFrozen      = 20_000_000
)

// Freeze freezes a value with all values in it. It returns an error for a value that
// the interpreter could not freeze in a bounded time: it is nested too deep, it
// repeats its parts too often, or it holds a function that refers to itself.
func Freeze(v starlark.Value) error {
	switch v.(type) {
	case starlark.String, starlark.Int, starlark.Bool, starlark.NoneType, starlark.Float, starlark.Bytes:
		return nil
	}
	f := freezer{seen: map[any]visits{}}
	f.value(v)
	switch {
	case f.loop != "":
		return fmt.Errorf("function %s refers to itself and cannot be kept: define it at the top level", f.loop)
	case f.deep:
		return fmt.Errorf("value is nested deeper than %d levels", maxFrozenDepth)
	case f.count > maxFrozen:
		return fmt.Errorf("value has more than %d parts", maxFrozen)
	}
	v.Freeze()
	return nil
}

// freezer counts the visits that freezing a value makes.
type freezer struct {
	depth, count int
	barriers     int // the number of lists, dicts, sets and structs around the present value
	deep         bool
	loop         string
	seen         map[any]visits
}

// visits counts the visits that freezing one value makes. The interpreter goes into
// a list, dict, set or struct once, and into any other value each time that it
// meets it.
type visits struct {
	open     bool // the freezer is inside this value
	barriers int  // the freezer's barriers when it met this value
	count    int
}

// tupleKey identifies a tuple. Unlike a list, a tuple is not a pointer.
type tupleKey struct {
	first *starlark.Value
	len   int
}

func (f *freezer) over() bool { return f.deep || f.loop != "" || f.count > maxFrozen }

func (f *freezer) value(v starlark.Value) {
	f.count++
	switch v := v.(type) {
	case starlark.Tuple:
		if len(v) > 0 {
			f.often(tupleKey{unsafe.SliceData(v), len(v)}, "", func() { f.all(v) })
		}
	case *starlark.List:
		if v.Len() > 0 && !frozenList(v) {
			f.once(v, func() { f.list(v) })
		}
	case *starlark.Dict:
		if v.Len() > 0 && !FrozenDict(v) {
			f.once(v, func() { f.dict(v) })
		}
	case *starlark.Set:
		f.once(v, func() { f.set(v) })
	case *starlarkstruct.Struct:
		f.once(v, func() { f.fields(v) })
	case *starlark.Function:
		f.often(v, v.Name(), func() { f.all(captured(v)) })
	case *starlark.Builtin:
		if recv := v.Receiver(); recv != nil {
			f.often(v, v.Name(), func() { f.value(recv) })
		}
	case *Response:
		if v.stream != nil {
			f.often(v, v.stream.Name(), func() { f.value(v.stream) })
		}
	case *Fault:
		if v.Answer != nil {
			f.often(v, "fault", func() { f.value(v.Answer) })
		}
	}
}

func (f *freezer) list(v *starlark.List) {
	for i := 0; i < v.Len() && !f.over(); i++ {
		f.value(v.Index(i))
	}
}

func (f *freezer) dict(v *starlark.Dict) {
	for k, e := range v.Entries() {
		f.value(k)
		if f.value(e); f.over() {
			break
		}
	}
}

func (f *freezer) set(v *starlark.Set) {
	for e := range v.Elements() {
		if f.value(e); f.over() {
			break
		}
	}
}

func (f *freezer) fields(v *starlarkstruct.Struct) {
	for _, name := range v.AttrNames() {
		if e, err := v.Attr(name); err == nil && !f.over() {
			f.value(e)
		}
	}
}

// captured returns the defaults and the captured variables of a function.
func captured(fn *starlark.Function) []starlark.Value {
	var list []starlark.Value
	for i := range fn.NumParams() {
		if d := fn.ParamDefault(i); d != nil {
			list = append(list, d)
		}
	}
	for i := range fn.NumFreeVars() {
		if _, v := fn.FreeVar(i); v != nil {
			list = append(list, v)
		}
	}
	return list
}

func (f *freezer) all(list []starlark.Value) {
	for _, v := range list {
		if f.over() {
			return
		}
		f.value(v)
	}
}

// once counts the visits to a container that is visited only once.
func (f *freezer) once(key any, into func()) {
	if _, ok := f.seen[key]; ok {
		return
	}
	f.seen[key] = visits{}
	f.barriers++
	f.deeper(into)
	f.barriers--
}

// often counts the visits to a value that is visited each time it is met. When it
// is met again, its count is added without visiting its parts again.
func (f *freezer) often(key any, name string, into func()) {
	if v, ok := f.seen[key]; ok {
		if v.open && v.barriers == f.barriers {
			f.loop = name // no list or dict in this circle ends it
		}
		f.count = min(f.count+v.count, 2*maxFrozen)
		return
	}
	before := f.count
	f.seen[key] = visits{open: true, barriers: f.barriers}
	f.deeper(into)
	f.seen[key] = visits{count: f.count - before}
}

func (f *freezer) deeper(into func()) {
	if f.depth >= maxFrozenDepth {
		f.deep = true
		return
	}
	f.depth++
	into()
	f.depth--
}

// frozenKey is a key that no dict can hold.
type frozenKey struct{ starlark.NoneType }

var errFrozenKey = fmt.Errorf("no key")

// Hash returns an error, so that Delete never deletes an entry.
func (frozenKey) Hash() (uint32, error) { return 0, errFrozenKey }

// FrozenDict reports whether a dict is frozen. The interpreter refuses a change of
// a frozen dict before it hashes the key.
func FrozenDict(d *starlark.Dict) bool {
	_, _, err := d.Delete(frozenKey{})
	return err != nil && err != errFrozenKey && strings.Contains(err.Error(), "frozen")
}

// frozenList reports whether a list is frozen. The list must not be empty.
func frozenList(l *starlark.List) bool {
	err := l.SetIndex(0, l.Index(0))
	return err != nil && strings.Contains(err.Error(), "frozen")
}
