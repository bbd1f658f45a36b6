package value

import (
	"fmt"
	"strings"
	"unsafe"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// The bounds of what is frozen: the interpreter freezes by recursion, and goes
// through a tuple as often as it is found.
const (
	maxFrozenDepth = 10_000
	maxFrozen      = 20_000_000
)

// Freeze freezes a value with all that it holds. It refuses a value that is
// nested so deep, repeats its parts so often, or holds a function that refers to
// itself, that freezing it would not come to an end.
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
	barriers     int // lists and the like on the way to where it is
	deep         bool
	loop         string
	seen         map[any]visits
}

// visits are those that one value costs. The interpreter goes into lists,
// dicts, sets and structs once, and into all others as often as it finds them.
type visits struct {
	open     bool // it is on the way to where the freezer is
	barriers int  // that were on the way to it
	count    int
}

// tupleKey tells a tuple from others: it is no pointer.
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

// captured returns the values that a function keeps.
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

// once goes into a container that freezing goes into once.
func (f *freezer) once(key any, into func()) {
	if _, ok := f.seen[key]; ok {
		return
	}
	f.seen[key] = visits{}
	f.barriers++
	f.deeper(into)
	f.barriers--
}

// often goes into a value that freezing goes into as often as it finds it; the
// visits are counted without making them again.
func (f *freezer) often(key any, name string, into func()) {
	if v, ok := f.seen[key]; ok {
		if v.open && v.barriers == f.barriers {
			f.loop = name // nothing on the way ends it
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

// frozenKey is a key that no dict holds.
type frozenKey struct{ starlark.NoneType }

var errFrozenKey = fmt.Errorf("no key")

// Hash refuses, so that nothing is ever deleted.
func (frozenKey) Hash() (uint32, error) { return 0, errFrozenKey }

// FrozenDict reports whether a dict can't change any more: the interpreter
// refuses a change before it looks at the key.
func FrozenDict(d *starlark.Dict) bool {
	_, _, err := d.Delete(frozenKey{})
	return err != nil && err != errFrozenKey && strings.Contains(err.Error(), "frozen")
}

// frozenList tells the same of a list that is not empty.
func frozenList(l *starlark.List) bool {
	err := l.SetIndex(0, l.Index(0))
	return err != nil && strings.Contains(err.Error(), "frozen")
}
