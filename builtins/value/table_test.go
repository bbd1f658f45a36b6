package value

import (
	"slices"
	"testing"

	"starproxy/builtins/call"

	"go.starlark.net/starlark"
)

// The documentation of values names just the fields that they have.
func TestTypes(t *testing.T) {
	t.Parallel()
	values := map[string]starlark.HasAttrs{
		"req": &Request{}, "part": &Part{}, "match": &Match{}, "cell": NewCell(call.NewEnv(), starlark.None),
		"res": &Response{}, "out": &Out{}, "ws": &Socket{}, "msg": &Message{},
	}
	for _, doc := range Types() {
		v := values[doc.Name]
		if v == nil {
			t.Errorf("%s: unknown to this test", doc.Name)
			continue
		}
		got, want := doc.AttrNames(), v.AttrNames()
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: documented are %v, there are %v", doc.Name, got, want)
		}
	}
}
