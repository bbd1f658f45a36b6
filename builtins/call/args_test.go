package call

import (
	"strings"
	"testing"
	"time"

	"go.starlark.net/starlark"
)

func TestUnpack(t *testing.T) {
	t.Parallel()
	kw := func(pairs ...any) []starlark.Tuple {
		var list []starlark.Tuple
		for i := 0; i < len(pairs); i += 2 {
			list = append(list, starlark.Tuple{starlark.String(pairs[i].(string)), pairs[i+1].(starlark.Value)})
		}
		return list
	}
	s, one := starlark.String("s"), starlark.MakeInt(1)
	for name, c := range map[string]struct {
		args   starlark.Tuple
		kwargs []starlark.Tuple
		want   string // of the error; "" for none
	}{
		"positional":      {starlark.Tuple{s, one}, nil, ""},
		"default":         {starlark.Tuple{s}, nil, ""},
		"keywords":        {nil, kw("n", one, "key", s), ""},
		"mixed":           {starlark.Tuple{s}, kw("n", one), ""},
		"whole float":     {starlark.Tuple{s, starlark.Float(2)}, nil, ""},
		"missing":         {nil, nil, `f: missing argument "key"`},
		"too many":        {starlark.Tuple{s, one, one}, nil, "f: got 3 arguments, want at most 2"},
		"twice":           {starlark.Tuple{s}, kw("key", s), `f: two values for argument "key"`},
		"misspelt":        {starlark.Tuple{s}, kw("m", one), `f: no argument "m" (did you mean "n"?)`},
		"unknown":         {starlark.Tuple{s}, kw("verbose", one), `f: no argument "verbose"`},
		"wrong type":      {starlark.Tuple{one}, nil, `f: argument "key": got int 1, want string`},
		"fraction":        {starlark.Tuple{s, starlark.Float(2.5)}, nil, `f: argument "n": got float 2.5, want int`},
		"number too big":  {starlark.Tuple{s, one.Lsh(80)}, nil, `argument "n": got int`},
		"misspelt key":    {nil, kw("kye", s), `f: no argument "kye" (did you mean "key"?)`},
		"long text shown": {starlark.Tuple{s, starlark.String(strings.Repeat("x", 100))}, nil, `f: argument "n": got string, want int`},
	} {
		var key string
		n := 7
		err := Args{Func: "f", Positional: c.args, Keywords: c.kwargs}.Unpack("key", &key, "n?", &n)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want == "" && key != "s":
			t.Errorf("%s: key is %q", name, key)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: error is %v, want %s", name, err, c.want)
		}
	}
}

func TestUnpackRest(t *testing.T) {
	t.Parallel()
	var fn starlark.Value
	var rest starlark.Tuple
	var kwargs []starlark.Tuple
	err := Args{
		Func: "f", Positional: starlark.Tuple{starlark.None, starlark.True, starlark.False},
		Keywords: []starlark.Tuple{{starlark.String("a"), starlark.None}},
	}.Unpack("fn", &fn, "*args", &rest, "**kwargs", &kwargs)
	if err != nil || len(rest) != 2 || len(kwargs) != 1 {
		t.Errorf("got %v, %v, %v", rest, kwargs, err)
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   starlark.Value
		want time.Duration
		ok   bool
	}{
		{starlark.String("250ms"), 250 * time.Millisecond, true},
		{starlark.MakeInt(2), 2 * time.Second, true},
		{starlark.Float(0.25), 250 * time.Millisecond, true},
		{starlark.String("soon"), 0, false},
		{starlark.String("-1s"), 0, false},
		{starlark.MakeInt(-1), 0, false},
		{starlark.Float(1e300), 0, false},
		{starlark.None, 0, false},
	} {
		if d, ok := Duration(c.in); d != c.want && ok || ok != c.ok {
			t.Errorf("duration(%s) = %s, %v; want %s, %v", c.in, d, ok, c.want, c.ok)
		}
	}
}
