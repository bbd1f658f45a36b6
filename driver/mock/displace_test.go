package mock

import (
	"fmt"
	"testing"
)

func TestRelations(t *testing.T) {
	t.Parallel()
	table := NewTable()
	table.ReplaceAll([]*Endpoint{
		endpoint(t, "GET /a"), endpoint(t, "GET https://one.test/b"), endpoint(t, "GET /c/*"), endpoint(t, "GET /c/{id}"),
		endpoint(t, "GET /d#first", func(m *Match) { m.Priority = 1 }), endpoint(t, "GET /off"),
	})
	table.Enable("GET /off", false)
	low := func(m *Match) { m.Priority = -1 }
	high := func(m *Match) { m.Priority = 2 }
	for _, c := range []struct {
		key  string
		edit func(*Match)
		want string
	}{
		{"GET /a", nil, "[GET /a replaced]"},
		{"GET /a#other", nil, "[GET /a ahead]"},
		{"GET https://two.test/a", nil, "[]"},
		{"GET https://two.test/a#low", low, "[GET /a ahead]"},
		{"GET /b", nil, "[]"},
		{"GET /b#high", high, "[GET https://one.test/b shadowed]"},
		{"GET /c/*", high, "[GET /c/* replaced GET /c/{id} shadowed]"},
		{"GET /c/7", nil, "[]"},
		{"GET /d", nil, "[GET /d#first ahead]"},
		{"GET /off#x", nil, "[]"},
		{"GET /off", nil, "[GET /off replaced]"},
	} {
		edits := []func(*Match){}
		if c.edit != nil {
			edits = append(edits, c.edit)
		}
		got := []string{}
		for _, r := range table.Relations(endpoint(t, c.key, edits...)) {
			got = append(got, r.Endpoint.Name+" "+string(r.Effect))
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%s: got %v, want %s", c.key, got, c.want)
		}
	}
}
