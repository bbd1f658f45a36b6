package faultplan

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"starproxy/builtins/follow"
	"starproxy/driver/mock"
)

// Options configure a Table.
type Options struct {
	// Seed makes the faults repeatable that have a probability. Nil means a random
	// one.
	Seed *uint64
	// Now tells the time. Default time.Now.
	Now func() time.Time
	// Progress tells how far the clock of Now has moved forward since any fixed
	// moment. Times of plans are differences of it: a clock that is turned back makes
	// none of them later. Default: the differences of Now.
	Progress func() time.Duration
}

// Table has the plans in force: those of the loaded scenario, and above them those
// that methods have set. A plan takes the place of one with the same name in the lower
// layer. Of several plans whose turn it is, the first one acts: those of methods come
// first, then the order of the scenario counts.
type Table struct {
	seed     uint64
	now      func() time.Time
	progress func() time.Duration
	active   atomic.Pointer[force] // nil while there is no plan
	changed  follow.Notice
	events   events

	mu       sync.Mutex // held by changes
	scenario []*Plan
	set      []*Plan
	gone     map[string]bool // names of the scenario's plans that were cleared
}

// force is the plans in force. It is not changed.
type force struct {
	slots []*slot
	// keys are the requests that are events.
	keys map[string]*mock.Match
}

// slot is a plan in force.
type slot struct {
	*Plan
	set    bool        // by a method
	loop   *mock.Match // the server and the path of a redirect_loop; else nil
	counts *counts
}

// New makes a Table without plans.
func New(o Options) *Table {
	t := &Table{now: o.Now, progress: o.Progress, seed: rand.Uint64()}
	if t.now == nil {
		t.now = time.Now
	}
	if t.progress == nil {
		first := t.now()
		t.progress = func() time.Duration { return t.now().Sub(first) }
	}
	if o.Seed != nil {
		t.seed = *o.Seed
	}
	return t
}

// Install replaces the plans of the scenario. A plan whose definition is the same as
// before keeps its counters, and cleared plans stay cleared.
func (t *Table) Install(plans []*Plan) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(plans) == 0 && len(t.scenario) == 0 {
		return
	}
	t.scenario = plans
	t.build()
}

// MaxPlans bounds how many plans a scenario may have, and how many methods may set: each
// request is compared with all of them.
const MaxPlans = 1000

// Set puts a plan in force, above those of the scenario. It returns an error if there
// are too many.
func (t *Table) Set(p *Plan) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	set := slices.Clone(t.set)
	if i := slices.IndexFunc(set, p.named); i >= 0 {
		set[i] = p
	} else if len(set) >= MaxPlans {
		return fmt.Errorf("got more than %d plans", MaxPlans)
	} else {
		set = append(set, p)
	}
	t.set = set
	t.build()
	for _, s := range t.active.Load().slots {
		if s.Plan == p {
			s.counts.begin(t.progress())
		}
	}
	return nil
}

// named reports whether another plan has the same name.
func (p *Plan) named(other *Plan) bool { return p.Name == other.Name }

// same reports whether a plan can have the counters of another one.
func (p *Plan) same(other *Plan) bool {
	return p == other || reflect.DeepEqual(p.Definition, other.Definition)
}

// Clear takes the plan of that name out of force, or all plans if name is empty. Those
// of the scenario come back by Restart and Reset. It returns the number of plans that
// were in force.
func (t *Table) Clear(name string) (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	gone := map[string]bool{}
	for _, p := range t.scenario {
		gone[p.Name] = t.gone[p.Name] || name == "" || p.Name == name
	}
	if f := t.active.Load(); f != nil {
		for _, s := range f.slots {
			if name == "" || s.Name == name {
				n++
			}
		}
	}
	t.gone = gone
	t.set = slices.DeleteFunc(slices.Clone(t.set), func(p *Plan) bool { return name == "" || p.Name == name })
	t.build()
	return n
}

