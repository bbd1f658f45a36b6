package builtins

import (
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"starproxy/builtins/jsonvalue"
)

// A path leads into a JSON value: "user.tags.0". Its parts are keys of objects
// and indexes of lists; a negative index counts from the end ("tags.-1"), and an
// index may stand in brackets ("tags[-1].id"). A key that has dots or brackets is
// written as it is ("@odata.type"); a backslash before a dot or a bracket says
// that it belongs to the key ("@odata\.type"), which only matters where the
// object has other keys that fit. The empty path is the value itself.
//
// In an object the rest of the path is tried as one key first, then the shortest
// beginning of it that leads to something.

// Dig follows a path and returns what it leads to, nil when there is nothing.
func Dig(v starlark.Value, path string) starlark.Value {
	found, ok := dig(v, path, starlarkNode, nil)
	if !ok {
		return nil
	}
	return found
}

// DigGo is [Dig] for values of encoding/json and of package jsonvalue; found is false when there is nothing.
func DigGo(v any, path string) (value any, found bool) { return dig(v, path, goNode, nil) }

// Step is one part of a path: a key of an object, or an index of a list.
type Step struct {
	Key   string
	Index int
	List  bool // it is an index
}

// Steps are the parts of a path to something that v has; ok is false when there is
// nothing.
func Steps(v any, path string) (steps []Step, ok bool) {
	_, ok = dig(v, path, goNode, func(s Step) { steps = append(steps, s) })
	slices.Reverse(steps)
	return steps, ok
}

// node lets dig look into a value of some kind.
type node[T any] struct {
	key func(name string) (T, bool) // nil for what is no object
	at  func(i int) T               // nil for what is no list
	n   int                         // elements of the list
}

func starlarkNode(v starlark.Value) node[starlark.Value] {
	switch v := v.(type) {
	case *starlark.Dict:
		return node[starlark.Value]{key: func(name string) (starlark.Value, bool) {
			e, ok, _ := v.Get(starlark.String(name))
			return e, ok
		}}
	case *starlark.List:
		return node[starlark.Value]{at: v.Index, n: v.Len()}
	}
	return node[starlark.Value]{}
}

func goNode(v any) node[any] {
	switch v := v.(type) {
	case jsonvalue.Object:
		return node[any]{key: v.Get}
	case map[string]any:
		return node[any]{key: func(name string) (any, bool) { e, ok := v[name]; return e, ok }}
	case []any:
		return node[any]{at: func(i int) any { return v[i] }, n: len(v)}
	}
	return node[any]{}
}

// dig follows a path. It tells took, unless that is nil, of the steps that it went,
// the last one first.
func dig[T any](v T, path string, look func(T) node[T], took func(Step)) (found T, ok bool) {
	if path == "" {
		return v, true
	}
	switch in := look(v); {
	case in.key != nil:
		return digKey(in, path, look, took)
	case in.at != nil:
		i, rest, ok := pathIndex(path, in.n)
		if !ok {
			break
		}
		if found, ok = dig(in.at(i), rest, look, took); ok && took != nil {
			took(Step{Index: i, List: true})
		}
		return found, ok
	}
	return found, false
}

// digKey is dig in an object.
func digKey[T any](in node[T], path string, look func(T) node[T], took func(Step)) (found T, ok bool) {
	try := func(end, rest int) bool {
		key := UnescapedKey(path[:end])
		e, there := in.key(key)
		if !there {
			return false
		}
		if found, ok = dig(e, path[rest:], look, took); ok && took != nil {
			took(Step{Key: key})
		}
		return ok
	}
	if try(len(path), len(path)) {
		return found, true
	}
	for i := 0; i < len(path); i++ {
		switch {
		case path[i] == '\\':
			i++ // a character that ends no key
		case path[i] == '.' && try(i, i+1), path[i] == '[' && try(i, i):
			return found, true
		}
	}
	return found, false
}

// pathIndex takes the index of an element off a path into a list of n elements.
func pathIndex(path string, n int) (i int, rest string, ok bool) {
	digits := path
	if path[0] == '[' {
		end := strings.IndexByte(path, ']')
		if end < 0 {
			return 0, "", false
		}
		digits, rest = path[1:end], path[end+1:]
		if rest != "" && rest[0] != '.' && rest[0] != '[' {
			return 0, "", false
		}
	} else if end := strings.IndexAny(path, ".["); end >= 0 {
		digits, rest = path[:end], path[end:]
	}
	if i, ok = ListIndex(digits, n); !ok {
		return 0, "", false
	}
	return i, strings.TrimPrefix(rest, "."), true
}

// ListIndex reads the index of an element of a list of n: digits, after a "-" for
// one that counts from the end. ok is false for what is no index and for one
// beyond the list.
func ListIndex(text string, n int) (i int, ok bool) {
	i, err := strconv.Atoi(text)
	if err != nil || text[0] == '+' {
		return 0, false
	}
	if i < 0 {
		i += n
	}
	return i, 0 <= i && i < n
}

// UnescapedKey is a key without the backslashes before dots, brackets and
// backslashes.
func UnescapedKey(key string) string {
	if strings.IndexByte(key, '\\') < 0 {
		return key
	}
	b := make([]byte, 0, len(key))
	for i := 0; i < len(key); i++ {
		if key[i] == '\\' && i+1 < len(key) && strings.IndexByte(`.[]\`, key[i+1]) >= 0 {
			i++
		}
		b = append(b, key[i])
	}
	return string(b)
}

// scannable reports whether [scanJSON] reads a path as [Dig] does: it has few
// dots, and nothing but keys and indexes from the beginning of lists.
func scannable(path string) bool {
	return strings.Count(path, ".") <= maxDots && !strings.ContainsAny(path, `\[`) &&
		!strings.HasPrefix(path, "-") && !strings.Contains(path, ".-")
}
