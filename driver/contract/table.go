package contract

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Table has the contract in force, and counts what was checked. The zero value is ready
// for use, without a contract.
type Table struct {
	current atomic.Pointer[Contract]

	mu     sync.Mutex
	last   *Contract // whose counts these are
	counts map[string]*tally
	groups map[groupKey]*Group
	totals Totals
}

// tally counts the exchanges of one operation.
type tally struct{ exchanges, broken uint64 }

// Totals count exchanges.
type Totals struct {
	// Checked is the number of exchanges of the contract's operations, and of requests
	// that no operation is for.
	Checked uint64 `json:"checked"`
	// Broken is how many of them have a breach.
	Broken uint64 `json:"broken"`
	// Unchecked is the number of exchanges of which a part was not checked, such as a
	// body that is too large.
	Unchecked uint64 `json:"unchecked"`
	// Overload is the number of exchanges that were not checked because too many came
	// at once.
	Overload uint64 `json:"overload"`
	// Outside is the number of exchanges that the contract is not about.
	Outside uint64 `json:"outside"`
}

type groupKey struct{ operation, side, kind, at, place string }

// maxGroups bounds how many different breaches are counted on their own.
const maxGroups = 1000

// Group is a breach that came once or more.
type Group struct {
	Breach
	// Count is how often it came.
	Count uint64 `json:"count"`
}

// Set puts a contract in force; nil for none. The counts begin again unless the contract
// is of the same file as the one before.
func (t *Table) Set(c *Contract) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c != nil {
		if t.last == nil || t.last.File != c.File {
			t.counts, t.groups, t.totals = nil, nil, Totals{}
		}
		t.last = c
	}
	t.current.Store(c)
}

// Current returns the contract in force, or nil.
func (t *Table) Current() *Contract { return t.current.Load() }

// Overload counts an exchange that was not checked.
func (t *Table) Overload() {
	t.mu.Lock()
	t.totals.Overload++
	t.mu.Unlock()
}

// Outside counts an exchange that the contract is not about.
func (t *Table) Outside() {
	t.mu.Lock()
	t.totals.Outside++
	t.mu.Unlock()
}

// Count counts the result of a check.
func (t *Table) Count(r *Result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.Outside {
		t.totals.Outside++
		return
	}
	t.totals.Checked++
	if len(r.Unchecked) > 0 {
		t.totals.Unchecked++
	}
	if len(r.Breaches) > 0 {
		t.totals.Broken++
	}
	if r.Operation != nil {
		if t.counts == nil {
			t.counts = map[string]*tally{}
		}
		n := t.counts[r.Operation.Name]
		if n == nil {
			n = &tally{}
			t.counts[r.Operation.Name] = n
		}
		n.exchanges++
		if len(r.Breaches) > 0 {
			n.broken++
		}
	}
	for _, b := range r.Breaches {
		t.group(b)
	}
}

// group counts a breach; t.mu is held.
func (t *Table) group(b Breach) {
	key := groupKey{b.Operation, b.Side, b.Kind, withoutIndices(b.At), b.Place}
	if g := t.groups[key]; g != nil {
		g.Count++
		return
	}
	if len(t.groups) >= maxGroups {
		return
	}
	if t.groups == nil {
		t.groups = map[groupKey]*Group{}
	}
	t.groups[key] = &Group{b, 1}
}

// withoutIndices replaces the numbers of a pointer, so that breaches in each element of
// a list are one.
func withoutIndices(at string) string {
	parts := strings.Split(at, "/")
	for i, p := range parts[1:] {
		if p != "" && strings.Trim(p, "0123456789") == "" {
			parts[i+1] = "*"
		}
	}
	return strings.Join(parts, "/")
}

// Report is what became of a contract.
type Report struct {
	// Contract names the document; empty for none, and then all else is empty.
	Contract string `json:"contract"`
	// File is the name of the document.
	File string `json:"file"`
	Mode Mode   `json:"mode"`
	Totals
	// Operations in the order of the document.
	Operations []OperationCount `json:"operations"`
	// NeverMet are the names of the operations without an exchange.
	NeverMet []string `json:"never_met"`
	// Breaches, by operation and place, each with the first example.
	Breaches []Group `json:"breaches"`
}

// OperationCount is an operation with its counts.
type OperationCount struct {
	// Name is method and path: "GET /dogs/{dogId}".
	Name string `json:"name"`
	// ID is the operationId.
	ID string `json:"id"`
	// Place is the place in the document.
	Place string `json:"place"`
	// Exchanges is how many there were, and Broken how many of them have a breach.
	Exchanges uint64 `json:"exchanges"`
	Broken    uint64 `json:"broken"`
}

// Report returns the counts of the contract in force. Without one, it has those of the
// contract that was in force last.
func (t *Table) Report() Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := Report{Totals: t.totals, Operations: []OperationCount{}, NeverMet: []string{}, Breaches: []Group{}}
	if t.last == nil {
		return r
	}
	r.Contract, r.File, r.Mode = t.last.Named(), filepath.Base(t.last.File), t.last.Mode
	for _, op := range t.last.Operations {
		n := OperationCount{Name: op.Name, ID: op.ID, Place: op.Place}
		if c := t.counts[op.Name]; c != nil {
			n.Exchanges, n.Broken = c.exchanges, c.broken
		} else {
			r.NeverMet = append(r.NeverMet, op.Name)
		}
		r.Operations = append(r.Operations, n)
	}
	for _, key := range slices.SortedFunc(maps.Keys(t.groups), func(a, b groupKey) int {
		return slices.Compare([]string{a.operation, a.side, a.kind, a.at, a.place}, []string{b.operation, b.side, b.kind, b.at, b.place})
	}) {
		r.Breaches = append(r.Breaches, *t.groups[key])
	}
	return r
}
