package value

import (
	"fmt"
	"sync/atomic"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
)

// Cell is a variable that any number of threads may read and replace. Its value is
// always frozen.
type Cell struct {
	env     *call.Env
	initial starlark.Value
	now     atomic.Pointer[held]
}

// held is the value of a cell since the last Env.Reset that it has seen.
type held struct {
	value starlark.Value
	era   uint64
}

// NewCell makes a cell. initial must be frozen.
func NewCell(env *call.Env, initial starlark.Value) *Cell {
	return &Cell{env: env, initial: initial}
}

// load returns the value, and the pointer with which swap detects a change.
func (c *Cell) load() (starlark.Value, *held) {
	h := c.now.Load()
	if h == nil || h.era != c.env.Era() {
		return c.initial, h
	}
	return h.value, h
}

// swap replaces the value by v, which must be frozen. It reports false if the value
// was replaced since load returned seen.
func (c *Cell) swap(seen *held, v starlark.Value) bool {
	return c.now.CompareAndSwap(seen, &held{v, c.env.Era()})
}

func (c *Cell) String() string        { return "cell(" + c.initial.String() + ")" }
func (c *Cell) Type() string          { return "cell" }
func (c *Cell) Freeze()               {}
func (c *Cell) Truth() starlark.Bool  { return true }
func (c *Cell) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable: cell") }

// Written returns the initial value, and an upper bound of the characters that
// String writes around it.
func (c *Cell) Written() (int, starlark.Value) { return 16, c.initial }

// AttrNames lists the fields and methods.
func (c *Cell) AttrNames() []string { return cells.AttrNames() }

// Attr returns the field or method with that name.
func (c *Cell) Attr(name string) (starlark.Value, error) { return cells.Attr(c, name) }

var cells = NewTable("cell", "cell", "A mutable value, made by cell(initial).",
	Method("get", "The value. A list or dict is frozen; use update to change it.", (*Cell).get),
	Method("set", "Replaces the value.", (*Cell).set),
	Method("incr", "Adds to the value, atomically, and returns the sum.", (*Cell).incr),
	Method("update", `Replaces the value by fn(value), atomically, and returns it. fn gets a
		copy, which it may change, and must return the new value. It may be called more than
		once.`, (*Cell).update),
)

func (c *Cell) get(_ *call.Call, a call.Args) (starlark.Value, error) {
	if err := a.Unpack(); err != nil {
		return nil, err
	}
	v, _ := c.load()
	return v, nil
}

func (c *Cell) set(_ *call.Call, a call.Args) (starlark.Value, error) {
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

func (c *Cell) incr(_ *call.Call, a call.Args) (starlark.Value, error) {
	var by starlark.Value = starlark.MakeInt(1)
	if err := a.Unpack("by?", &by); err != nil {
		return nil, err
	}
	for {
		v, seen := c.load()
		sum, err := Add(v, by)
		if err != nil {
			return nil, fmt.Errorf("cell.incr: %w", err)
		}
		if c.swap(seen, sum) {
			return sum, nil
		}
	}
}

func (c *Cell) update(run *call.Call, a call.Args) (starlark.Value, error) {
	var fn starlark.Callable
	if err := a.Unpack("fn", &fn); err != nil {
		return nil, err
	}
	for {
		if err := run.Alive(); err != nil {
			return nil, err
		}
		v, seen := c.load()
		v, err := Change("cell.update", run, fn, v)
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

// Interface guard.
var _ starlark.HasAttrs = (*Cell)(nil)
