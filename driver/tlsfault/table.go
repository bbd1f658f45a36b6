package tlsfault

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"starproxy/builtins/exchange"
	"starproxy/builtins/follow"
)

// Table has the faults that devices meet, by the host that a handshake is for. Of
// several that fit the one with the closest pattern counts; of two for the same
// pattern the one that a method has set, then that of the scenario. A fault that has
// been met as often as it was to be is no longer there. An audit comes before all.
//
// The zero Table has no faults.
type Table struct {
	now     atomic.Pointer[snapshot] // nil when nothing is set
	changed follow.Notice

	mu       sync.Mutex
	scenario []*rule
	hand     []*rule
	audits   map[exchange.HostPattern]*Audit
}

// snapshot is what handshakes look at. It does not change.
type snapshot struct {
	audits map[exchange.HostPattern]*Audit
	rules  map[exchange.HostPattern][]*rule // the first counts
}

// rule is a fault that is set, with its counts.
type rule struct {
	Setting
	from string
	met  atomic.Int64
}

// left reports whether a handshake can still meet the rule.
func (r *rule) left() bool { return r.Fault.Times == 0 || r.met.Load() < int64(r.Fault.Times) }

// take counts a handshake that meets the rule, unless there have been enough.
func (r *rule) take() bool {
	for {
		met := r.met.Load()
		if r.Fault.Times > 0 && met >= int64(r.Fault.Times) {
			return false
		}
		if r.met.CompareAndSwap(met, met+1) {
			return true
		}
	}
}

// The layers of a table as Row.From names them.
const (
	FromScenario = "scenario"
	FromMethod   = "method"
)

// Load makes the settings of a scenario those of the table, in place of those of the
// scenario before. A fault that was there already keeps its count.
func (t *Table) Load(settings []Setting) {
	t.change(func() {
		before := t.scenario
		t.scenario = nil
		for _, s := range settings {
			r := &rule{Setting: s, from: FromScenario}
			if i := slices.IndexFunc(before, func(old *rule) bool { return old.Host == s.Host && old.Fault == s.Fault }); i >= 0 {
				r.met.Store(before[i].met.Load())
			}
			t.scenario = append(t.scenario, r)
		}
	})
}

// Restart begins the counts of the scenario's faults anew.
func (t *Table) Restart() {
	t.change(func() {
		for _, r := range t.scenario {
			r.met.Store(0)
		}
	})
}

// Set sets a fault for hosts, above what the scenario sets.
func (t *Table) Set(host exchange.HostPattern, f Fault) {
	t.change(func() {
		t.hand = without(t.hand, host)
		t.hand = append(t.hand, &rule{Setting: Setting{Host: host, Fault: f}, from: FromMethod})
	})
}

// Clear removes the faults for a pattern, also those of the scenario, until it is
// loaded again or [Table.Reset] is called. Without a pattern it removes all. It returns the
// number of those removed.
func (t *Table) Clear(host exchange.HostPattern) (n int) {
	t.change(func() {
		n = len(t.hand) + len(t.visible())
		t.hand, t.scenario = without(t.hand, host), hide(t.scenario, host)
		n -= len(t.hand) + len(t.visible())
	})
	return n
}

// Reset removes what methods have set. The faults of the scenario are in force as when
// it was loaded.
func (t *Table) Reset() {
	t.change(func() {
		t.hand = nil
		for i, r := range t.scenario {
			t.scenario[i] = &rule{Setting: r.Setting, from: FromScenario}
		}
	})
}

// without returns the rules that are not for a pattern; none without a pattern.
func without(rules []*rule, host exchange.HostPattern) []*rule {
	return slices.DeleteFunc(slices.Clone(rules), func(r *rule) bool { return host == "" || r.Host == host })
}

// hidden is Row.From of a rule of the scenario that was cleared.
const hidden = ""

// hide returns the rules of a scenario, of which those for a pattern are not in force.
func hide(rules []*rule, host exchange.HostPattern) []*rule {
	rules = slices.Clone(rules)
	for i, r := range rules {
		if host == "" || r.Host == host {
			rules[i] = &rule{Setting: r.Setting, from: hidden}
		}
	}
	return rules
}

// visible returns the rules of the scenario that were not cleared; t.mu is held.
func (t *Table) visible() []*rule {
	return slices.DeleteFunc(slices.Clone(t.scenario), func(r *rule) bool { return r.from == hidden })
}

// change changes the table and tells its readers.
func (t *Table) change(f func()) {
	t.mu.Lock()
	f()
	next := &snapshot{audits: maps.Clone(t.audits), rules: map[exchange.HostPattern][]*rule{}}
	for _, r := range slices.Concat(t.hand, t.visible()) {
		next.rules[r.Host] = append(next.rules[r.Host], r)
	}
	if len(next.audits) == 0 && len(next.rules) == 0 {
		next = nil
	}
	t.now.Store(next)
	t.mu.Unlock()
	t.changed.Notify()
}

