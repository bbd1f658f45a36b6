package builtins

import (
	"fmt"
	"sync/atomic"

	"starproxy/builtins/call"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

const plus = syntax.PLUS

func cellModule() Module {
	return Module{
		Doc: "Private memory of one endpoint. Globals are frozen once a script is loaded; a cell is what may still change.",
		Funcs: []Func{
			{"cell", "initial=None", "Makes a mutable value with .get(), .set(value), .incr(by=1) and .update(fn); incr and update are atomic among all requests and return the new value. fn gets a copy of a list or dict, which it may change and must return; what get gives is frozen. A start of the proxy puts the cell back to initial.",
				"hits = cell(0)\nhits.incr()  # => 1\nhits.update(lambda n: n * 10)  # => 10\nhits.set(3)\nhits.get()  # => 3\nby_path = cell({})\ndef hit(d):\n    d[\"/a\"] = d.get(\"/a\", 0) + 1\n    return d\nby_path.update(hit)  # => {\"/a\": 1}\nby_path.update(hit)  # => {\"/a\": 2}\nby_path.get()[\"/a\"]  # => 2", callCell},
		},
	}
}

func callCell(c *call.Call, a call.Args) (starlark.Value, error) {
	var initial starlark.Value = starlark.None
	if err := a.Unpack("initial?", &initial); err != nil {
		return nil, err
	}
	if err := Freeze(initial); err != nil {
		return nil, fmt.Errorf("cell: %w", err)
	}
	return newCell(c.Env, initial), nil
}

// cell is a value that any number of threads may read and replace. What it
// holds is frozen.
type cell struct {
	env     *call.Env
	initial starlark.Value
	now     atomic.Pointer[held]

	getFn, setFn, incrFn, updateFn *starlark.Builtin
}

// held is the value of a cell since the last Env.Reset that it has seen.
type held struct {
	value starlark.Value
	era   uint64
}

// newCell makes a cell; initial is frozen.
func newCell(env *call.Env, initial starlark.Value) *cell {
	c := &cell{env: env, initial: initial}
	// Made once: a handler asks for them at every request.
	c.getFn = call.Method(c, "cell.get", (*cell).get)
	c.setFn = call.Method(c, "cell.set", (*cell).set)
	c.incrFn = call.Method(c, "cell.incr", (*cell).incr)
	c.updateFn = call.Method(c, "cell.update", (*cell).update)
	return c
}

// load gives the value and what to compare with when it is replaced.
func (c *cell) load() (starlark.Value, *held) {
	h := c.now.Load()
	if h == nil || h.era != c.env.Era() {
		return c.initial, h
	}
	return h.value, h
}

// swap replaces the value by a frozen one, unless it was replaced since load
// gave seen.
func (c *cell) swap(seen *held, v starlark.Value) bool {
	return c.now.CompareAndSwap(seen, &held{v, c.env.Era()})
}

func (c *cell) String() string        { return "cell(" + c.initial.String() + ")" }
func (c *cell) Type() string          { return "cell" }
func (c *cell) Freeze()               {}
func (c *cell) Truth() starlark.Bool  { return true }
func (c *cell) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable: cell") }

// Written is the first value and what is around it.
func (c *cell) Written() (int, starlark.Value) { return 16, c.initial }

// AttrNames lists the methods.
func (c *cell) AttrNames() []string { return []string{"get", "incr", "set", "update"} }

// Attr gives a method.
func (c *cell) Attr(name string) (starlark.Value, error) {
	switch name {
	case "get":
		return c.getFn, nil
	case "set":
		return c.setFn, nil
	case "incr":
		return c.incrFn, nil
	case "update":
		return c.updateFn, nil
	}
	return nil, nil
}

func (c *cell) get(_ *call.Call, a call.Args) (starlark.Value, error) {
	if err := a.Unpack(); err != nil {
		return nil, err
	}
	v, _ := c.load()
	return v, nil
}

func (c *cell) set(_ *call.Call, a call.Args) (starlark.Value, error) {
	var v starlark.Value
	if err := a.Unpack("value", &v); err != nil {
		return nil, err
	}
	if err := Freeze(v); err != nil {
		return nil, fmt.Errorf("cell.set: %w", err)
	}
	c.now.Store(&held{v, c.env.Era()})
	return starlark.None, nil
}

func (c *cell) incr(_ *call.Call, a call.Args) (starlark.Value, error) {
	var by starlark.Value = starlark.MakeInt(1)
	if err := a.Unpack("by?", &by); err != nil {
		return nil, err
	}
	for {
		v, seen := c.load()
		sum, err := add(v, by)
		if err != nil {
			return nil, fmt.Errorf("cell.incr: %w", err)
		}
		if c.swap(seen, sum) {
			return sum, nil
		}
	}
}

func (c *cell) update(run *call.Call, a call.Args) (starlark.Value, error) {
	var fn starlark.Callable
	if err := a.Unpack("fn", &fn); err != nil {
		return nil, err
	}
	for {
		if err := run.Alive(); err != nil {
			return nil, err
		}
		v, seen := c.load()
		v, err := change("cell.update", run, fn, v)
		if err != nil {
			return nil, err
		}
		if err := Freeze(v); err != nil {
			return nil, fmt.Errorf("cell.update: %w", err)
		}
		if c.swap(seen, v) {
			return v, nil
		}
	}
}

// change calls fn with a value that it may change and gives what it returned.
// A list or dict that becomes None was changed in place and not returned.
func change(name string, c *call.Call, fn starlark.Callable, old starlark.Value) (starlark.Value, error) {
	given, err := mutable(c, old)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	v, err := starlark.Call(c.Thread, fn, starlark.Tuple{given}, nil)
	if err == nil && v == starlark.None && isContainer(old) {
		err = fmt.Errorf("%s: %s returned None for a %s, want the new value", name, fn.Name(), old.Type())
	}
	return v, err
}

func isContainer(v starlark.Value) bool {
	switch v.(type) {
	case *starlark.List, *starlark.Dict, *starlark.Set:
		return true
	}
	return false
}

// mutable is a copy of v whose lists, dicts and sets can be changed, at every
// level. What stands in it twice is one in the copy, too.
func mutable(c *call.Call, v starlark.Value) (starlark.Value, error) {
	switch v.(type) {
	case *starlark.List, *starlark.Dict, *starlark.Set, starlark.Tuple:
		t := copier{done: map[starlark.Value]starlark.Value{}, call: c}
		return t.value(v, call.MaxDepth)
	}
	return v, nil
}

type copier struct {
	done   map[starlark.Value]starlark.Value
	call   *call.Call
	copied int
}

func (t *copier) value(v starlark.Value, depth int) (_ starlark.Value, err error) {
	if depth == 0 {
		return nil, call.ErrDepth
	}
	if t.copied++; t.copied%call.LookEvery == 0 {
		if err := t.call.Look(); err != nil {
			return nil, err
		}
	}
	if isContainer(v) {
		if done := t.done[v]; done != nil {
			return done, nil
		}
	}
	switch v := v.(type) {
	case *starlark.List:
		list := starlark.NewList(make([]starlark.Value, 0, v.Len()))
		t.done[v] = list
		for i := range v.Len() {
			e, err := t.value(v.Index(i), depth-1)
			if err != nil {
				return nil, err
			}
			list.Append(e)
		}
		return list, nil
	case *starlark.Dict:
		if err := t.call.Hashable("set", v); err != nil {
			return nil, err
		}
		d := starlark.NewDict(v.Len())
		t.done[v] = d
		for k, e := range v.Entries() {
			if e, err = t.value(e, depth-1); err != nil {
				return nil, err
			}
			d.SetKey(k, e)
		}
		return d, nil
	case *starlark.Set:
		if err := t.call.Hashable("set", v); err != nil {
			return nil, err
		}
		s := starlark.NewSet(v.Len())
		t.done[v] = s
		for e := range v.Elements() {
			s.Insert(e)
		}
		return s, nil
	case starlark.Tuple:
		tuple := make(starlark.Tuple, len(v))
		for i, e := range v {
			if tuple[i], err = t.value(e, depth-1); err != nil {
				return nil, err
			}
		}
		return tuple, nil
	}
	return v, nil
}

// Interface guard.
var _ starlark.HasAttrs = (*cell)(nil)
