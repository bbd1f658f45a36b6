package value

import (
	"fmt"
	"math"
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"starproxy/builtins/call"
	"starproxy/builtins/jsonvalue"
)

// within returns v inside n values that wrap makes.
func within(n int, v starlark.Value, wrap func(starlark.Value) starlark.Value) starlark.Value {
	for range n {
		v = wrap(v)
	}
	return v
}

func listOf(v starlark.Value) starlark.Value  { return starlark.NewList([]starlark.Value{v}) }
func tupleOf(v starlark.Value) starlark.Value { return starlark.Tuple{v} }

func dictOf(v starlark.Value) starlark.Value {
	d := new(starlark.Dict)
	d.SetKey(starlark.String("d"), v)
	return d
}

func structOf(v starlark.Value) starlark.Value {
	return starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{"d": v})
}

// TestWalksAgree checks that a value is refused with the same words, or written as the
// same text, whether it is encoded or converted first. At most call.MaxDepth
// containers may be inside each other, with any value in the innermost.
func TestWalksAgree(t *testing.T) {
	t.Parallel()
	set := starlark.NewSet(2)
	set.Insert(starlark.String("b"))
	set.Insert(starlark.Tuple{starlark.MakeInt(1)})
	itself := starlark.NewList(nil)
	itself.Append(itself)
	key := new(starlark.Dict)
	key.SetKey(starlark.MakeInt(1), starlark.None)
	values := map[string]starlark.Value{
		"tuple":    starlark.Tuple{starlark.None, starlark.Tuple{}},
		"set":      set,
		"large":    starlark.MakeInt(1).Lsh(70),
		"huge":     starlark.MakeInt(1).Lsh(10_000_000),
		"nan":      starlark.Float(math.NaN()),
		"inf":      starlark.Float(math.Inf(-1)),
		"bytes":    starlark.Bytes("a\xff"),
		"struct":   structOf(starlark.Float(1)),
		"itself":   itself,
		"key":      key,
		"function": starlark.NewBuiltin("f", nil),
		"response": &Response{},
	}
	leaves := []starlark.Value{starlark.MakeInt(1), starlark.Float(1), starlark.String("s"), starlark.NewList(nil), starlark.Tuple{}}
	for i, leaf := range leaves {
		for name, wrap := range map[string]func(starlark.Value) starlark.Value{"lists": listOf, "tuples": tupleOf, "dicts": dictOf, "structs": structOf} {
			for n := call.MaxDepth - 2; n <= call.MaxDepth+1; n++ {
				v := within(n, leaf, wrap)
				values[fmt.Sprintf("%d %s around %v", n, name, leaf)] = v
				all := n
				if i > 2 {
					all++ // the leaf is a container itself
				}
				if _, err := ToGo(nil, v); (err == nil) != (all <= call.MaxDepth) {
					t.Errorf("%d %s around %v: got %v, want at most %d containers", n, name, leaf, err, call.MaxDepth)
				}
				if name == "structs" {
					continue // nothing can be changed in them, so they are not copied
				}
				if _, err := Mutable(new(call.Call), v); (err == nil) != (all <= call.MaxDepth) {
					t.Errorf("copy of %d %s around %v: got %v, want at most %d containers", n, name, leaf, err, call.MaxDepth)
				}
			}
		}
	}
	for name, v := range values {
		encoded, err := AppendJSON(nil, nil, v)
		g, gerr := ToGo(nil, v)
		if (err == nil) != (gerr == nil) {
			t.Errorf("%s: encoded: %v; converted: %v", name, err, gerr)
			continue
		}
		if err == nil {
			if converted, err := jsonvalue.Append(nil, g); err != nil || string(converted) != string(encoded) {
				t.Errorf("%s: encoded as %.100s, converted as %.100s, %v", name, encoded, converted, err)
			}
		} else if err.Error() != gerr.Error() && name != "itself" {
			t.Errorf("%s: encoded: %.200v; converted: %.200v", name, err, gerr)
		}
	}
}