// Changed returns a channel that is closed when the table or one of its counts changes
// next.
func (t *Table) Changed() <-chan struct{} { return t.changed.Changed() }

// Row is a fault that is set, as lists show it.
type Row struct {
	Host string `json:"host"`
	Fault
	// From is the layer: [FromScenario] or [FromMethod].
	From string `json:"from"`
	// Line is that of the scenario's document; 0 for none.
	Line int `json:"line,omitempty"`
	// Met is how many handshakes have met the fault.
	Met int64 `json:"met"`
	// Over reports that no more will.
	Over bool `json:"over,omitempty"`
}

// List returns the faults that are set, by their patterns.
func (t *Table) List() []Row {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := []Row{}
	for _, r := range slices.Concat(t.hand, t.visible()) {
		list = append(list, Row{Host: string(r.Host), Fault: r.Fault, From: r.from, Line: r.Line, Met: r.met.Load(), Over: !r.left()})
	}
	slices.SortStableFunc(list, func(a, b Row) int { return strings.Compare(a.Host, b.Host) })
	return list
}

// InForce reports whether a handshake may meet a fault. It takes one load of a pointer.
func (t *Table) InForce() bool { return t != nil && t.now.Load() != nil }

// Meet returns the encounter of a handshake that is for one of these hosts, such as
// the target of a CONNECT and the server name; nil when it meets no fault.
func (t *Table) Meet(hosts ...string) *Encounter {
	if !t.InForce() {
		return nil
	}
	s := t.now.Load()
	if s == nil {
		return nil // since a moment ago
	}
	for i, h := range hosts {
		hosts[i], _ = exchange.HostName(h)
	}
	if hosts = slices.DeleteFunc(hosts, func(h string) bool { return h == "" }); len(hosts) == 0 {
		hosts = []string{""}
	}
	for _, h := range hosts {
		for p := range exchange.PatternsOf(h) {
			if a := s.audits[p]; a != nil {
				return a.meet()
			}
		}
	}
	for {
		r := s.closest(hosts)
		if r == nil {
			return nil
		}
		if r.take() {
			t.changed.Notify()
			return &Encounter{Fault: r.Fault}
		}
	}
}

// closest returns the rule that counts for the hosts; nil for none.
func (s *snapshot) closest(hosts []string) *rule {
	var best *rule
	for _, h := range hosts {
		for p := range exchange.PatternsOf(h) {
			rules := s.rules[p]
			i := slices.IndexFunc(rules, (*rule).left)
			if i < 0 {
				continue
			}
			if best == nil || closeness(p) > closeness(best.Host) {
				best = rules[i]
			}
			break
		}
	}
	return best
}

// closeness orders the patterns that fit a host: itself, domains by their length, *.
func closeness(p exchange.HostPattern) int {
	if !strings.HasPrefix(string(p), "*") {
		return 1 << 16
	}
	return len(p)
}

// Verdict is what a device made of a handshake.
type Verdict string

// The verdicts.
const (
	Refused  Verdict = "refused"
	Accepted Verdict = "accepted" // it sent data over the connection
	Silent   Verdict = "silent"   // it finished the handshake, and the connection ended with nothing said
)

// Outcome is the end of an encounter.
type Outcome struct {
	Verdict Verdict
	// Detail is how the device refused or accepted, in a few words.
	Detail string
	Client netip.AddrPort
}

// Encounter is a handshake that meets a fault.
type Encounter struct {
	Fault   Fault
	settled func(Outcome)
	once    sync.Once
}

// Settle notes the outcome, the first time it is called, and reports whether that was
// the first time.
func (e *Encounter) Settle(o Outcome) (first bool) {
	e.once.Do(func() {
		first = true
		if e.settled != nil {
			e.settled(o)
		}
	})
	return first
}

// Audit has the handshakes for a pattern meet one fault after another.
type Audit struct {
	host exchange.HostPattern
	t    *Table
	step atomic.Pointer[step]
}

// step is a fault of an audit.
type step struct {
	fault   Fault
	settled func(Outcome)
}

// Audit begins an audit, before which nothing else counts for the pattern. It begins
// with control handshakes. ok is false when there is one already.
func (t *Table) Audit(host exchange.HostPattern) (a *Audit, ok bool) {
	a = &Audit{host: host, t: t}
	a.Next(Fault{}, nil)
	t.change(func() {
		if ok = t.audits[host] == nil; ok {
			if t.audits == nil {
				t.audits = map[exchange.HostPattern]*Audit{}
			}
			t.audits[host] = a
		}
	})
	return a, ok
}

// Next has handshakes that begin from now on meet a fault. Settled is called with the
// outcome of each of them, from any goroutine, also when the audit has gone on.
func (a *Audit) Next(f Fault, settled func(Outcome)) { a.step.Store(&step{f, settled}) }

// End ends the audit. What was set before is in force again.
func (a *Audit) End() {
	a.t.change(func() { delete(a.t.audits, a.host) })
}

func (a *Audit) meet() *Encounter {
	s := a.step.Load()
	return &Encounter{Fault: s.fault, settled: s.settled}
}
