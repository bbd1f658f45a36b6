package value

import (
	"strings"
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// TestFreeze checks what is refused before it is frozen, and that all else is.
func TestFreeze(t *testing.T) {
	t.Parallel()
	nested := func(n int, wrap func(starlark.Value) starlark.Value) starlark.Value {
		var v starlark.Value = starlark.MakeInt(1)
		for range n {
			v = wrap(v)
		}
		return v
	}
	list := func(v starlark.Value) starlark.Value { return starlark.NewList([]starlark.Value{v}) }
	tuple := func(v starlark.Value) starlark.Value { return starlark.Tuple{v} }
	twice := func(v starlark.Value) starlark.Value { return starlark.Tuple{v, v} }
	dict := func(v starlark.Value) starlark.Value {
		d := new(starlark.Dict)
		d.SetKey(starlark.String("d"), v)
		return d
	}
	itself := starlark.NewList(nil)
	itself.Append(starlark.Tuple{itself})
	script := func(text string) starlark.Value {
		_, program, err := starlark.SourceProgramOptions(new(syntax.FileOptions), "t.star", text, func(string) bool { return false })
		if err != nil {
			t.Fatal(err)
		}
		globals, err := program.Init(new(starlark.Thread), nil) // freezes nothing
		if err != nil {
			t.Fatal(err)
		}
		return globals["x"]
	}
	for name, c := range map[string]struct {
		v    starlark.Value
		want string
	}{
		"list":                       {nested(1000, list), ""},
		"dict":                       {nested(1000, dict), ""},
		"list in itself":             {itself, ""},
		"tuples twice":               {nested(15, twice), ""},
		"functions":                  {script("def f(g):\n  return lambda: g\nx = f(f(f([1])))"), ""},
		"function by a list":         {script("def f():\n  l = []\n  def g():\n    return l\n  l.append(g)\n  return g\nx = f()"), ""},
		"deep list":                  {nested(1_000_000, list), "nested deeper than 10000"},
		"deep tuple":                 {nested(1_000_000, tuple), "nested deeper than 10000"},
		"deep dict":                  {nested(100_000, dict), "nested deeper than 10000"},
		"tuples twice, often":        {nested(60, twice), "more than 20000000 parts"},
		"function of itself":         {script("def f():\n  def g():\n    return g\n  return g\nx = f()"), "function g refers to itself"},
		"functions of each other":    {script("def f():\n  def g():\n    return h\n  def h():\n    return g\n  return (1, g)\nx = f()"), "refers to itself"},
		"function of itself, inside": {script("def f():\n  def g():\n    return g\n  return g\nx = {'a': [f()]}"), "function g refers to itself"},
	} {
		err := Freeze(c.v)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if l, ok := c.v.(*starlark.List); ok && err == nil && l.Append(starlark.None) == nil {
			t.Errorf("%s: it is not frozen", name)
		}
	}
}
