package builtins

import (
	"fmt"
	"math/bits"

	"go.starlark.net/starlark"
)

// maxElements bounds what the functions of the language itself go through in
// one step, where neither a limit nor the end of the request can stop them, and
// maxSorted what they sort.
const (
	maxElements = 10_000_000
	maxSorted   = 1_000_000
)

// guarded are the functions of the language that go through a whole iterable,
// with what they make for each element, in bytes.
var guarded = map[string]int{
	"all": 0, "any": 0, "bytes": 1, "dict": 2 * perElement, "enumerate": 2 * perElement, "list": 16, "max": 0, "min": 0,
	"reversed": 16, "set": 2 * perElement, "sorted": 32, "tuple": 16, "zip": 2 * perElement,
}

// guards gives the same functions with a bound on the length of their arguments.
func guards() starlark.StringDict {
	names := starlark.StringDict{}
	for name, size := range guarded {
		guard(names, name, func(c *Call, args starlark.Tuple, kwargs []starlark.Tuple) error {
			for _, a := range args {
				if err := c.iterable(name, a, size); err != nil {
					return err
				}
			}
			for _, kv := range kwargs {
				if err := c.iterable(name, kv[1], size); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for _, name := range []string{"str", "repr", "print", "fail"} {
		guard(names, name, func(c *Call, args starlark.Tuple, kwargs []starlark.Tuple) error {
			before := 0
			for _, kv := range kwargs {
				before += times(length(kv[1]), len(args)) // what stands between them
			}
			return c.fits(name, before, args...)
		})
	}
	guard(names, "int", func(_ *Call, args starlark.Tuple, kwargs []starlark.Tuple) error {
		text := length(first(args))
		for _, kv := range kwargs {
			text = max(text, length(kv[1]))
		}
		if text > maxDigits {
			return fmt.Errorf("int: text of %d bytes is longer than %d", text, maxDigits)
		}
		return nil
	})
	getattr := starlark.Universe["getattr"].(*starlark.Builtin)
	names["getattr"] = starlark.NewBuiltin("getattr", func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (v starlark.Value, err error) {
		defer rescue("getattr", &err)
		if v, err = getattr.CallInternal(thread, args, kwargs); err == nil && len(args) > 1 {
			if name, ok := args[1].(starlark.String); ok {
				v = boundMethod(args[0], string(name), v)
			}
		}
		return v, err
	})
	return names
}

// iterable refuses an argument that is too long for the function name, which
// makes size bytes for each element, and charges for it.
func (c *Call) iterable(name string, v starlark.Value, size int) error {
	n := starlark.Len(v)
	if n <= noticed/16 {
		return nil
	}
	most, steps := maxElements, n/8
	if name == "sorted" {
		most, steps = maxSorted, n*bits.Len(uint(n))/8
	}
	if n > most {
		return fmt.Errorf("%s: %d elements are more than %d", name, n, most)
	}
	if err := c.charge(steps); err != nil {
		return err
	}
	if err := c.hashable(name, v); err != nil {
		return err
	}
	return c.enough(name, times(n, size))
}

// guard puts a check before a function of the language.
func guard(names starlark.StringDict, name string, check func(*Call, starlark.Tuple, []starlark.Tuple) error) {
	fn := starlark.Universe[name].(*starlark.Builtin)
	names[name] = starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (v starlark.Value, err error) {
		defer rescue(name, &err)
		if err := check(CallOf(thread), args, kwargs); err != nil {
			return nil, err
		}
		return fn.CallInternal(thread, args, kwargs)
	})
}
