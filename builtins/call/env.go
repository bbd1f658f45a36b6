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

	"starproxy/builtins/clock"
	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
	"starproxy/builtins/pattern"
	"starproxy/builtins/state"
)

// Env has the values that all scripts of a host share. Any number of goroutines may
// use it.
type Env struct {
	State  *state.Store
	Random *Random
	// Clock tells the time. It is never nil.
	Clock *clock.Clock
	Log   *slog.Logger
	// Getenv reads an environment variable; env() asks only for those of its
	// allow-list.
	Getenv func(string) string
	// Merge merges a patch into a JSON value. Nil means that merge() is an error.
	Merge func(target any, patch jsonvalue.Object) any
	// Match compiles conditions on requests, in JSON with the keys of match: in a
	// scenario. Nil means that matcher() is an error.
	Match func(conditions []byte) (func(*exchange.Exchange) bool, error)
	// Expect checks the requests of a test. Nil means that assert.expect() is an error.
	Expect Expecter
	// Manual says that Clock is that of a test: it moves only when the test or a
	// sleep moves it, and delayed functions run in the call that moves it.
	Manual bool
	// Test answers the calls of a test; else nil.
	Test Tester
	// Tasks has the functions that run after answers. It is never nil.
	Tasks *Tasks
	// Background calls a function of a script outside of any request, and logs its
	// error.
	Background func(context.Context, starlark.Callable, *Defaults)
	// Deliver sends a webhook, or reports why it can't be sent. Nil drops webhooks.
	// In a test it is not called: the environment keeps the webhooks.
	Deliver func(context.Context, *Webhook)
	// Mark tells that an event of a name has happened. Nil ignores events.
	Mark func(name string) error
	// MaxBody is the largest request body that scripts can read, in bytes.
	MaxBody int
	// MaxResult is the memory that one operation may allocate, in bytes. 0 means
	// [MaxResult].
	MaxResult int
	// Reserve reserves bytes that a script is about to allocate. It returns an error
	// if all scripts together would then hold too much. Nil means no limit.
	Reserve func(bytes int) error
	// Defaults are the defaults of answers that scripts make.
	Defaults Defaults

	// Patterns are the regular expressions of the scripts.
	Patterns pattern.Memory

	began    time.Time
	mu       sync.Mutex
	counters map[string]int64
	era      atomic.Uint64
	calls    atomic.Uint64 // of a test
	outbox   []*Webhook    // of a test
	made     []*Made       // of a test
}

// NewEnv makes an environment with a store, a random source with a random seed, and
// the system's clock.
func NewEnv() *Env {
	clock := new(clock.Clock)
	return &Env{
		State:   state.New(),
		Random:  NewRandom(nil),
		Clock:   clock,
		began:   time.Now(),
		Log:     slog.New(slog.DiscardHandler),
		Getenv:  os.Getenv,
		MaxBody: 16 << 20,
		Tasks:   NewTasks(clock, false),
	}
}

// Monotonic returns the time since some moment. Turns of the clock do not count, but a
// test's clock is the only one in a test.
func (e *Env) Monotonic() time.Duration {
	if e.Manual {
		return e.Clock.Progress()
	}
	return time.Since(e.began)
}

// Reset sets counters, cells and a seeded random source to their initial values. It
// does not change the state store.
func (e *Env) Reset() {
	e.mu.Lock()
	e.counters = nil
	e.mu.Unlock()
	e.era.Add(1)
	e.Random.Reset()
}

// The limits of counters. They are needed because names may come from clients.
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
	// Serve sets the endpoints that Respond uses: a dict of endpoints or the path of
	// a scenario. upstream answers instead of the real server. Nil changes nothing.
	Serve(scenario starlark.Value, upstream starlark.Callable) error
	exchange.Handler
}
