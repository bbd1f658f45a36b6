package builtins

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"starproxy/builtins/call"

	"go.starlark.net/starlark"
)

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

// boundMethods has the methods of text, lists, sets and dicts that can make a large
// result of small arguments, or go through an iterable in one step. Its function
// checks the receiver and the arguments before the method is called.
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

// Bounded reports whether methods of this name are checked.
func Bounded(name string) bool { return boundMethods[name] != nil }

// boundMethod returns the method v of x with its check before it. If the method has
// no check, it returns v.
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
	return starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple,
		kwargs []starlark.Tuple) (v starlark.Value, err error) {
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
	return c.Charge(n / call.BytesPerStep) // the elements are made later, one by one
}

// boundStrip checks the characters that strip removes. Each character of the text
// may be compared with all of them.
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

// replaced returns an upper bound of the length of s with every old replaced by
// repl.
func replaced(s, old, repl string) int {
	if len(repl) <= len(old) {
		return len(s)
	}
	if most := call.Times(len(s)+1, len(repl)); most < 1<<20 {
		return most // short enough even if old is everywhere in s
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
	// A value may be used in many places of the format.
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
