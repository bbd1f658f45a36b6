package tlsfault

import (
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"starproxy/builtins/exchange"
)

// met returns the names of the faults that handshakes with hosts meet, one after the
// other. Each entry of hosts may have several, separated by commas.
func met(t *Table, hosts ...string) (names []string) {
	for _, h := range hosts {
		name := "-"
		if e := t.Meet(strings.Split(h, ",")...); e != nil {
			name = e.Fault.Name()
		}
		names = append(names, name)
	}
	return names
}

func (t *Table) set(host string, k Kind, times int) {
	f := k.defaults()
	f.Times = times
	t.Set(exchange.HostPattern(host), f)
}

func TestClosestPatternCounts(t *testing.T) {
	t.Parallel()
	table := &Table{}
	hosts := []string{"a.b.test", "b.test", "c.test", "A.B.Test.", "10.0.0.7", "", "10.0.0.7,a.b.test", "c.test,a.b.test"}
	if diff := cmp.Diff([]string{"-", "-", "-", "-", "-", "-", "-", "-"}, met(table, hosts...)); diff != "" {
		t.Errorf("nothing set: want, got:\n%s", diff)
	}
	if (*Table)(nil).Meet("a.test") != nil {
		t.Error("got a fault of no table")
	}
	table.set("*", Expired, 0)
	table.set("*.test", WrongHost, 0)
	table.set("*.b.test", NoSAN, 0)
	table.set("a.b.test", WeakKey, 1)
	want := []string{"weak_key", "wrong_host", "wrong_host", "no_san", "expired", "expired", "no_san", "no_san"}
	if diff := cmp.Diff(want, met(table, hosts...)); diff != "" {
		t.Errorf("want, got:\n%s", diff)
	}
}

func TestLayers(t *testing.T) {
	t.Parallel()
	table := &Table{}
	table.Load([]Setting{{"a.test", Fault{Kind: Expired, Times: 1}, 3}, {"b.test", Fault{Kind: NoSAN}, 4}})
	table.set("a.test", Revoked, 2)
	check := func(what string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, met(table, "a.test", "b.test")); diff != "" {
			t.Errorf("%s: want, got:\n%s", what, diff)
		}
	}
	check("set by a method", "revoked", "no_san")
	check("for the last time", "revoked", "no_san")
	check("what a method set is spent", "expired", "no_san")
	check("all is spent", "-", "no_san")
	want := []Row{
		{Host: "a.test", Fault: Fault{Kind: Revoked, Times: 2}, From: FromMethod, Met: 2, Over: true},
		{Host: "a.test", Fault: Fault{Kind: Expired, Times: 1}, From: FromScenario, Line: 3, Met: 1, Over: true},
		{Host: "b.test", Fault: Fault{Kind: NoSAN}, From: FromScenario, Line: 4, Met: 4},
	}
	if diff := cmp.Diff(want, table.List()); diff != "" {
		t.Errorf("list: want, got:\n%s", diff)
	}
	table.Reset()
	check("after a reset", "expired", "no_san")
	table.set("b.test", SelfSigned, 0)
	if n := table.Clear("b.test"); n != 2 {
		t.Errorf("clear of b.test: got %d, want 2", n)
	}
	check("after a clear", "-", "-")
	table.Reset()
	check("reset brings the scenario back", "expired", "no_san")
	table.set("b.test", SelfSigned, 0)
	if n := table.Clear(""); n != 3 {
		t.Errorf("clear: got %d, want 3", n)
	}
	check("after a clear of all", "-", "-")
	if table.now.Load() != nil || len(table.List()) != 0 {
		t.Error("an empty table costs handshakes something")
	}
	table.set("b.test", SelfSigned, 0)
	table.Load([]Setting{{"a.test", Fault{Kind: WeakKey}, 1}})
	check("another scenario", "weak_key", "self_signed")
}

// As many handshakes as were asked for meet a fault, however many come at once.
func TestTimesAreExact(t *testing.T) {
	t.Parallel()
	table := &Table{}
	table.set("*", Expired, 50)
	changed := table.Changed()
	var wg sync.WaitGroup
	counts := make([]int, 8)
	for i := range counts {
		wg.Go(func() {
			for range 100 {
				if table.Meet("a.test") != nil {
					counts[i]++
				}
			}
		})
	}
	wg.Wait()
	sum := 0
	for _, n := range counts {
		sum += n
	}
	if sum != 50 {
		t.Errorf("got %d handshakes with the fault, want 50", sum)
	}
	<-changed
}

func TestAudit(t *testing.T) {
	t.Parallel()
	table := &Table{}
	table.set("a.test", NoSAN, 0)
	a, ok := table.Audit("*.test")
	if !ok {
		t.Fatal("got no audit")
	}
	if _, ok := table.Audit("*.test"); ok {
		t.Error("got a second audit of a pattern, want one at a time")
	}
	if e := table.Meet("a.test"); !e.Fault.Control() {
		t.Errorf("got %s, want a control handshake", e.Fault.Name())
	}
	var got []Verdict
	a.Next(Fault{Kind: Expired}, func(o Outcome) { got = append(got, o.Verdict) })
	first, second := table.Meet("a.test"), table.Meet("b.test")
	a.Next(Fault{Kind: WrongHost}, nil)
	if e := table.Meet("a.test"); e.Fault.Kind != WrongHost || !e.Settle(Outcome{Verdict: Refused}) {
		t.Errorf("got %s, want the next fault", e.Fault.Name())
	}
	if !second.Settle(Outcome{Verdict: Refused}) || second.Settle(Outcome{Verdict: Accepted}) || !first.Settle(Outcome{Verdict: Accepted}) {
		t.Error("an encounter is settled more or less than once")
	}
	if diff := cmp.Diff([]Verdict{Refused, Accepted}, got); diff != "" {
		t.Errorf("want, got:\n%s", diff)
	}
	a.End()
	if diff := cmp.Diff([]string{"no_san", "-"}, met(table, "a.test", "b.test")); diff != "" {
		t.Errorf("after the audit: want, got:\n%s", diff)
	}
}
