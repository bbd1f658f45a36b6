package value

import (
	"testing"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
)

// TestParameters checks that the parameters which tables document are those that
// the methods unpack.
func TestParameters(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"req.query_all": "name", "req.cookies_all": "name", "req.header": `name, default=""`, "req.json": "path=None, default=None",
		"req.form": "", "req.form_all": "name", "part.json": "path=None, default=None", "res.json": "path=None, default=None",
		"out.write": "data", "ws.send": "x", "ws.recv": "timeout=None", "ws.close": `code=1000, reason=""`,
		"msg.json": "path=None, default=None", "cell.get": "", "cell.set": "value", "cell.incr": "by=1", "cell.update": "fn",
	}
	for _, doc := range Types() {
		for _, a := range doc.Attrs {
			name := doc.Name + "." + a.Name
			params, method := want[name]
			if a.Method != method || a.Params != params {
				t.Errorf("%s: got method %v with %q, want %v with %q", name, a.Method, a.Params, method, params)
			}
			delete(want, name)
		}
	}
	for name := range want {
		t.Errorf("%s: got no such method", name)
	}
}

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
