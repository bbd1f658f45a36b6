package builtins

import (
	"errors"
	"strings"

	"starproxy/builtins/call"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

func recordModule() Module {
	return Module{
		Doc: "Records, errors as values, and the log.",
		Funcs: []Func{
			{"struct", "**kwargs", "A record with the keywords as its fields.", "p = struct(x=1, y=2)\np.x + p.y  # => 3", callStruct},
			{
				"try_", "fn, *args",
				"Calls fn(*args) and returns struct(ok, value, error): Starlark has no exceptions. A limit " +
					"or a client that went away can't be caught.",
				"r = try_(int, \"many\")\n" +
					"r.ok  # => False\n" +
					`try_(int, "7").value  # => 7`,
				callTry,
			},
			{
				"log", "*args",
				"Writes its arguments to the log and to the record of the request, as print does.",
				`log("token issued")  # => None`,
				callLog,
			},
		},
	}
}

func callStruct(c *call.Call, a call.Args) (starlark.Value, error) {
	var kwargs []starlark.Tuple
	if err := a.Unpack("**kwargs", &kwargs); err != nil {
		return nil, err
	}
	return starlarkstruct.FromKeywords(starlarkstruct.Default, kwargs), nil
}

func callTry(c *call.Call, a call.Args) (starlark.Value, error) {
	var fn starlark.Callable
	var args starlark.Tuple
	if err := a.Unpack("fn", &fn, "*args", &args); err != nil {
		return nil, err
	}
	v, err := starlark.Call(c.Thread, fn, args, nil)
	if err != nil {
		if errors.Is(err, call.ErrTime) || c.Alive() != nil {
			return nil, err
		}
		return result(false, starlark.None, starlark.String(err.Error())), nil
	}
	return result(true, v, starlark.None), nil
}

// result returns the value of try_.
func result(ok bool, value, err starlark.Value) starlark.Value {
	return starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{
		"ok": starlark.Bool(ok), "value": value, "error": err,
	})
}

func callLog(c *call.Call, a call.Args) (starlark.Value, error) {
	var args starlark.Tuple
	if err := a.Unpack("*args", &args); err != nil {
		return nil, err
	}
	if err := c.Fits("log", 0, args...); err != nil {
		return nil, err
	}
	words := make([]string, len(args))
	for i, v := range args {
		if s, ok := starlark.AsString(v); ok {
			words[i] = s
		} else {
			words[i] = v.String()
		}
	}
	c.Print(strings.Join(words, " "))
	return starlark.None, nil
}
