// Package hold holds exchanges that a filter expression picks, so that a person or a test
// can look at them and change them before they go on: the request before it is answered,
// the response before the device gets it.
//
// A held exchange waits on its own goroutine, without a lock. It ends when somebody
// releases it, answers it or aborts it, when its time is over, and when its device leaves.
//
// driver makes one Table and puts it in front of all handlers.
package hold

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
	"starproxy/builtins/follow"
	"starproxy/driver/capture"
	"starproxy/driver/filter"
)

// The bounds of held exchanges.
const (
	// MaxHeld is how many exchanges are held at the same time. Further ones pass.
	MaxHeld = 100
	// MaxBody is the largest body that can be edited, in bytes as it was sent and as it
	// is with its content encoding undone. Of a larger one the beginning is shown.
	MaxBody = 1 << 20
	// DefaultTimeout is how long an exchange is held, MaxTimeout the longest time.
	DefaultTimeout = 60 * time.Second
	MaxTimeout     = time.Hour
	// idle is how long a body may pause before the exchange is held with what came.
	idle = 500 * time.Millisecond
)

// Side is the side of an exchange on which it is held.
type Side string

// The sides.
const (
	Request  Side = "request"
	Response Side = "response"
	// Both is for rules: each side is held by itself.
	Both Side = "both"
)

// Rule says which exchanges are held.
type Rule struct {
	// Expr is a filter expression. It is asked about the request before it is answered,
	// and about the request with its response.
	Expr string
	Side Side
	// Timeout is after which time an exchange goes on unchanged.
	Timeout time.Duration

	filter capture.Filter // nil matches all
	bodies bool           // the filter looks into bodies
}

// on reports whether the rule is about a side.
func (r *Rule) on(s Side) bool { return r.Side == s || r.Side == Both }

// Table has the rule in force, and the exchanges that are held. The zero value holds
// nothing and is ready for use, by any number of goroutines.
type Table struct {
	// Flights are told which exchanges are held. Nil tells nobody.
	Flights *capture.Flights

	active  atomic.Pointer[Rule] // nil while nothing is to be held
	passed  atomic.Uint64
	changed follow.Notice

	mu      sync.Mutex // never held while an exchange waits
	rule    *Rule      // nil for none
	stopped bool       // the proxy does not run
	held    []*Held    // in the order in which they came
}

// Set puts a rule in force. Exchanges that are held stay held.
func (t *Table) Set(expr string, side Side, timeout time.Duration) error {
	x, err := filter.Parse(expr)
	switch {
	case err != nil:
		return err
	case strings.TrimSpace(expr) == "":
		return fmt.Errorf("got no filter expression, want one such as ~u login")
	case side != Request && side != Response && side != Both:
		return fmt.Errorf("side: got %s, want request, response or both", excerpt.Quote(string(side)))
	case timeout <= 0 || timeout > MaxTimeout:
		return fmt.Errorf("timeout: got %v, want more than 0 s and at most %v", timeout, MaxTimeout)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rule = &Rule{Expr: expr, Side: side, Timeout: timeout, filter: x.Filter(nil, nil), bodies: x.Bodies()}
	t.settle()
	return nil
}

// Off removes the rule and releases all that is held. It returns how many that were.
func (t *Table) Off() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rule = nil
	t.settle()
	return t.releaseAll("the intercept was switched off")
}

// Run lets the rule act. It is called when the proxy starts.
func (t *Table) Run() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = false
	t.settle()
}

// Stop releases all that is held. Nothing is held before the next Run.
func (t *Table) Stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	t.settle()
	t.releaseAll("the proxy was stopped")
}

// settle puts the rule in force, or none. The caller holds t.mu.
func (t *Table) settle() {
	r := t.rule
	if t.stopped {
		r = nil
	}
	t.active.Store(r)
	t.changed.Notify()
}

// Rule returns the rule that was set; ok is false for none.
func (t *Table) Rule() (r Rule, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rule == nil {
		return Rule{}, false
	}
	return *t.rule, true
}

// Changed returns a channel that is closed when the rule or what is held changes next.
func (t *Table) Changed() <-chan struct{} { return t.changed.Changed() }

// Changes counts the changes of the rule and of what is held.
func (t *Table) Changes() uint64 { return t.changed.Count() }

// Passed returns how many exchanges went on because too many were held.
func (t *Table) Passed() uint64 { return t.passed.Load() }

// List returns what is held, in the order in which it came.
func (t *Table) List() []*Held {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.held)
}

// Get returns the held exchange with the number id, or nil.
func (t *Table) Get(id uint64) *Held {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := t.index(id); i >= 0 {
		return t.held[i]
	}
	return nil
}

func (t *Table) index(id uint64) int {
	return slices.IndexFunc(t.held, func(h *Held) bool { return h.ID == id })
}

// add begins to hold. It reports false if too many are held, or nothing is to be held any
// more.
func (t *Table) add(h *Held) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.active.Load() == nil:
		return false
	case len(t.held) >= MaxHeld:
		t.passed.Add(1)
		h.full = true
		return false
	}
	t.held = append(t.held, h)
	t.changed.Notify()
	return true
}

// decision is what becomes of a held exchange.
type decision struct {
	change *Change // nil for none
	answer *Answer // in place of any other response; nil for none
	abort  bool
	why    string // how it came to go on
}

// decide ends the holding of h. It reports false if that was over already.
func (t *Table) decide(h *Held, d decision) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.Index(t.held, h)
	if i < 0 {
		return false
	}
	t.held = slices.Delete(t.held, i, i+1)
	h.decided <- d
	t.changed.Notify()
	return true
}

// leave ends the holding of an exchange whose device has gone, or whose time is over. If
// somebody decided at the same moment, it returns what.
func (t *Table) leave(h *Held, why string) decision {
	t.decide(h, decision{why: why})
	return <-h.decided
}

// ReleaseAll lets all go on unchanged, and returns how many that were.
func (t *Table) ReleaseAll() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.releaseAll("released with all others")
}

func (t *Table) releaseAll(why string) int {
	n := len(t.held)
	for _, h := range t.held {
		h.decided <- decision{why: why}
	}
	if t.held = nil; n > 0 {
		t.changed.Notify()
	}
	return n
}

// Release lets the held exchange go on, changed as c says.
func (t *Table) Release(h *Held, c *Change) bool {
	return t.decide(h, decision{change: c, why: "released by hand"})
}

// Answer answers the held exchange. A held response is replaced.
func (t *Table) Answer(h *Held, a *Answer) bool {
	return t.decide(h, decision{answer: a, why: "answered by hand"})
}

// Abort resets the connection of the held exchange, or its stream over HTTP/2.
func (t *Table) Abort(h *Held) bool {
	return t.decide(h, decision{abort: true, why: "aborted by hand"})
}

// wait holds an exchange until somebody decides, its time is over, or ctx ends, which it
// then returns the error of.
func (t *Table) wait(ctx context.Context, h *Held) (decision, error) {
	timer := time.NewTimer(time.Until(h.Until))
	defer timer.Stop()
	select {
	case d := <-h.decided:
		return d, nil
	case <-timer.C:
		return t.leave(h, timedOut), nil
	case <-ctx.Done():
		return t.leave(h, "the device has gone"), ctx.Err()
	}
}

// timedOut is how an exchange went on that nobody decided about.
const timedOut = "released unchanged: nobody decided in time"

// Handler returns a handler that answers as next does, and holds what the rule picks.
// Without a rule it costs one look at a pointer.
func (t *Table) Handler(next exchange.Handler) exchange.Handler { return &handler{t, next} }
