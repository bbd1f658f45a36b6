package builtins

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
	"starproxy/builtins/jsonvalue"
	"starproxy/builtins/value"
)

func mergeModule() Module {
	return Module{
		Doc: "JSON values.",
		Funcs: []Func{
			{
				"merge", "target, patch",
				"Merges the dict patch into a copy of target, at every level, as a patch: endpoint does, and " +
					`returns the result. A key "name[2]" is an element of the list "name", "name[-1]" the last ` +
					`one. A path such as "user.name" replaces the value there.`,
				`merge({"a": 1, "l": [1, 2]}, {"b": 2, "l[0]": 9})  # => {"a": 1, "b": 2, "l": [9, 2]}`,
				callMerge,
			},
		},
	}
}

func callMerge(c *call.Call, a call.Args) (starlark.Value, error) {
	var target, patch starlark.Value
	if err := a.Unpack("target", &target, "patch", &patch); err != nil {
		return nil, err
	}
	if c.Env.Merge == nil {
		return nil, errors.New("merge: this host has no merge function")
	}
	t, err := value.ToGo(c, target)
	if err != nil {
		return nil, fmt.Errorf("merge: target: %w", err)
	}
	p, err := value.ToGo(c, patch)
	if err != nil {
		return nil, fmt.Errorf("merge: patch: %w", err)
	}
	m, ok := p.(jsonvalue.Object)
	if !ok {
		return nil, fmt.Errorf("merge: argument \"patch\": got %s, want dict", call.Describe(patch))
	}
	return value.Within(c, c.Env.Merge(t, m))
}
