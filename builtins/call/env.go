package call

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.starlark.net/starlark"

	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
	"starproxy/builtins/pattern"
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
	// Reserve claims bytes that a script is about to allocate. It fails when all
	// scripts together would hold too much then; nil means that there is no bound.
	Reserve func(bytes int) error
	// Defaults are those of answers that scripts make.
	Defaults Defaults

	// Patterns are the regular expressions of the scripts.
	Patterns pattern.Memory

	mu       sync.Mutex
	counters map[string]int64
	era      atomic.Uint64
	calls    atomic.Uint64 // of a test
	outbox   []*Webhook    // of a test
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

// Count adds one to a named counter and returns its value, 1 at first.
func (e *Env) Count(name string) (int64, error) {
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

// Era returns the number of resets so far.
func (e *Env) Era() uint64 { return e.era.Load() }

// NextCall numbers the calls of a test: 1, 2 and so on.
func (e *Env) NextCall() uint64 { return e.calls.Add(1) }

// Outbox lists the webhooks that a test has sent.
func (e *Env) Outbox() []*Webhook {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.outbox)
}

// Tester answers the calls of a test.
type Tester interface {
	// Serve makes what Respond asks: a dict of endpoints or the path of a
	// scenario. upstream stands in for the real server; nil leaves it as it is.
	Serve(scenario starlark.Value, upstream starlark.Callable) error
	exchange.Handler
}
