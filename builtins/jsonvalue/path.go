package jsonvalue

import (
	"slices"
	"strconv"
	"strings"
)

// Dig follows a path into a value of encoding/json or of this package; found is
// false when it leads to nothing.
//
// A path leads into a JSON value: "user.tags.0". Its parts are keys of objects
// and indexes of lists; a negative index counts from the end ("tags.-1"), and an
// index may stand in brackets ("tags[-1].id"). A key that has dots or brackets is
// written as it is ("@odata.type"); a backslash before a dot or a bracket says
// that it belongs to the key ("@odata\.type"), which only matters where the
// object has other keys that fit. The empty path is the value itself.
//
// In an object the rest of the path is tried as one key first, then the shortest
// beginning of it that leads to something.
func Dig(v any, path string) (value any, found bool) { return Follow(v, path, goNode, nil) }

// Step is one part of a path: a key of an object, or an index of a list.
type Step struct {
	Key   string
	Index int
	List  bool // it is an index
}

// Steps returns the parts of a path to something that v has; ok is false when
// there is nothing.
func Steps(v any, path string) (steps []Step, ok bool) {
	_, ok = Follow(v, path, goNode, func(s Step) { steps = append(steps, s) })
	slices.Reverse(steps)
	return steps, ok
}

// Node lets Follow look into a value of some kind.
type Node[T any] struct {
	Key func(name string) (T, bool) // nil for what is no object
	At  func(i int) T               // nil for what is no list
	Len int                         // of the list
}

func goNode(v any) Node[any] {
	switch v := v.(type) {
	case Object:
		return Node[any]{Key: v.Get}
	case map[string]any:
		return Node[any]{Key: func(name string) (any, bool) { e, ok := v[name]; return e, ok }}
	case []any:
		return Node[any]{At: func(i int) any { return v[i] }, Len: len(v)}
	}
	return Node[any]{}
}

// Follow follows a path (see [Dig]) into a value of any kind; look shows it the
// inside of one. Unless took is nil, it is called with the steps that led to the
// value, the last one first.
func Follow[T any](v T, path string, look func(T) Node[T], took func(Step)) (found T, ok bool) {
	if path == "" {
		return v, true
	}
	switch in := look(v); {
	case in.Key != nil:
		return followKey(in, path, look, took)
	case in.At != nil:
		i, rest, ok := pathIndex(path, in.Len)
		if !ok {
			break
		}
		if found, ok = Follow(in.At(i), rest, look, took); ok && took != nil {
			took(Step{Index: i, List: true})
		}
		return found, ok
	}
	return found, false
}

// followKey is Follow in an object.
func followKey[T any](in Node[T], path string, look func(T) Node[T], took func(Step)) (found T, ok bool) {
	try := func(end, rest int) bool {
		key := UnescapedKey(path[:end])
		e, there := in.Key(key)
		if !there {
			return false
		}
		if found, ok = Follow(e, path[rest:], look, took); ok && took != nil {
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

// ListIndex reads the index of an element of a list of Len: digits, after a "-" for
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

// UnescapedKey returns a key without the backslashes before dots, brackets and
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
