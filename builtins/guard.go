package builtins

import (
	"fmt"

	"go.starlark.net/starlark"
)

// maxElements bounds what the functions of the language itself go through in
// one step, where neither a limit nor the end of the request can stop them.
const maxElements = 10_000_000

// guarded are the functions of the language that go through a whole iterable.
var guarded = []string{
	"all", "any", "bytes", "dict", "enumerate", "list", "max", "min", "reversed", "set", "sorted", "tuple", "zip",
}

// guards gives the same functions with a bound on the length of their arguments.
func guards() starlark.StringDict {
	names := starlark.StringDict{}
	for _, name := range guarded {
		fn := starlark.Universe[name].(*starlark.Builtin)
		names[name] = starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (v starlark.Value, err error) {
			defer rescue(name, &err)
			for _, a := range args {
				if n := starlark.Len(a); n > maxElements {
					return nil, fmt.Errorf("%s: %d elements are more than %d", name, n, maxElements)
				}
			}
			return fn.CallInternal(thread, args, kwargs)
		})
	}
	for _, name := range []string{"str", "repr", "print", "fail"} {
		guard(names, name, func(c *Call, args starlark.Tuple) error { return c.fits(name, 0, args...) })
	}
	guard(names, "int", func(_ *Call, args starlark.Tuple) error {
		if s, ok := first(args).(starlark.String); ok && len(s) > maxDigits {
			return fmt.Errorf("int: text of %d bytes is longer than %d", len(s), maxDigits)
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

// guard puts a check before a function of the language.
func guard(names starlark.StringDict, name string, check func(*Call, starlark.Tuple) error) {
	fn := starlark.Universe[name].(*starlark.Builtin)
	names[name] = starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (v starlark.Value, err error) {
		defer rescue(name, &err)
		if err := check(CallOf(thread), args); err != nil {
			return nil, err
		}
		return fn.CallInternal(thread, args, kwargs)
	})
}
