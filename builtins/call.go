package builtins

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.starlark.net/starlark"

	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
	"starproxy/builtins/state"
)

// Env is what all scripts of a host share. It is for any number of goroutines.
type Env struct {
	State  *state.Store
	Random *Random
	// Clock tells the time; never nil.
	Clock func() time.Time
	Log   *slog.Logger
	// Getenv reads an environment variable; env() asks only for those of its
	// allow-list.
	Getenv func(string) string
	// Merge lays a patch over a JSON value; nil when merge() is not to be had.
	Merge func(target any, patch jsonvalue.Object) any
	// Match compiles conditions on requests, JSON as below match: in a
	// scenario; nil when matcher() is not to be had.
	Match func(conditions []byte) (func(*exchange.Exchange) bool, error)
	// Manual is the clock of a test, which Clock then shows; else nil.
	Manual *Clock
	// Test answers the calls of a test; else nil.
	Test Tester
	// Tasks are what is done after answers; never nil.
	Tasks *Tasks
	// Background calls a function of a script outside of any request, and tells
	// the log of its failure.
	Background func(context.Context, starlark.Callable, *Defaults)
	// Deliver sends a webhook, or tells why it can't be sent; nil drops it. In a
	// test it counts for nothing: what is sent is kept.
	Deliver func(context.Context, *Webhook)
	// MaxBody bounds, in bytes, how much of a request body scripts can see.
	MaxBody int
	// MaxResult bounds, in bytes, what one operation may make; 0 means
	// [MaxResult].
	MaxResult int
	// Defaults are those of answers that scripts make.
	Defaults Defaults

	mu         sync.Mutex
	counters   map[string]int64
	patterns   map[string]*pattern
	remembered int // instructions of patterns
	era        atomic.Uint64
	calls      atomic.Uint64 // of tests
	outbox     []*Webhook    // of a test
}

// NewEnv makes an environment with a store, a random source (seeded by chance)
// and the system's clock.
func NewEnv() *Env {
	return &Env{
		State:   state.New(),
		Random:  NewRandom(nil),
		Clock:   time.Now,
		Log:     slog.New(slog.DiscardHandler),
		Getenv:  os.Getenv,
		MaxBody: 16 << 20,
		Tasks:   NewTasks(nil),
	}
}

// Reset puts counters, cells and a seeded random source back to where they
// began. The state store is left alone.
func (e *Env) Reset() {
	e.mu.Lock()
	e.counters = nil
	e.mu.Unlock()
	e.era.Add(1)
	e.Random.Reset()
}

// The bounds of counters: their names may come from clients.
const (
	maxCounters    = 10_000
	maxCounterName = 1024
)

// count adds one to a named counter and gives its value, 1 at first.
func (e *Env) count(name string) (int64, error) {
	if len(name) > maxCounterName {
		return 0, fmt.Errorf("counter: the name has %d bytes, want at most %d", len(name), maxCounterName)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.counters == nil {
		e.counters = map[string]int64{}
	}
	if _, known := e.counters[name]; !known && len(e.counters) >= maxCounters {
		return 0, fmt.Errorf("counter: there are %d counters already, which is the most", maxCounters)
	}
	e.counters[name]++
	return e.counters[name], nil
}

// Bounds are what limits a run, as its host has it.
type Bounds interface {
	// Waits is called before a builtin waits for something outside, Waited
	// after it.
	Waits()
	Waited()
	// Aside runs fn, which nothing can interrupt, beside the run, and waits for
	// it. It fails with the reason when the run ends first; nobody may use what
	// fn makes then.
	Aside(fn func()) error
	// Charge counts steps of work that the interpreter does not see. It fails
	// when the run has not so many left, and ends the run.
	Charge(steps int) error
	// Reserve claims bytes that are about to be allocated; it fails when there
	// are not so many left.
	Reserve(bytes int) error
	// Ended tells why the run was ended from outside, if it was.
	Ended() error
}

// Call is one run of a script: the thread that runs it and what it is about.
// Its fields are set before the run and cleared after it.
type Call struct {
	Env    *Env
	Thread *starlark.Thread
	// Context ends the run.
	Context context.Context
	// Exchange is the request being answered, nil outside of requests.
	Exchange *exchange.Exchange
	// Deadline ends the run by the clock on the wall; zero means none.
	Deadline time.Time
	// Defaults are those of the answers that the run makes; nil means the
	// environment's.
	Defaults *Defaults
	// Bounds are those of the run; nil means that there are none.
	Bounds Bounds

	request   *Request
	forwarded []forwarded
}

// callKey is the thread-local name of the Call.
const callKey = "starproxy"

// Attach makes c the Call of its thread.
func (c *Call) Attach() { c.Thread.SetLocal(callKey, c) }

// CallOf finds the Call of a running thread.
func CallOf(thread *starlark.Thread) *Call {
	c, _ := thread.Local(callKey).(*Call)
	return c
}

// Clear forgets the exchange, so that a pooled thread keeps nothing alive.
func (c *Call) Clear() {
	if c.request != nil {
		c.request.call = nil
	}
	c.Context, c.Exchange, c.request, c.Defaults = nil, nil, nil, nil
}

// defaults are those of answers made here.
func (c *Call) defaults() *Defaults {
	if c.Defaults != nil {
		return c.Defaults
	}
	return &c.Env.Defaults
}

// Request is the exchange's request as scripts see it; the same value for the
// whole run.
func (c *Call) Request() *Request {
	if c.request == nil {
		c.request = &Request{x: c.Exchange, maxBody: c.Env.MaxBody, call: c}
	}
	return c.request
}

// current gives the request being answered or an error that names fn.
func (c *Call) current(fn string) (*Request, error) {
	if c.Exchange == nil {
		return nil, fmt.Errorf("%s: there is no request here", fn)
	}
	return c.Request(), nil
}

// Sleep waits, at most until the run's deadline. In a test it moves the clock
// on instead.
func (c *Call) Sleep(d time.Duration) error {
	if c.Env.Manual != nil {
		c.waits()
		c.Env.Manual.Advance(d)
		c.waited()
		return c.alive()
	}
	if err := c.alive(); err != nil {
		return err
	}
	late := false
	if !c.Deadline.IsZero() {
		if left := time.Until(c.Deadline); left < d {
			d, late = left, true
		}
	}
	c.waits()
	err := exchange.Sleep(c.Context, d)
	c.waited()
	if err == nil && late {
		return ErrTime
	}
	return err
}

func (c *Call) waits() {
	if c != nil && c.Bounds != nil {
		c.Bounds.Waits()
	}
}

func (c *Call) waited() {
	if c != nil && c.Bounds != nil {
		c.Bounds.Waited()
	}
}

// ErrTime ends a run that took too long by the clock on the wall.
var ErrTime = errors.New("time limit exceeded")

// PanicError is a panic inside a builtin.
type PanicError struct {
	Func  string
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("%s: internal error: %v", e.Func, e.Value) }

// rescue turns a panic into an error.
func rescue(fn string, err *error) {
	if v := recover(); v != nil {
		*err = &PanicError{Func: fn, Value: v, Stack: debug.Stack()}
	}
}
