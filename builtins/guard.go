package builtins

import (
	"fmt"
	"math/bits"

	"starproxy/builtins/call"

	"go.starlark.net/starlark"
)

// guarded are the functions of the language that go through a whole iterable,
// with what they make for each element, in bytes.
var guarded = map[string]int{
	"all": 0, "any": 0, "bytes": 1, "dict": 2 * call.PerElement, "enumerate": 2 * call.PerElement, "list": 16, "max": 0, "min": 0,
	"reversed": 16, "set": 2 * call.PerElement, "sorted": 32, "tuple": 16, "zip": 2 * call.PerElement,
}

// guards returns functions of the language with a bound on their arguments.
func guards() starlark.StringDict {
	names := starlark.StringDict{}
	for name, size := range guarded {
		guard(names, name, func(c *call.Call, args starlark.Tuple, kwargs []starlark.Tuple) error {
			return iterables(c, name, args, kwargs, size)
		})
	}
	for _, name := range []string{"str", "repr", "print", "fail"} {
		guard(names, name, func(c *call.Call, args starlark.Tuple, kwargs []starlark.Tuple) error {
			before := 0
			for _, kv := range kwargs {
				before += call.Times(length(kv[1]), len(args)) // the text between them
			}
			return c.Fits(name, before, args...)
		})
	}
	guard(names, "int", shortNumber)
	names["getattr"] = guardedGetattr()
	return names
}

// shortNumber refuses the arguments of int when the text is too long.
func shortNumber(_ *call.Call, args starlark.Tuple, kwargs []starlark.Tuple) error {
	text := length(first(args))
	for _, kv := range kwargs {
		text = max(text, length(kv[1]))
	}
	if text > call.MaxDigits {
		return fmt.Errorf("int: text of %d bytes is longer than %d", text, call.MaxDigits)
	}
	return nil
}

// guardedGetattr returns getattr, whose methods have the bounds that they have
// after a dot.
func guardedGetattr() *starlark.Builtin {
	getattr := starlark.Universe["getattr"].(*starlark.Builtin)
	return starlark.NewBuiltin("getattr", func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple,
		kwargs []starlark.Tuple) (v starlark.Value, err error) {
		defer call.Rescue("getattr", &err)
		if v, err = getattr.CallInternal(thread, args, kwargs); err == nil && len(args) > 1 {
			if name, ok := args[1].(starlark.String); ok {
				v = boundMethod(args[0], string(name), v)
			}
		}
		return v, err
	})
}

// iterables is iterable for all arguments of a call.
func iterables(c *call.Call, name string, args starlark.Tuple, kwargs []starlark.Tuple, size int) error {
	for _, a := range args {
		if err := iterable(c, name, a, size); err != nil {
			return err
		}
	}
	for _, kv := range kwargs {
		if err := iterable(c, name, kv[1], size); err != nil {
			return err
		}
	}
	return nil
}

// iterable refuses an argument that is too long for the function name, which
// makes size bytes for each element, and charges for it.
func iterable(c *call.Call, name string, v starlark.Value, size int) error {
	n := starlark.Len(v)
	if n <= call.Noticed/16 {
		return nil
	}
	most, steps := call.MaxElements, n/8
	if name == "sorted" {
		most, steps = call.MaxSorted, n*bits.Len(uint(n))/8
	}
	if n > most {
		return fmt.Errorf("%s: %d elements are more than %d", name, n, most)
	}
	if err := c.Charge(steps); err != nil {
		return err
	}
	if err := c.Hashable(name, v); err != nil {
		return err
	}
	return c.Enough(name, call.Times(n, size))
}

// guard puts a check before a function of the language.
func guard(names starlark.StringDict, name string, check func(*call.Call, starlark.Tuple, []starlark.Tuple) error) {
	fn := starlark.Universe[name].(*starlark.Builtin)
	names[name] = starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple,
		kwargs []starlark.Tuple) (v starlark.Value, err error) {
		defer call.Rescue(name, &err)
		if err := check(call.Of(thread), args, kwargs); err != nil {
			return nil, err
		}
		return fn.CallInternal(thread, args, kwargs)
	})
}
