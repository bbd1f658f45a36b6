// Package script runs Starlark: template expressions, the rules and sequences
// of scenarios, and the examples of the documentation.
//
// A Host and everything it makes is for any number of goroutines: each call
// runs on a thread of its own, taken from a pool.
//
// scenario compiles endpoints with it, driver owns one per proxy.
package script

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.starlark.net/starlark"

	"starproxy/builtins"
	"starproxy/builtins/exchange"
	"starproxy/builtins/state"
)

// Options configure a Host. The zero value is ready for use.
type Options struct {
	// State is the store that scripts share with the test; nil makes a new one.
	State *state.Store
	// Seed makes chance repeatable; nil means other values each time.
	Seed *uint64
	// Log gets what scripts print and the errors they make; nil means nowhere.
	Log *slog.Logger
	// Clock tells the time; nil means the system's clock.
	Clock func() time.Time
	// Getenv reads the environment for env(); nil means the process's own.
	Getenv func(string) string
	// Merge is the deep merge of patches, for merge(target, patch). Without
	// it merge() is an error.
	Merge func(target any, patch map[string]any) any
	// Answering is how answers are made; a handler may have its own.
	Answering Answering
	// Secret reports whether a file is one that scripts can't load, such as a
	// private key; nil means that none is.
	Secret func(fs.FileInfo) bool
	// MaxSteps bounds the computation of one call between waits, in steps of
	// the interpreter; 0 means DefaultMaxSteps.
	MaxSteps uint64
	// MaxTime bounds one call by the clock on the wall; 0 means DefaultMaxTime.
	MaxTime time.Duration
	// MaxBody bounds the request bodies that scripts can see, in bytes; 0
	// means DefaultMaxBody.
	MaxBody int
	// MaxMemory bounds what all scripts together hold, in bytes; 0 means
	// DefaultMaxMemory. A single operation may make a quarter of it, and no
	// more than [builtins.MaxResult].
	MaxMemory uint64
}

// The limits that hold where Options name no others.
const (
	DefaultMaxSteps  = 10_000_000
	DefaultMaxTime   = 30 * time.Second
	DefaultMaxBody   = 16 << 20
	DefaultMaxMemory = 1 << 30
)

// Host runs scripts with one state store, one random source and one clock.
type Host struct {
	env      *builtins.Env
	maxSteps uint64
	maxTime  time.Duration
	memory   *memory
	secret   func(fs.FileInfo) bool

	answering Answering
	scripts   starlark.StringDict // the names that scripts start with
	templates starlark.StringDict // and those of template expressions
	tests     starlark.StringDict // and those of *_test.star; nil outside of tests
	idle      sync.Pool           // of *runner

	mu     sync.Mutex
	stdlib map[string]*module
}

// New makes a host.
func New(o Options) *Host {
	env := builtins.NewEnv()
	if o.State != nil {
		env.State = o.State
	}
	if o.Seed != nil {
		env.Random = builtins.NewRandom(o.Seed)
	}
	if o.Log != nil {
		env.Log = o.Log
	}
	if o.Clock != nil {
		env.Clock = o.Clock
	}
	if o.Getenv != nil {
		env.Getenv = o.Getenv
	}
	if env.MaxBody = DefaultMaxBody; o.MaxBody > 0 {
		env.MaxBody = o.MaxBody
	}
	if o.MaxMemory == 0 {
		o.MaxMemory = DefaultMaxMemory
	}
	env.MaxResult = int(max(min(o.MaxMemory/4, builtins.MaxResult), 1))
	env.Merge = o.Merge
	env.Defaults = o.Answering.Defaults
	h := &Host{
		env:       env,
		maxSteps:  DefaultMaxSteps,
		maxTime:   DefaultMaxTime,
		memory:    newMemory(o.MaxMemory),
		secret:    o.Secret,
		scripts:   builtins.Names(builtins.Everywhere),
		templates: builtins.Names(builtins.Templates),
		stdlib:    map[string]*module{},
		answering: o.Answering,
	}
	if o.MaxSteps > 0 {
		h.maxSteps = o.MaxSteps
	}
	if o.MaxTime > 0 {
		h.maxTime = o.MaxTime
	}
	return h
}

// State is the store that scripts share with the test.
func (h *Host) State() *state.Store { return h.env.State }

// Reset puts counters, cells (and so the sequences) and a seeded random source
// back to where they began, as at the start of a proxy. The state store is
// left alone.
func (h *Host) Reset() { h.env.Reset() }

