// Package script runs Starlark: template expressions, the rules and sequences
// of scenarios, and the examples of the documentation.
//
// A Host and everything that it makes may be used by any number of goroutines: each
// call runs on a thread of its own from a pool.
//
// Package scenario compiles endpoints with a Host; driver has one for each proxy.
package script

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.starlark.net/starlark"

	"starproxy/builtins"
	"starproxy/builtins/call"
	"starproxy/builtins/clock"
	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
	"starproxy/builtins/state"
	"starproxy/script/sandbox"
)

// Options configure a Host. The zero value is ready for use.
type Options struct {
	// State is the store that scripts share with the test; nil makes a new one.
	State *state.Store
	// Seed makes random values repeatable; nil means other values each time.
	Seed *uint64
	// Log gets the output of print and the errors of scripts; nil drops them.
	Log *slog.Logger
	// Clock tells the time. Nil means one that nobody turns.
	Clock *clock.Clock
	// Getenv reads the environment for env(); nil means the process's own.
	Getenv func(string) string
	// Expect checks the requests of a test against expectations in JSON, for
	// assert.expect(). If it is nil, that function is an error.
	Expect call.Expecter
	// Merge is the deep merge of patches, for merge(target, patch). If it is nil,
	// merge() is an error.
	Merge func(target any, patch jsonvalue.Object) any
	// Match compiles conditions on requests, for matcher(conditions). If it is nil,
	// matcher() is an error.
	Match func(conditions []byte) (func(*exchange.Exchange) bool, error)
	// Answering says how answers are made. A handler may have its own.
	Answering Answering
	// Deliver sends a webhook, or logs why it can't be sent; nil drops it.
	Deliver func(context.Context, *call.Webhook)
	// Secret reports whether a file is one that scripts can't load, such as a
	// private key; nil means that none is.
	Secret func(fs.FileInfo) bool
	// MaxSteps is how many steps of the interpreter one call may take between
	// waits; 0 means DefaultMaxSteps.
	MaxSteps uint64
	// MaxTime is how long one call may take; 0 means DefaultMaxTime.
	MaxTime time.Duration
	// MaxBody is how many bytes of a request body scripts can see; 0 means
	// DefaultMaxBody.
	MaxBody int
	// MaxMemory is how many bytes all scripts together may hold; 0 means
	// DefaultMaxMemory. A single operation may make a quarter of it, and no
	// more than [call.MaxResult].
	MaxMemory uint64
}

// The default limits.
const (
	DefaultMaxSteps  = 10_000_000
	DefaultMaxTime   = 30 * time.Second
	DefaultMaxBody   = 16 << 20
	DefaultMaxMemory = 1 << 30
)

// Host runs scripts with one state store, one random source and one clock.
type Host struct {
	env     *call.Env
	options Options // for copies
	maxTime time.Duration
	sandbox *sandbox.Sandbox
	secret  func(fs.FileInfo) bool

	answering Answering
	scripts   starlark.StringDict // the names that scripts start with
	templates starlark.StringDict // the names of template expressions
	tests     starlark.StringDict // the names of *_test.star; nil outside of tests
	idle      sync.Pool           // of *runner

	failures atomic.Uint64

	mu     sync.Mutex
	stdlib map[string]*module
}

// Failures returns the number of exchanges in which a script of the host failed. An
// exchange whose client left does not count.
func (h *Host) Failures() uint64 { return h.failures.Load() }

// New makes a host.
func New(o Options) *Host {
	env := call.NewEnv()
	if o.State != nil {
		env.State = o.State
	}
	if o.Seed != nil {
		env.Random = call.NewRandom(o.Seed)
	}
	if o.Log != nil {
		env.Log = o.Log
	}
	if o.Clock != nil {
		env.Clock, env.Tasks = o.Clock, call.NewTasks(o.Clock, false)
	}
	if o.Getenv != nil {
		env.Getenv = o.Getenv
	}
	if env.MaxBody = DefaultMaxBody; o.MaxBody > 0 {
		env.MaxBody = o.MaxBody
	}
	limits := sandbox.Limits{Steps: o.MaxSteps, Memory: o.MaxMemory}
	if limits.Steps == 0 {
		limits.Steps = DefaultMaxSteps
	}
	if limits.Memory == 0 {
		limits.Memory = DefaultMaxMemory
	}
	env.MaxResult = int(max(min(limits.Memory/4, call.MaxResult), 1))
	env.Merge, env.Match, env.Expect = o.Merge, o.Match, o.Expect
	env.Defaults = o.Answering.Defaults
	env.Deliver = o.Deliver
	h := &Host{
		env:       env,
		options:   o,
		maxTime:   DefaultMaxTime,
		sandbox:   sandbox.New(limits, env.Log),
		secret:    o.Secret,
		stdlib:    map[string]*module{},
		answering: o.Answering,
	}
	if o.MaxTime > 0 {
		h.maxTime = o.MaxTime
	}
	env.Background, env.Reserve = h.background, h.sandbox.Reserve
	h.scripts, h.templates = h.names(builtins.Everywhere), h.names(builtins.Templates)
	return h
}

// names returns the names that code in a scope starts with, and the guards.
func (h *Host) names(scope builtins.Scope) starlark.StringDict {
	names := builtins.Names(scope)
	maps.Copy(names, builtins.OperandGuards(h.env))
	return names
}

// State returns the store that scripts share with the test.
func (h *Host) State() *state.Store { return h.env.State }

