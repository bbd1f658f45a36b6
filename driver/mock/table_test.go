package mock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"starproxy/builtins/exchange"
)

func names(eps []*Endpoint) []string {
	list := make([]string, 0, len(eps))
	for _, ep := range eps {
		list = append(list, ep.Name)
	}
	return list
}

// lookup returns the endpoint that answers r and the values of its {name} segments;
// nil when none does.
func (t *Table) lookup(r *exchange.Request) (*Endpoint, map[string]string) {
	w := t.ix.Load().find(r)
	if w == nil {
		return nil, nil
	}
	return w.ep, w.match.params(requestPath(r))
}

func TestLookup(t *testing.T) {
	t.Parallel()
	priority := func(n int) func(*Match) { return func(m *Match) { m.Priority = n } }
	header := func(h string) func(*Match) { return func(m *Match) { m.Headers = map[string]string{h: ""} } }
	contains := func(s string) func(*Match) { return func(m *Match) { m.BodyContains = s } }
	for _, c := range []struct {
		name      string
		endpoints []*Endpoint
		answers   map[string]string // request → endpoint, empty for none
	}{
		{"empty", nil, map[string]string{"GET /a": ""}},
		{
			"exact before patterns, the longer prefix first",
			[]*Endpoint{endpoint(t, "GET /*"), endpoint(t, "GET /a*"), endpoint(t, "GET /a/b*"), endpoint(t, "GET /a/{x}"), endpoint(t, "GET /a/b"), endpoint(t, "* *")},
			map[string]string{
				"GET /a/b": "GET /a/b", "GET /a/c": "GET /a/{x}", "GET /a/bc/d": "GET /a/b*", "GET /a": "GET /a*",
				"GET /ax": "GET /a*", "GET /x": "GET /*", "POST /a/b": "* *", "HEAD /a/b": "GET /a/b", "GET /a/b?x=1": "GET /a/b",
			},
		},
		{
			"the more literal of two patterns",
			[]*Endpoint{endpoint(t, "GET /{a}/{b}"), endpoint(t, "GET /x/{b}"), endpoint(t, "GET /{a}/long")},
			map[string]string{"GET /1/2": "GET /{a}/{b}", "GET /x/2": "GET /x/{b}", "GET /1/long": "GET /{a}/long", "GET /x/long": "GET /{a}/long"},
		},
		{
			"a method before any",
			[]*Endpoint{endpoint(t, "* /a"), endpoint(t, "GET /a"), endpoint(t, "HEAD /a"), endpoint(t, "* /b")},
			map[string]string{"GET /a": "GET /a", "HEAD /a": "HEAD /a", "PUT /a": "* /a", "GET /b": "* /b", "CUSTOM /b": "* /b"},
		},
		{
			"the path before the method",
			[]*Endpoint{endpoint(t, "* /a"), endpoint(t, "GET /a*")},
			map[string]string{"GET /a": "* /a", "GET /ab": "GET /a*"},
		},
		{
			"websocket before get",
			[]*Endpoint{endpoint(t, "GET /live"), endpoint(t, "WEBSOCKET /live"), endpoint(t, "WEBSOCKET /ws*")},
			map[string]string{
				"GET /live": "GET /live", "GET /live\nUpgrade: websocket": "WEBSOCKET /live",
				"GET /ws/1\nUpgrade: WebSocket": "WEBSOCKET /ws*", "GET /ws/1": "",
			},
		},
		{
			"a server before any",
			[]*Endpoint{endpoint(t, "GET /a"), endpoint(t, "GET https://one.test/a"), endpoint(t, "GET http://two.test:81/a")},
			map[string]string{
				"GET https://one.test/a": "GET https://one.test/a", "GET https://ONE.test./a": "GET https://one.test/a", "GET http://one.test/a": "GET /a", "GET https://one.test:8443/a": "GET /a",
				"GET http://two.test:81/a": "GET http://two.test:81/a", "GET http://two.test/a": "GET /a",
			},
		},
		{
			"priority over all",
			[]*Endpoint{endpoint(t, "GET /a"), endpoint(t, "* /*", priority(1)), endpoint(t, "GET /b", priority(2)), endpoint(t, "GET /c*", priority(-1)), endpoint(t, "GET /*#low", priority(-2))},
			map[string]string{"GET /a": "* /*", "GET /b": "GET /b", "GET /c": "* /*"},
		},
		{
			"more conditions first, then insertion",
			[]*Endpoint{
				endpoint(t, "GET /a"), endpoint(t, "GET /a#first", header("X-A")), endpoint(t, "GET /a#second", header("X-A")),
				endpoint(t, "GET /a#both", header("X-A"), contains("x")),
			},
			map[string]string{"GET /a": "GET /a", "GET /a\nX-A: 1": "GET /a#first", "GET /a\nX-A: 1\n\nxyz": "GET /a#both"},
		},
		{
			"a failed condition falls through to a pattern",
			[]*Endpoint{endpoint(t, "GET /a", header("X-A")), endpoint(t, "GET /{x}")},
			map[string]string{"GET /a": "GET /{x}", "GET /a\nX-A: 1": "GET /a"},
		},
		{
			"a query in the key",
			[]*Endpoint{endpoint(t, "GET /s?page=2"), endpoint(t, "GET /s")},
			map[string]string{"GET /s?page=2": "GET /s?page=2", "GET /s?page=1": "GET /s"},
		},
		{
			"asterisk form", []*Endpoint{endpoint(t, "OPTIONS *")}, map[string]string{"OPTIONS *": "OPTIONS *", "OPTIONS /x": "OPTIONS *"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			table := NewTable()
			table.ReplaceAll(c.endpoints)
			for text, want := range c.answers {
				got := ""
				if ep, _ := table.lookup(request(t, text)); ep != nil {
					got = ep.Name
				}
				if got != want {
					t.Errorf("%q: %q, expected %q", text, got, want)
				}
			}
		})
	}
}

