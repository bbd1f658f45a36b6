package script

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"go.starlark.net/starlark"

	"starproxy/builtins"
	"starproxy/builtins/exchange"
	"starproxy/builtins/value"
)

// Example runs Starlark from the documentation, with the names of tests. In every
// line "EXPR  # => EXPR" both values must be equal. x is the request that the code
// can use, or nil. Example returns the number of lines that state a result.
func Example(ctx context.Context, o TestOptions, src string, x *exchange.Exchange) (checked int, err error) {
	var b strings.Builder
	for line := range strings.Lines(src) {
		line = strings.TrimRight(line, "\n")
		got, want, ok := strings.Cut(line, "# =>")
		if strings.HasPrefix(line, "assert.") {
			checked++
		}
		if ok {
			checked++
			line = fmt.Sprintf("check(%s, %s)", strings.TrimSpace(got), strings.TrimSpace(want))
		}
		b.WriteString(line + "\n")
	}
	e := newTest(o, "example", nil).host
	names := starlark.StringDict{"check": starlark.NewBuiltin("check", check)}
	for _, scope := range []builtins.Scope{builtins.Templates, builtins.Tests} {
		maps.Copy(names, builtins.Names(scope))
	}
	r := e.get(ctx, x)
	defer e.put(r)
	if x != nil {
		names["req"] = value.RequestOf(&r.call)
	}
	_, err = starlark.ExecFileOptions(dialect(), &r.thread, "example", b.String(), names)
	if err != nil {
		return checked, e.explain(r, err)
	}
	return checked, nil
}

// check compares the two values of a line that states a result.
func check(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	if len(args) != 2 {
		return nil, fmt.Errorf("example: got %d values, want one on each side of =>", len(args))
	}
	same, err := starlark.Equal(args[0], args[1])
	if err != nil {
		return nil, err
	}
	if !same || args[0].Type() != args[1].Type() {
		return nil, fmt.Errorf("example: got %s, want %s", args[0], args[1])
	}
	return starlark.None, nil
}
