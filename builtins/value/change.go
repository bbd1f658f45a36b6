package value

import (
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starproxy/builtins/call"
)

// Change calls fn with a copy of old, which fn may change, and returns the value
// that fn returned. It is an error if fn returns None for a list or dict: then fn
// has changed it in place and forgotten to return it.
func Change(name string, c *call.Call, fn starlark.Callable, old starlark.Value) (starlark.Value, error) {
	given, err := Mutable(c, old)
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

// Mutable returns a copy of v whose lists, dicts and sets can be changed, at every
// level. A value that occurs twice in v is copied once, and the copy occurs twice.
func Mutable(c *call.Call, v starlark.Value) (starlark.Value, error) {
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

func (t *copier) value(v starlark.Value, depth int) (starlark.Value, error) {
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
	if _, tuple := v.(starlark.Tuple); depth == 0 && (tuple || isContainer(v)) {
		return nil, call.ErrDepth
	}
	switch v := v.(type) {
	case *starlark.List:
		return t.list(v, depth)
	case *starlark.Dict:
		return t.dict(v, depth)
	case *starlark.Set:
		return t.set(v)
	case starlark.Tuple:
		return t.tuple(v, depth)
	}
	return v, nil
}

func (t *copier) list(v *starlark.List, depth int) (starlark.Value, error) {
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
}

func (t *copier) dict(v *starlark.Dict, depth int) (starlark.Value, error) {
	if err := t.call.Hashable("set", v); err != nil {
		return nil, err
	}
	d := starlark.NewDict(v.Len())
	t.done[v] = d
	for k, e := range v.Entries() {
		e, err := t.value(e, depth-1)
		if err != nil {
			return nil, err
		}
		d.SetKey(k, e)
	}
	return d, nil
}

// set copies a set. Its elements can't be changed.
func (t *copier) set(v *starlark.Set) (starlark.Value, error) {
	if err := t.call.Hashable("set", v); err != nil {
		return nil, err
	}
	s := starlark.NewSet(v.Len())
	t.done[v] = s
	for e := range v.Elements() {
		s.Insert(e)
	}
	return s, nil
}

func (t *copier) tuple(v starlark.Tuple, depth int) (starlark.Value, error) {
	tuple := make(starlark.Tuple, len(v))
	for i, e := range v {
		var err error
		if tuple[i], err = t.value(e, depth-1); err != nil {
			return nil, err
		}
	}
	return tuple, nil
}

// Add returns a + b of two numbers.
func Add(a, b starlark.Value) (starlark.Value, error) {
	switch a.(type) {
	case starlark.Int, starlark.Float:
		switch b.(type) {
		case starlark.Int, starlark.Float:
			return starlark.Binary(syntax.PLUS, a, b)
		}
		return nil, fmt.Errorf("cannot add %s", call.Describe(b))
	}
	return nil, fmt.Errorf("cannot add to %s", call.Describe(a))
}
