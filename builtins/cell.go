package builtins

import (
	"fmt"

	"starproxy/builtins/call"
	"starproxy/builtins/value"

	"go.starlark.net/starlark"
)

func cellModule() Module {
	return Module{
		Doc: "Private memory of one endpoint. Globals are frozen once a script is loaded, but the value of a cell can still be replaced.",
		Funcs: []Func{
			{
				"cell", "initial=None",
				"Makes a mutable value with .get(), .set(value), .incr(by=1) and .update(fn); incr and " +
					"update are atomic among all requests and return the new value. fn gets a copy of a list or " +
					"dict, which it may change and must return. get returns a frozen value. A start of the proxy " +
					"sets the cell to initial.",
				"hits = cell(0)\n" +
					"hits.incr()  # => 1\n" +
					"hits.update(lambda n: n * 10)  # => 10\n" +
					"hits.set(3)\n" +
					"hits.get()  # => 3\n" +
					"by_path = cell({})\n" +
					"def hit(d):\n" +
					"    d[\"/a\"] = d.get(\"/a\", 0) + 1\n" +
					"    return d\n" +
					"by_path.update(hit)  # => {\"/a\": 1}\n" +
					"by_path.update(hit)  # => {\"/a\": 2}\n" +
					`by_path.get()["/a"]  # => 2`,
				callCell,
			},
		},
	}
}

func callCell(c *call.Call, a call.Args) (starlark.Value, error) {
	var initial starlark.Value = starlark.None
	if err := a.Unpack("initial?", &initial); err != nil {
		return nil, err
	}
	if err := value.Freeze(initial); err != nil {
		return nil, fmt.Errorf("cell: %w", err)
	}
	return value.NewCell(c.Env, initial), nil
}