func TestLookupParams(t *testing.T) {
	t.Parallel()
	table := NewTable()
	table.Set(endpoint(t, "GET /d/{id}/{part}.json"))
	ep, params := table.lookup(request(t, "GET /d/a%2Fb/log.json?x"))
	if ep == nil || params["id"] != "a/b" || params["part"] != "log" || len(params) != 2 {
		t.Error(ep, params)
	}
}

func TestLookupReadsNoBodyForNothing(t *testing.T) {
	t.Parallel()
	table := NewTable()
	table.ReplaceAll([]*Endpoint{
		endpoint(t, "POST /a", func(m *Match) { m.Priority = 1 }),
		endpoint(t, "POST /a*", func(m *Match) { m.BodyContains = "x" }),
		endpoint(t, "PUT /a", func(m *Match) { m.BodyContains = "x" }),
	})
	r := request(t, "POST /a")
	r.Body = exchange.NewIncoming(neverRead{t}, nil)
	if ep, _ := table.lookup(r); ep == nil || ep.Name != "POST /a" {
		t.Error(ep)
	}
}

func TestTableChanges(t *testing.T) {
	t.Parallel()
	ep := func(key, source string) *Endpoint {
		e := endpoint(t, key)
		e.Source = Source{Name: source}
		return e
	}
	table := NewTable()
	expect := func(want ...string) {
		t.Helper()
		if got := names(table.List()); !slices.Equal(got, want) || table.Len() != len(want) {
			t.Errorf("%q (%d), expected %q", got, table.Len(), want)
		}
	}
	expect()
	table.Set(ep("GET /a", ""))
	table.Set(ep("GET /b", "x.yaml"))
	table.Set(ep("GET /c", ""))
	again := ep("GET /a", "")
	table.Set(again)
	expect("GET /a", "GET /b", "GET /c")
	if table.Get("GET /a") != again || table.Get("GET /x") != nil {
		t.Error("Get does not give the endpoint in force")
	}
	// What is there already keeps its hits and stays disabled.
	table.Handler(Reject(table)).Respond(t.Context(), &exchange.Exchange{Request: request(t, "GET /a")})
	table.Enable("GET /c", false)
	e := ep("GET /e", "")
	table.Arrange([]*Endpoint{e, again, table.Get("GET /c")})
	expect("GET /e", "GET /a", "GET /c")
	if r := table.Report(); r[0].Hits != 0 || r[1].Hits != 1 || !r[1].Enabled || r[2].Enabled {
		t.Errorf("%+v", r)
	}
	table.Arrange([]*Endpoint{again, e})
	expect("GET /a", "GET /e")
	if !table.Remove("GET /a") || table.Remove("GET /a") {
		t.Error("Remove does not tell what it found")
	}
	expect("GET /e")
	table.ReplaceAll([]*Endpoint{ep("GET /1", ""), ep("GET /2", ""), ep("GET /1", "")})
	expect("GET /1", "GET /2")
	if n := table.Clear(); n != 2 {
		t.Errorf("cleared %d, expected 2", n)
	}
	expect()
	if ep, _ := table.lookup(request(t, "GET /1")); ep != nil {
		t.Error("a cleared endpoint answers")
	}
}

func TestTableKeepsUncompiled(t *testing.T) {
	t.Parallel()
	table := NewTable()
	table.Set(&Endpoint{Name: "raw", Match: Match{Method: "get", Path: "/a"}})
	table.Set(&Endpoint{Name: "broken", Match: Match{Path: "/{"}})
	if ep, _ := table.lookup(request(t, "GET /a")); ep == nil || ep.Name != "raw" {
		t.Error(ep)
	}
	misses := table.Misses(request(t, "GET /x"), 5)
	if len(misses) != 2 || misses[1].Endpoint.Name != "broken" || !strings.Contains(misses[1].Why[0], "braces") {
		t.Errorf("%+v", misses)
	}
}

