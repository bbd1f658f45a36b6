package builtins

import (
	"fmt"
	"math/bits"

	"starproxy/builtins/call"

	"go.starlark.net/starlark"
)

// guarded has the functions of the language that go through a whole iterable, with
// the bytes that they allocate for each element.
var guarded = map[string]int{
	"all": 0, "any": 0, "bytes": 1, "dict": 2 * call.PerElement, "enumerate": 2 * call.PerElement, "list": 16, "max": 0, "min": 0,
	"reversed": 16, "set": 2 * call.PerElement, "sorted": 32, "tuple": 16, "zip": 2 * call.PerElement,
}

// guards returns functions of the language that check the size of their arguments
// first.
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
				before += call.Times(length(kv[1]), len(args)) // sep comes between all arguments
			}
			return c.Fits(name, before, args...)
		})
	}
	guard(names, "int", shortNumber)
	names["getattr"] = guardedGetattr()
	return names
}

// shortNumber returns an error if the text that int should convert is too long.
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

// guardedGetattr returns a getattr that limits methods: those that it returns have
// the same limits as in x.method.
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

// iterables calls iterable for each argument of a call.
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

// iterable charges for an argument of the function name, and returns an error if the
// argument is too long. The function allocates size bytes for each element.
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

// guard adds a function of the language to names. The function calls check first.
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
