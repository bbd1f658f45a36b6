package value

import (
	"fmt"
	"sync/atomic"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
)

// cell is a value that any number of threads may read and replace. What it
// holds is frozen.
type Cell struct {
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

// NewCell makes a cell; initial is frozen.
func NewCell(env *call.Env, initial starlark.Value) *Cell {
	c := &Cell{env: env, initial: initial}
	// Made once: a handler asks for them at every request.
	c.getFn = call.Method(c, "cell.get", (*Cell).get)
	c.setFn = call.Method(c, "cell.set", (*Cell).set)
	c.incrFn = call.Method(c, "cell.incr", (*Cell).incr)
	c.updateFn = call.Method(c, "cell.update", (*Cell).update)
	return c
}

// load gives the value and what to compare with when it is replaced.
func (c *Cell) load() (starlark.Value, *held) {
	h := c.now.Load()
	if h == nil || h.era != c.env.Era() {
		return c.initial, h
	}
	return h.value, h
}

// swap replaces the value by a frozen one, unless it was replaced since load
// gave seen.
func (c *Cell) swap(seen *held, v starlark.Value) bool {
	return c.now.CompareAndSwap(seen, &held{v, c.env.Era()})
}

func (c *Cell) String() string        { return "cell(" + c.initial.String() + ")" }
func (c *Cell) Type() string          { return "cell" }
func (c *Cell) Freeze()               {}
func (c *Cell) Truth() starlark.Bool  { return true }
func (c *Cell) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable: cell") }

// Written is the first value and what is around it.
func (c *Cell) Written() (int, starlark.Value) { return 16, c.initial }

// AttrNames lists the methods.
func (c *Cell) AttrNames() []string { return []string{"get", "incr", "set", "update"} }

// Attr gives a method.
func (c *Cell) Attr(name string) (starlark.Value, error) {
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
