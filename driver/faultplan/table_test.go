package faultplan

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/mock"
)

// key returns a compiled match of an endpoint's key.
func key(t *testing.T, key string) *mock.Match {
	t.Helper()
	m, err := mock.ParseKey(key)
	if err == nil {
		err = m.Compile()
	}
	if err != nil {
		t.Fatal(err)
	}
	return &m
}

// plan returns a plan for all requests, or for those of a key.
func plan(t *testing.T, name string, when When, do Do, keys ...string) *Plan {
	t.Helper()
	m := key(t, append(keys, "* /*")[0])
	return &Plan{Name: name, Match: m, When: when, Do: do, Definition: name}
}

// set puts a plan in force.
func set(t testing.TB, table *Table, p *Plan) {
	t.Helper()
	if err := table.Set(p); err != nil {
		t.Fatal(err)
	}
}

func do(kind string) Do { return Do{Fault: exchange.Fault{Kind: kind}} }

// run sends requests to a table and returns the numbers of those, from 1, that met a
// fault.
func run(t *testing.T, table *Table, n int, target string) []int {
	t.Helper()
	var met []int
	for i := range n {
		if res, _ := ask(t, table, "GET", target); res.Err != nil {
			met = append(met, i+1)
		}
	}
	return met
}

// ask sends a request whose answer would be "whole", and returns the answer and the
// notes.
func ask(t *testing.T, table *Table, method, target string) (*exchange.Response, []exchange.Note) {
	t.Helper()
	x := &exchange.Exchange{
		Request: &exchange.Request{Method: method, Scheme: "http", Host: "a.example", Port: 80, Authority: "a.example", Target: target},
		Client:  netip.MustParseAddrPort("10.0.0.1:1"),
	}
	next := exchange.HandlerFunc(func(context.Context, *exchange.Exchange) (*exchange.Response, error) {
		return &exchange.Response{Status: 200, Origin: exchange.FromMock, Body: exchange.Bytes("whole")}, nil
	})
	res, err := table.Handler(next).Respond(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	return res, x.Notes.List()
}

// TestWhen asks which of twelve requests meet a fault.
func TestWhen(t *testing.T) {
	t.Parallel()
	all := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	never := 0.0
	for _, c := range []struct {
		name string
		when When
		want []int
	}{
		{"always", When{}, all},
		{"nth", When{Nth: []int64{2, 5}}, []int{2, 5}},
		{"every", When{Every: 3}, []int{3, 6, 9, 12}},
		{"every one", When{Every: 1}, all},
		{"times", When{Times: 2}, []int{1, 2}},
		{"every and times", When{Every: 4, Times: 2}, []int{4, 8}},
		{"never", When{Probability: &never}, nil},
		{"later", When{From: time.Hour}, nil},
		{"until", When{To: time.Hour}, all},
		{"an event that does not happen", When{Since: Since{Name: "login"}}, nil},
		{"a request that is the event", When{Since: Since{Request: key(t, "GET /x"), Key: "GET /x"}}, all},
		{"another request", When{Since: Since{Request: key(t, "GET /y"), Key: "GET /y"}}, nil},
		{"for each client", When{PerClient: true, Nth: []int64{3}}, []int{3}},
	} {
		table := New(Options{})
		set(t, table, plan(t, "p", c.when, do("reset")))
		if got := run(t, table, 12, "/x"); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

// TestWindows follows the time since the start, since an event, since a request and
// since a fault of another plan.
func TestWindows(t *testing.T) {
	t.Parallel()
	now := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	table := New(Options{Now: func() time.Time { return now }})
	window := When{From: 10 * time.Second, To: 20 * time.Second}
	since := func(s Since) When { w := window; w.Since = s; return w }
	set(t, table, plan(t, "start", window, do("reset"), "GET /start"))
	set(t, table, plan(t, "event", since(Since{Name: "login"}), do("reset"), "GET /event"))
	set(t, table, plan(t, "request", since(Since{Key: "POST /login", Request: key(t, "POST /login")}), do("reset"), "GET /request"))
	set(t, table, plan(t, "plan", since(Since{Name: "start"}), do("reset"), "GET /plan"))
	var got []string
	for second := range 60 {
		switch second {
		case 5:
			if err := table.Mark("login"); err != nil {
				t.Fatal(err)
			}
		case 7, 30:
			ask(t, table, "POST", "/login")
		}
		for _, path := range []string{"start", "event", "request", "plan"} {
			if res, _ := ask(t, table, "GET", "/"+path); res.Err != nil {
				got = append(got, fmt.Sprint(path, second))
			}
		}
		now = now.Add(time.Second)
	}
	want := append(seconds("start", 10, 20), seconds("event", 15, 25)...)
	want = append(want, append(seconds("request", 17, 27), seconds("request", 40, 50)...)...)
	want = append(want, seconds("plan", 29, 39)...) // the latest fault of start came in second 19
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func seconds(path string, from, to int) (list []string) {
	for i := from; i < to; i++ {
		list = append(list, fmt.Sprint(path, i))
	}
	return list
}

// TestTurnedBack checks that a clock which is turned back shifts no window.
func TestTurnedBack(t *testing.T) {
	t.Parallel()
	now, progress := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC), time.Duration(0)
	table := New(Options{Now: func() time.Time { return now }, Progress: func() time.Duration { return progress }})
	set(t, table, plan(t, "p", When{From: 10 * time.Second, To: 20 * time.Second}, do("reset")))
	for i, want := range []bool{false, true, false} {
		if res, _ := ask(t, table, "GET", "/"); (res.Err != nil) != want {
			t.Errorf("after %v: got a fault: %v, want %v", progress, !want, want)
		}
		progress += 10 * time.Second
		now = now.Add(-time.Duration(i+1) * time.Hour)
	}
	if last := table.Report()[0].Last; !last.Equal(now.Add(5 * time.Hour)) {
		t.Errorf("got the latest fault at %v, with the clock at %v", last, now)
	}
}

// TestProbability checks that the number of faults lies within five standard
// deviations, that a seed repeats a run, and that other plans and their requests do
// not change it.
func TestProbability(t *testing.T) {
	t.Parallel()
	const n, p = 10_000, 0.1
	share := p
	seeded := func(seed uint64) *Table {
		table := New(Options{Seed: &seed})
		set(t, table, plan(t, "chance", When{Probability: &share}, do("reset"), "GET /x"))
		return table
	}
	first := run(t, seeded(7), n, "/x")
	if bound := 5 * math.Sqrt(n*p*(1-p)); math.Abs(float64(len(first))-n*p) > bound {
		t.Errorf("%d of %d requests met the fault, want %v ± %.0f", len(first), n, n*p, bound)
	}
	if again := run(t, seeded(7), n, "/x"); !slices.Equal(again, first) {
		t.Error("the same seed: got other faults")
	}
	if other := run(t, seeded(8), n, "/x"); slices.Equal(other, first) {
		t.Error("another seed: got the same faults")
	}
	beside := seeded(7)
	set(t, beside, plan(t, "beside", When{Probability: &share}, do("close"), "GET /y"))
	var wait sync.WaitGroup
	wait.Go(func() { run(t, beside, n, "/y") })
	if got := run(t, beside, n, "/x"); !slices.Equal(got, first) {
		t.Error("beside another plan: got other faults")
	}
	wait.Wait()
	beside.Reset()
	set(t, beside, plan(t, "chance", When{Probability: &share}, do("reset"), "GET /x"))
	if got := run(t, beside, n, "/x"); !slices.Equal(got, first) {
		t.Error("after a reset: got other faults")
	}
}

// TestLayers sets, clears, loads and resets plans.
func TestLayers(t *testing.T) {
	t.Parallel()
	table := New(Options{})
	state := func() string {
		var b strings.Builder
		for _, r := range table.Report() {
			fmt.Fprintf(&b, "%s:%s set=%v %d/%d ", r.Plan.Name, r.Plan.Do.Kind, r.Set, r.Fired, r.Requests)
		}
		return strings.TrimSpace(b.String())
	}
	want := func(step, want string) {
		t.Helper()
		if got := state(); got != want {
			t.Errorf("%s: got %q, want %q", step, got, want)
		}
	}
	scenario := func() []*Plan {
		return []*Plan{plan(t, "a", When{Nth: []int64{2}}, do("reset")), plan(t, "b", When{}, do("close"))}
	}
	want("at first", "")
	table.Install(scenario())
	run(t, table, 3, "/")
	want("loaded", "a:reset set=false 1/3 b:close set=false 2/3")
	table.Install(scenario())
	want("reloaded", "a:reset set=false 1/3 b:close set=false 2/3")
	table.Restart()
	want("loaded anew", "a:reset set=false 0/0 b:close set=false 0/0")
	set(t, table, plan(t, "b", When{}, do("stall")))
	set(t, table, plan(t, "c", When{}, do("garbage")))
	run(t, table, 1, "/")
	want("set", "b:stall set=true 1/1 c:garbage set=true 0/1 a:reset set=false 0/1")
	table.Restart()
	want("restarted", "b:stall set=true 0/0 c:garbage set=true 0/0 a:reset set=false 0/0")
	if n := table.Clear("b"); n != 1 {
		t.Errorf("cleared %d plans, want 1", n)
	}
	want("cleared", "c:garbage set=true 0/0 a:reset set=false 0/0")
	if n := table.Clear("b"); n != 0 {
		t.Errorf("cleared %d plans, want none", n)
	}
	table.Install(scenario())
	want("reloaded when cleared", "c:garbage set=true 0/0 a:reset set=false 0/0")
	table.Reset()
	want("reset", "a:reset set=false 0/0 b:close set=false 0/0")
	if n := table.Clear(""); n != 2 {
		t.Errorf("cleared %d plans, want 2", n)
	}
	want("cleared all", "")
	if table.active.Load() != nil {
		t.Error("no plan is in force, but requests still look for one")
	}
	table.Reset()
	table.Install(nil)
	want("unloaded", "")
}

// TestOneActs checks that the first plan whose turn it is acts, that the others count
// the request, and what the exchange says.
func TestOneActs(t *testing.T) {
	t.Parallel()
	table := New(Options{})
	first, second := plan(t, "first", When{Every: 2}, do("reset")), plan(t, "second", When{}, do("close"))
	first.Source = mock.Source{File: "/x/ota.yaml", Line: 12}
	table.Install([]*Plan{first, second})
	for i, want := range []string{"fault close (second)", "fault reset (ota.yaml:12)"} {
		res, notes := ask(t, table, "GET", "/")
		if len(notes) != 1 || notes[0] != (exchange.Note{Level: exchange.Met, Text: want}) || !errors.Is(res.Err, exchange.ErrFault) {
			t.Errorf("request %d: got %v and %v, want %s", i+1, notes, res.Err, want)
		}
	}
	if r := table.Report(); r[0].Fired != 1 || r[1].Fired != 1 || r[1].Requests != 2 || r[1].Last.IsZero() {
		t.Errorf("got %+v", r)
	}
}

// TestNoBody checks that a fault of a body leaves a request alone that has none.
func TestNoBody(t *testing.T) {
	t.Parallel()
	table := New(Options{})
	set(t, table, plan(t, "p", When{}, do("corrupt")))
	if _, notes := ask(t, table, "HEAD", "/"); notes != nil || table.Report()[0].Requests != 0 {
		t.Errorf("HEAD: got %v, and it was counted: %+v", notes, table.Report())
	}
	x := &exchange.Exchange{Request: &exchange.Request{Method: "GET", Target: "/"}}
	answer := &exchange.Response{Status: 304}
	next := exchange.HandlerFunc(func(context.Context, *exchange.Exchange) (*exchange.Response, error) { return answer, nil })
	res, err := table.Handler(next).Respond(t.Context(), x)
	if notes := x.Notes.List(); res != answer || err != nil || len(notes) != 1 || notes[0].Level != "info" {
		t.Errorf("304: got %+v, %v and %v, want the answer as it is, and a note", res, err, notes)
	}
}

// closer is a body that notes whether it was closed.
type closer struct {
	exchange.Bytes
	closed bool
}

func (c *closer) Close() error { c.closed = true; return nil }

// TestLost checks that the answer is asked for and dropped.
func TestLost(t *testing.T) {
	t.Parallel()
	for _, lost := range []bool{false, true} {
		table := New(Options{})
		d := do("close")
		d.Lost = lost
		set(t, table, plan(t, "p", When{}, d))
		body, asked := &closer{}, false
		x := &exchange.Exchange{Request: &exchange.Request{Method: "GET", Target: "/"}}
		x.Forward = func(context.Context) (*exchange.Response, error) {
			asked = true
			return &exchange.Response{Status: 200, Body: body}, nil
		}
		next := exchange.HandlerFunc(func(context.Context, *exchange.Exchange) (*exchange.Response, error) { return nil, nil })
		res, err := table.Handler(next).Respond(t.Context(), x)
		if err != nil || !errors.Is(res.Err, exchange.ErrFault) || asked != lost || body.closed != lost {
			t.Errorf("lost %v: got %v, %v, asked: %v, closed: %v", lost, res.Err, err, asked, body.closed)
		}
	}
}

// TestStatus checks the answers that a plan makes itself.
func TestStatus(t *testing.T) {
	t.Parallel()
	table := New(Options{})
	d := do(StatusKind)
	d.RetryAfter = "30"
	set(t, table, plan(t, "p", When{Times: 1}, d))
	if res, _ := ask(t, table, "GET", "/"); res.Status != 503 || res.Header.Get("Retry-After") != "30" || string(res.Body.(exchange.Bytes)) != "Service Unavailable\n" {
		t.Errorf("got %d %v %s", res.Status, res.Header, res.Body)
	}
	if res, _ := ask(t, table, "GET", "/"); res.Status != 200 {
		t.Errorf("the second request: got %d, want 200", res.Status)
	}
}

// TestRedirectLoop follows redirects.
func TestRedirectLoop(t *testing.T) {
	t.Parallel()
	for hops, want := range map[int][]string{
		0: {"/fw?a=%20b&redirect_loop=1", "/fw?a=%20b&redirect_loop=2", "/fw?a=%20b&redirect_loop=1", "/fw?a=%20b&redirect_loop=2"},
		1: {"/fw?a=%20b", "200"},
		3: {"/fw?a=%20b&redirect_loop=1", "/fw?a=%20b&redirect_loop=2", "/fw?a=%20b", "200"},
	} {
		table := New(Options{})
		d := do(LoopKind)
		d.Hops = hops
		set(t, table, plan(t, "p", When{Nth: []int64{1}}, d, "GET /fw"))
		target := "/fw?a=%20b"
		for i, next := range want {
			res, _ := ask(t, table, "GET", target)
			got := fmt.Sprint(res.Status)
			if to, redirects := strings.CutPrefix(res.Header.Get("Location"), "http://a.example"); redirects && res.Status == 307 {
				got, target = to, to
			}
			if got != next {
				t.Errorf("%d hops: answer %d: got %s, want %s", hops, i+1, got, next)
			}
		}
		if fired := table.Report()[0].Fired; fired != 1 {
			t.Errorf("%d hops: fired %d times, want once", hops, fired)
		}
	}
}

// TestMaxPlans bounds the plans that methods set.
func TestMaxPlans(t *testing.T) {
	t.Parallel()
	table, never := New(Options{}), do("reset")
	p := plan(t, "", When{}, never)
	for i := range MaxPlans {
		more := *p
		more.Name = fmt.Sprint(i)
		table.set = append(table.set, &more)
	}
	if err := table.Set(plan(t, "7", When{}, never)); err != nil {
		t.Errorf("in place of another: %v", err)
	}
	if err := table.Set(plan(t, "one more", When{}, never)); err == nil {
		t.Error("got no error for too many plans")
	}
}

// TestEvents bounds the events.
func TestEvents(t *testing.T) {
	t.Parallel()
	table := New(Options{})
	for i := range maxEvents {
		if err := table.Mark(fmt.Sprint("e", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.Mark("one more"); err == nil {
		t.Error("got no error for too many events")
	}
	if err := table.Mark("e0"); err != nil {
		t.Errorf("an event that happens again: %v", err)
	}
}

// BenchmarkHandler measures a request while no plan is in force, and with one that does
// not fit.
func BenchmarkHandler(b *testing.B) {
	answer := &exchange.Response{Status: 200}
	next := exchange.HandlerFunc(func(context.Context, *exchange.Exchange) (*exchange.Response, error) { return answer, nil })
	for _, plans := range []int{0, 1} {
		b.Run(fmt.Sprint(plans), func(b *testing.B) {
			table := New(Options{})
			if plans > 0 {
				m, _ := mock.ParseKey("GET /other")
				_ = m.Compile()
				set(b, table, &Plan{Name: "p", Match: &m, Do: do("reset")})
			}
			h := table.Handler(next)
			x := &exchange.Exchange{Request: &exchange.Request{Method: "GET", Target: "/x"}}
			for b.Loop() {
				_, _ = h.Respond(b.Context(), x)
			}
		})
	}
}