// Reset sets counters, cells (and so sequences) and a seeded random source to their
// initial values, as at the start of a proxy. The state store keeps its values.
func (h *Host) Reset() { h.env.Reset() }

// Random returns the random source of the host's scripts.
func (h *Host) Random() *call.Random { return h.env.Random }

// Now returns the time of the clock that scripts read.
func (h *Host) Now() time.Time { return h.env.Clock.Now() }

// OnEvent has mark called with the names of the events that scripts tell. No handler may
// run meanwhile.
func (h *Host) OnEvent(mark func(name string) error) { h.env.Mark = mark }

// Seed starts the random source anew from seed.
func (h *Host) Seed(seed uint64) { h.env.Random.Seed(seed) }

// Close ends the host and drops the tasks that wait to be done after answers.
// Handlers that are still in use go on to work.
func (h *Host) Close() { h.env.Tasks.Close() }

// Cancel drops the tasks that wait to be done after answers.
func (h *Host) Cancel() { h.env.Tasks.Cancel() }

// Pending returns the number of tasks that wait to be done after answers.
func (h *Host) Pending() int { return h.env.Tasks.Pending() }

// PendingChanged returns a channel that is closed when Pending changes next.
func (h *Host) PendingChanged() <-chan struct{} { return h.env.Tasks.Changed() }

// runner is a thread with its call and its bounds. It serves one call after another.
type runner struct {
	host   *Host
	thread starlark.Thread
	call   call.Call
	bounds *sandbox.Run
	failed error // a panic of the interpreter
}

func (h *Host) newRunner() *runner {
	r := &runner{host: h}
	r.thread.Name = "starlark"
	r.thread.Print = func(_ *starlark.Thread, text string) { r.call.Print(text) }
	r.thread.Load = r.loading(h.load)
	r.bounds = h.sandbox.Join(&r.thread)
	r.call = call.Call{Env: h.env, Thread: &r.thread, Bounds: r.bounds}
	r.call.Attach()
	return r
}

// loading makes the load statement of r's thread from load. The run does not count as
// computing while the file is loaded.
func (r *runner) loading(load func(*starlark.Thread, string) (starlark.StringDict, error)) func(*starlark.Thread,
	string) (starlark.StringDict, error) {
	return func(t *starlark.Thread, name string) (starlark.StringDict, error) {
		r.bounds.Waits()
		defer r.bounds.Waited()
		return load(t, name)
	}
}

// get returns a runner for one call, which is ended after maxTime.
func (h *Host) get(ctx context.Context, x *exchange.Exchange) *runner {
	return h.getUntil(ctx, x, time.Now().Add(h.maxTime))
}

// getUntil is get for a call that is ended at the time until; zero means never.
func (h *Host) getUntil(ctx context.Context, x *exchange.Exchange, until time.Time) *runner {
	r, _ := h.idle.Get().(*runner)
	if r == nil {
		r = h.newRunner()
	}
	r.begin(ctx, x, until)
	return r
}

// begin starts a call.
func (r *runner) begin(ctx context.Context, x *exchange.Exchange, until time.Time) {
	r.call.Context, r.call.Exchange, r.call.Deadline = ctx, x, until
	about := ""
	if x != nil {
		about = x.Endpoint
	}
	r.bounds.Begin(ctx, until, about)
}

// put gives a runner back, unless something went wrong with it.
func (h *Host) put(r *runner) {
	if !r.bounds.Finish() || r.failed != nil || r.thread.CallStackDepth() > 0 {
		r.bounds.Leave()
		return
	}
	r.call.Clear()
	h.idle.Put(r)
}

// run calls fn on the runner's thread. Its error is an *Error.
func (r *runner) run(fn starlark.Value, args starlark.Tuple) (v starlark.Value, err error) {
	defer func() {
		if p := recover(); p != nil {
			r.failed = &call.PanicError{Func: "starlark", Value: p, Stack: debug.Stack()}
			err = r.host.explain(r, r.failed)
		}
	}()
	v, err = starlark.Call(&r.thread, fn, args, nil)
	if err != nil {
		return nil, r.host.explain(r, err)
	}
	return v, nil
}

// Call calls a Starlark function outside of any request.
func (h *Host) Call(ctx context.Context, fn starlark.Value, args ...starlark.Value) (starlark.Value, error) {
	r := h.get(ctx, nil)
	defer h.put(r)
	return r.run(fn, args)
}

// ended returns why the call was ended, or nil.
func (r *runner) ended() error {
	if r.failed != nil {
		return r.failed
	}
	return r.bounds.Ended()
}

// explain converts an error of a run on r to an *Error. It logs internal errors.
func (h *Host) explain(r *runner, err error) error {
	if reason := r.ended(); reason != nil {
		// The interpreter only knows the text of the reason.
		err = &ended{cause: reason, err: err}
	}
	if errors.Is(err, call.ErrTime) {
		err = &ended{cause: fmt.Errorf("%w: more than %s (scripts.max_time)", call.ErrTime, h.maxTime), err: err}
	}
	var p *call.PanicError
	if errors.As(err, &p) {
		h.env.Log.Error("internal error in a builtin", "func", p.Func, "panic", p.Value, "stack", string(p.Stack))
	}
	return newError(err)
}

// ended is an error of the interpreter with the reason why the call was ended.
type ended struct{ cause, err error }

func (e *ended) Error() string { return e.cause.Error() }

// Unwrap returns both.
func (e *ended) Unwrap() []error { return []error{e.cause, e.err} }
