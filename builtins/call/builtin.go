package call

import (
	"strings"

	"go.starlark.net/starlark"
)

// Function is a builtin as it is written in Go.
type Function func(c *Call, a Args) (starlark.Value, error)

// Builtin makes the Starlark value of fn. Errors have the name. A panic in fn becomes
// an error.
func (fn Function) Builtin(name string) *starlark.Builtin {
	return starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple,
		kwargs []starlark.Tuple) (v starlark.Value, err error) {
		defer Rescue(name, &err)
		return fn(Of(thread), Args{Func: name, Positional: args, Keywords: kwargs})
	})
}

// Signature is what fn unpacks, written as in a def statement: "key, by=1".
func (fn Function) Signature(name string) string {
	p := &probe{}
	func() {
		defer func() { recover() }() // a function may panic, because there is no Call
		fn(nil, Args{Func: name, probe: p})
	}()
	return strings.Join(p.params, ", ")
}

// Receiving makes a method that is bound to its receiver later. It is for methods that
// are used so often that making them each time would cost too much.
func Receiving[T starlark.Value](name string, fn func(T, *Call, Args) (starlark.Value, error)) *starlark.Builtin {
	return starlark.NewBuiltin(name, func(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple,
		kwargs []starlark.Tuple) (v starlark.Value, err error) {
		defer Rescue(name, &err)
		return fn(b.Receiver().(T), Of(thread), Args{Func: name, Positional: args, Keywords: kwargs})
	})
}
