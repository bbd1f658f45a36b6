package value

import (
	"strings"

	"go.starlark.net/starlark"

	"starproxy/builtins/jsonvalue"
)

// Dig returns the value at a path in v (see [jsonvalue.Dig]), or nil when there is
// none.
func Dig(v starlark.Value, path string) starlark.Value {
	found, ok := jsonvalue.Follow(v, path, starlarkNode, nil)
	if !ok {
		return nil
	}
	return found
}

func starlarkNode(v starlark.Value) jsonvalue.Node[starlark.Value] {
	switch v := v.(type) {
	case *starlark.Dict:
		return jsonvalue.Node[starlark.Value]{Key: func(name string) (starlark.Value, bool) {
			e, ok, _ := v.Get(starlark.String(name))
			return e, ok
		}}
	case *starlark.List:
		return jsonvalue.Node[starlark.Value]{At: v.Index, Len: v.Len()}
	}
	return jsonvalue.Node[starlark.Value]{}
}

// scannable reports whether [scanJSON] reads a path as [Dig] does. Such a path has at
// most maxDots dots and no negative index or brackets.
func scannable(path string) bool {
	return strings.Count(path, ".") <= maxDots && !strings.ContainsAny(path, `\[`) &&
		!strings.HasPrefix(path, "-") && !strings.Contains(path, ".-")
}
