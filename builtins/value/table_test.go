package value

import (
	"testing"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
)

// TestTableAnswers checks that a value has the attributes of its table, and no
// others.
func TestTableAnswers(t *testing.T) {
	t.Parallel()
	c := NewCell(call.NewEnv(), starlark.MakeInt(1))
	for _, name := range c.AttrNames() {
		if v, err := c.Attr(name); v == nil || err != nil {
			t.Errorf("cell.%s: got %v, %v, want a method", name, v, err)
		}
	}
	if v, err := c.Attr("reset"); v != nil || err != nil {
		t.Errorf("cell.reset: got %v, %v, want nothing", v, err)
	}
	incr, _ := c.Attr("incr")
	thread := &starlark.Thread{}
	if v, err := starlark.Call(thread, incr, starlark.Tuple{starlark.MakeInt(4)}, nil); err != nil || v.String() != "5" {
		t.Errorf("cell.incr(4): got %v, %v, want 5", v, err)
	}
}
