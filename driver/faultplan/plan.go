// Package faultplan has plans of faults: which requests meet a fault, when, and which
// one. A [Table] has the plans in force. Its handler lets them act on requests that
// mocks, recordings and real servers answer.
//
// Package scenario makes plans from documents, and package driver owns the Table. Any
// number of goroutines may use a Table.
package faultplan

import (
	"slices"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/mock"
)

// Plan says which requests meet a fault. It is not changed once a Table has it.
type Plan struct {
	// Name is unique in a Table.
	Name string
	// Match decides which requests the plan is about. It must be compiled.
	Match *mock.Match
	// When decides which of these requests meet the fault.
	When When
	// Do is the fault.
	Do Do
	// Source is the place of the plan in its document. It is empty for a plan that a
	// method has set.
	Source mock.Source
	// Definition is the plan as its document has it, a JSON value.
	Definition any
}

// String returns the fault and the place or the name of its plan, for people and for
// captures: "fault reset (ota.yaml:12)".
func (p *Plan) String() string {
	at := p.Source.String()
	if at == "" {
		at = p.Name
	}
	return "fault " + p.Do.Kind + " (" + at + ")"
}

// When decides which of the requests that fit a plan meet the fault. All conditions
// that are set must hold. The zero value is every request. Requests are counted from
// 1, and only those that come from From until To count.
type When struct {
	// Nth are the numbers of the requests.
	Nth []int64
	// Every is the distance between two of the requests: 3 means the third, the
	// sixth and so on. Default 1.
	Every int64
	// Probability is the share of the requests, from 0 to 1, that chance decides.
	// Nil means all.
	Probability *float64
	// From and To bound the time since Since. A To of 0 means no end.
	From, To time.Duration
	// Since is the event from which the time is counted. Default: the start.
	Since Since
	// Times bounds how often the fault occurs. 0 means no bound.
	Times int64
	// PerClient counts requests and faults of each address of a client by itself.
	PerClient bool
}

// Since is an event. The zero value is the start: the time when the plan was put in
// force, or, if that is later, when the proxy was started or reset.
type Since struct {
	// Name is that of a plan, whose faults are the events, or of an event that
	// [Table.Mark] tells. Empty for the start and for a request.
	Name string
	// Request makes each request that fits it the event. It must be compiled.
	Request *mock.Match
	// Key is the text from which Request was made.
	Key string
}

// start reports whether the event is the start.
func (s Since) start() bool { return s.Name == "" && s.Request == nil }

// event returns the name under which a Table keeps the time of the event.
func (s Since) event() string {
	if s.Request != nil {
		return s.Key
	}
	return s.Name
}

// Do is the fault of a plan.
type Do struct {
	// Fault has the kind, which may also be one of those that [Kinds] has in
	// addition, and its values.
	exchange.Fault
	// Lost makes a reset, close, garbage or stall before any byte one that loses the
	// answer: the server or the mock is asked, and its answer is dropped. Default: it
	// is not asked.
	Lost bool
	// Status is that of a status (default 503) or of a redirect_loop (default 307).
	Status int
	// RetryAfter is the header Retry-After of a status. Empty means none.
	RetryAfter string
	// Body is the text of a status. Default: the words for the status.
	Body string
	// Hops is the number of redirects after which a redirect_loop leads back to the
	// first URL. 0 means never.
	Hops int
}

// Kinds of faults that are answers of their own.
const (
	// StatusKind answers with an error in place of the server.
	StatusKind = "status"
	// LoopKind redirects to the same resource again and again.
	LoopKind = "redirect_loop"
)

// Kinds returns the kinds of faults, in alphabetical order.
func Kinds() []string {
	kinds := append(exchange.Faults(), StatusKind, LoopKind)
	slices.Sort(kinds)
	return kinds
}

// own reports whether the plan answers itself, without the answer of anybody else.
func (d *Do) own() bool { return d.Kind == StatusKind || d.Kind == LoopKind || d.Bare() && !d.Lost }

// needsBody reports whether the fault is in the body of an answer.
func (d *Do) needsBody() bool {
	return !d.own() && !d.Bare() && !(d.Kind == "stall" && d.After.IsZero())
}