// Reset undoes Set and Clear: the plans of the scenario are in force. All counters begin
// anew, and no event has happened.
func (t *Table) Reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.set, t.gone = nil, nil
	t.build()
	t.restart()
}

// Restart begins all counters anew. No event has happened then. Plans of the scenario
// that were cleared are in force again.
func (t *Table) Restart() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gone = nil
	t.build()
	t.restart()
}

func (t *Table) restart() {
	t.events.clear()
	f := t.active.Load()
	if f == nil {
		return
	}
	now := t.progress()
	for _, s := range f.slots {
		s.counts.begin(now)
	}
	t.changed.Notify()
}

// build puts the plans in force. Plans that are the same as before keep their counters.
// The caller holds t.mu.
func (t *Table) build() {
	old := map[string]*slot{}
	if f := t.active.Load(); f != nil {
		for _, s := range f.slots {
			old[s.Name] = s
		}
	}
	f := &force{keys: map[string]*mock.Match{}}
	add := func(p *Plan, set bool) {
		s := &slot{Plan: p, set: set}
		if p.Do.Kind == LoopKind {
			s.loop = &mock.Match{Scheme: p.Match.Scheme, Host: p.Match.Host, Port: p.Match.Port, Path: p.Match.Path}
			_ = s.loop.Compile() // it compiled in p.Match
		}
		if before := old[p.Name]; before != nil && before.set == set && before.same(p) {
			s.counts = before.counts
		} else {
			s.counts = newCounts(t.seed, p.Name, t.progress())
		}
		if since := p.When.Since; since.Request != nil {
			f.keys[since.Key] = since.Request
		}
		f.slots = append(f.slots, s)
	}
	for _, p := range t.set {
		add(p, true)
	}
	for _, p := range t.scenario {
		if !t.gone[p.Name] && !slices.ContainsFunc(t.set, p.named) {
			add(p, false)
		}
	}
	if len(f.slots) == 0 {
		f = nil
	}
	t.active.Store(f)
	t.changed.Notify()
}

// Changed returns a channel that is closed when the plans change next.
func (t *Table) Changed() <-chan struct{} { return t.changed.Changed() }

// Mark tells that an event happened now. It returns an error if too many different
// events have happened.
func (t *Table) Mark(name string) error { return t.events.mark(t.event(name)) }

// event returns an event that happens now.
func (t *Table) event(name string) event { return event{name, t.now(), t.progress()} }

// Report is a plan in force with its counters.
type Report struct {
	Plan *Plan
	// Set is true for a plan that a method has set.
	Set bool
	// Requests is the number of requests that fit and came in time. Fired is the
	// number of those that met the fault, and Last the time of the latest one.
	Requests, Fired uint64
	Last            time.Time
}

// Report returns the plans in force in the order in which they are asked.
func (t *Table) Report() []Report {
	f := t.active.Load()
	if f == nil {
		return nil
	}
	list := make([]Report, len(f.slots))
	for i, s := range f.slots {
		s.counts.mu.Lock()
		list[i] = Report{Plan: s.Plan, Set: s.set, Requests: s.counts.requests, Fired: s.counts.fired, Last: s.counts.last}
		s.counts.mu.Unlock()
	}
	return list
}

// maxEvents bounds how many different events a Table knows the time of.
const maxEvents = 1000

// event is an event that has happened.
type event struct {
	name     string
	at       time.Time // by the clock
	progress time.Duration
}

// events are the latest events, by their names.
type events struct {
	mu     sync.Mutex
	latest map[string]event
}

func (e *events) mark(now event) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, known := e.latest[now.name]; !known && len(e.latest) >= maxEvents {
		return fmt.Errorf("got more than %d different events", maxEvents)
	}
	if e.latest == nil {
		e.latest = map[string]event{}
	}
	e.latest[now.name] = now
	return nil
}

// of returns the latest event of that name, or nil.
func (e *events) of(name string) *event {
	e.mu.Lock()
	defer e.mu.Unlock()
	if at, happened := e.latest[name]; happened {
		return &at
	}
	return nil
}

func (e *events) clear() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.latest = nil
}