func TestTableConcurrently(t *testing.T) {
	t.Parallel()
	table := NewTable()
	table.Set(endpoint(t, "GET /always"))
	eps := []*Endpoint{endpoint(t, "GET /a"), endpoint(t, "GET /a*")}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 200 {
				table.Set(eps[i%2])
				table.Remove(eps[(i+1)%2].Name)
			}
		})
		wg.Go(func() {
			r := request(t, "GET /always")
			for range 500 {
				if ep, _ := table.lookup(r); ep == nil || ep.Name != "GET /always" {
					t.Error("an endpoint was gone for a moment")
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestTableHandler(t *testing.T) {
	t.Parallel()
	table := NewTable()
	hit := endpoint(t, "GET /d/{id}")
	hit.Source = Source{Name: "/s/happy.yaml", File: "/s/happy.yaml", Line: 12}
	pass := endpoint(t, "GET /pass")
	pass.Handler = exchange.HandlerFunc(func(_ context.Context, x *exchange.Exchange) (*exchange.Response, error) {
		if x.Endpoint != "GET /pass" {
			t.Errorf("handler sees endpoint %q", x.Endpoint)
		}
		return nil, nil
	})
	failing := endpoint(t, "GET /fail")
	failing.Handler = exchange.HandlerFunc(func(context.Context, *exchange.Exchange) (*exchange.Response, error) {
		return nil, errors.New("broken")
	})
	table.ReplaceAll([]*Endpoint{hit, pass, failing})
	dialed := 0
	x := &exchange.Exchange{
		Request: request(t, "GET /d/7"),
		Forward: func(context.Context) (*exchange.Response, error) {
			dialed++
			return exchange.Text(200, "real"), nil
		},
	}
	h := table.Handler(Forward)
	res, err := h.Respond(t.Context(), x)
	if err != nil || body(t, res) != "GET /d/{id}" || x.Endpoint != "GET /d/{id}" || x.Source != "happy.yaml:12" || x.Params["id"] != "7" {
		t.Error(res, err, x)
	}
	for _, path := range []string{"GET /pass", "GET /unknown"} {
		x.Request = request(t, path)
		x.Endpoint, x.Source, x.Params = "", "", nil
		res, err := h.Respond(t.Context(), x)
		if err != nil || body(t, res) != "real\n" || res.Origin != exchange.FromServer || x.Endpoint != "" || x.Source != "" {
			t.Error(path, res, err, x)
		}
	}
	if dialed != 2 {
		t.Errorf("dialed %d times, expected 2", dialed)
	}
	x.Request = request(t, "GET /fail")
	if _, err := h.Respond(t.Context(), x); err == nil || x.Endpoint != "GET /fail" {
		t.Error(err, x.Endpoint)
	}
	// In strict mode a handler that leaves the request alone does not dial either.
	x.Request = request(t, "GET /pass")
	if res, err := table.Handler(Reject(table)).Respond(t.Context(), x); err != nil || res.Status != 501 || dialed != 2 {
		t.Error(res, err, dialed)
	}
}

// bigTable has a thousand exact endpoints and a hundred patterns.
func bigTable(t testing.TB) *Table {
	var eps []*Endpoint
	for i := range 1000 {
		eps = append(eps, endpoint(t, fmt.Sprintf("GET /api/v1/devices/%d/status", i)))
	}
	for i := range 50 {
		eps = append(eps, endpoint(t, fmt.Sprintf("GET /api/v2/group%d/*", i)), endpoint(t, fmt.Sprintf("GET /api/v3/group%d/{id}", i)))
	}
	table := NewTable()
	table.ReplaceAll(eps)
	return table
}

func TestExactLookupDoesNotAllocate(t *testing.T) {
	table := bigTable(t)
	r := request(t, "GET https://api.test/api/v1/devices/500/status?x=1")
	h := table.Handler(Forward)
	x := &exchange.Exchange{Request: r}
	if n := testing.AllocsPerRun(100, func() { table.lookup(r) }); n != 0 {
		t.Errorf("Lookup allocates %v times", n)
	}
	if n := testing.AllocsPerRun(100, func() { h.Respond(context.Background(), x) }); n != 0 {
		t.Errorf("the handler allocates %v times", n)
	}
}

func BenchmarkLookup(b *testing.B) {
	table := bigTable(b)
	for name, text := range map[string]string{
		"exact":   "GET https://api.test/api/v1/devices/500/status?x=1",
		"prefix":  "GET https://api.test/api/v2/group25/anything",
		"segment": "GET https://api.test/api/v3/group25/7",
		"none":    "GET https://api.test/index.html",
	} {
		b.Run(name, func(b *testing.B) {
			r := request(b, text)
			b.ReportAllocs()
			for b.Loop() {
				table.lookup(r)
			}
		})
	}
}