// Seed makes what chance gives from here on repeatable.
func (h *Host) Seed(seed uint64) { h.env.Random.Seed(seed) }

// Close ends the host. Handlers that are still in use go on to work.
func (h *Host) Close() {}

// runner is a thread with what it is about; it serves one call after another.
type runner struct {
	host   *Host
	thread starlark.Thread
	call   builtins.Call
	limit  uint64 // of thread.Steps, for this call
	ended  error  // why the thread was cancelled

	state atomic.Uint64 // what it does, and turn
	turn  uint64        // counts the times that it began to compute
	seen  uint64        // the state after the last garbage collection; memory's
}

// stride is how many steps a thread runs before it looks whether it should
// end; it takes well under a millisecond.
const stride = 20_000

func (h *Host) newRunner() *runner {
	r := &runner{host: h}
	r.thread.Name = "starlark"
	r.thread.Print = func(_ *starlark.Thread, text string) { r.call.Print(text) }
	r.thread.Load = h.load
	r.thread.OnMaxSteps = func(*starlark.Thread) { r.check() }
	r.call = builtins.Call{Env: h.env, Thread: &r.thread, Waits: r.waits, Waited: r.waited, Ended: r.outOfMemory}
	r.call.Attach()
	h.memory.join(r)
	return r
}

// get takes a runner for one call.
func (h *Host) get(ctx context.Context, x *exchange.Exchange) *runner {
	r, _ := h.idle.Get().(*runner)
	if r == nil {
		r = h.newRunner()
	}
	r.call.Context, r.call.Exchange = ctx, x
	r.call.Deadline = time.Now().Add(h.maxTime)
	r.begin()
	return r
}

// put gives a runner back, unless something went wrong with it.
func (h *Host) put(r *runner) {
	if !r.finish() || r.ended != nil || r.thread.CallStackDepth() > 0 {
		h.memory.stirred.Store(true) // it goes
		return
	}
	r.call.Clear()
	h.idle.Put(r)
}

// renew gives the thread its full number of steps again. When it is looked at
// next stays as it is: who waits all the time is looked at, too.
func (r *runner) renew() { r.limit = r.thread.Steps + r.host.maxSteps }

// start has the thread looked at from here on.
func (r *runner) start() {
	r.renew()
	r.thread.SetMaxExecutionSteps(r.thread.Steps + min(stride, r.host.maxSteps))
}

// check ends the thread when it has used up its steps or its time, or when
// nobody waits for it any more.
func (r *runner) check() {
	switch {
	case r.ended != nil:
	case r.thread.Steps >= r.limit:
		r.end(fmt.Errorf("step limit exceeded: more than %d steps without a wait (scripts.max_steps)", r.host.maxSteps))
	case !r.call.Deadline.IsZero() && time.Now().After(r.call.Deadline):
		r.end(builtins.ErrTime)
	case r.call.Context.Err() != nil:
		r.end(r.call.Context.Err())
	}
	r.thread.SetMaxExecutionSteps(min(r.thread.Steps+stride, max(r.limit, r.thread.Steps+1)))
}

func (r *runner) end(err error) {
	r.ended = err
	r.thread.Cancel(err.Error())
}

// run calls fn on the runner's thread; what goes wrong comes back as an *Error.
func (r *runner) run(fn starlark.Value, args starlark.Tuple) (v starlark.Value, err error) {
	defer func() {
		if p := recover(); p != nil {
			r.ended = &builtins.PanicError{Func: "starlark", Value: p, Stack: debug.Stack()}
			err = r.host.explain(r, r.ended)
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

// explain makes an *Error of what went wrong on r, and logs internal errors.
func (h *Host) explain(r *runner, err error) error {
	if r.ended == nil {
		r.ended = r.outOfMemory()
	}
	if r.ended != nil {
		// The interpreter only knows the text of the reason.
		err = &ended{cause: r.ended, err: err}
	}
	if errors.Is(err, builtins.ErrTime) {
		err = &ended{cause: fmt.Errorf("%w: more than %s (scripts.max_time)", builtins.ErrTime, h.maxTime), err: err}
	}
	var p *builtins.PanicError
	if errors.As(err, &p) {
		h.env.Log.Error("internal error in a builtin", "func", p.Func, "panic", p.Value, "stack", string(p.Stack))
	}
	return newError(err)
}

// ended is an error of the interpreter together with its true cause.
type ended struct{ cause, err error }

func (e *ended) Error() string { return e.cause.Error() }

// Unwrap gives both.
func (e *ended) Unwrap() []error { return []error{e.cause, e.err} }
