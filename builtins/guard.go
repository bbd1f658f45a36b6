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
	return names
}
