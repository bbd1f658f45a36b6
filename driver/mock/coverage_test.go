package mock

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"starproxy/builtins/exchange"
)

// branched returns an endpoint of a document, whose answers come from a branch.
func branched(t *testing.T, document, key string) *Endpoint {
	t.Helper()
	ep := endpoint(t, key)
	b := &Branch{Name: "rules[0]"}
	ep.Handler, ep.Branches, ep.Source = b.Counted(ep.Handler), []*Branch{b}, Source{Name: document}
	return ep
}

func TestCoverage(t *testing.T) {
	t.Parallel()
	table := NewTable()
	ask := func(paths ...string) {
		t.Helper()
		for _, path := range paths {
			x := &exchange.Exchange{Request: &exchange.Request{Method: "GET", Scheme: "http", Host: "a", Target: path}}
			if _, err := table.Handler(Reject(table)).Respond(t.Context(), x); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := func(what, want string) {
		t.Helper()
		var list []string
		for _, c := range table.Coverage() {
			line := fmt.Sprintf("%s %d %v", c.Endpoint.Name, c.Hits, c.Branches)
			if !c.InForce {
				line += " gone"
			} else if !c.Enabled {
				line += " off"
			}
			list = append(list, line)
		}
		if diff := cmp.Diff(want, strings.Join(list, ", ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	one := branched(t, "a.yaml", "GET /1")
	table.ReplaceAll([]*Endpoint{one, branched(t, "a.yaml", "GET /2")})
	ask("/1", "/1")
	want("at first", "GET /1 2 [2], GET /2 0 [0]")
	table.ReplaceAll([]*Endpoint{branched(t, "a.yaml", "GET /1"), branched(t, "a.yaml", "GET /3")})
	ask("/1", "/3")
	want("loaded again, with a change", "GET /1 3 [3], GET /3 1 [1], GET /2 0 [0] gone")
	table.Set(branched(t, "", "GET /1")) // a test's own is another one
	ask("/1")
	want("with one of a test", "GET /1 1 [1], GET /3 1 [1], GET /1 3 [3] gone, GET /2 0 [0] gone")
	table.Remove("GET /3")
	table.Enable("GET /1", false)
	want("one removed, one disabled", "GET /1 1 [1] off, GET /1 3 [3] gone, GET /2 0 [0] gone, GET /3 1 [1] gone")
	table.ReplaceAll([]*Endpoint{one})
	ask("/1")
	want("the first one is back", "GET /1 4 [4], GET /2 0 [0] gone, GET /3 1 [1] gone, GET /1 1 [1] gone")
	table.ResetCoverage()
	want("after a reset", "GET /1 0 [0]")
	ask("/1")
	want("after a reset and a request", "GET /1 1 [1]")
	table.Set(one)
	want("the same one set again", "GET /1 1 [1]")
	if hits := table.Report()[0].Hits; hits != 0 {
		t.Errorf("hits of an endpoint that was set again: got %d, want 0 as before", hits)
	}
}
