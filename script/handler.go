package script

import (
	"context"
	"errors"
	"fmt"
	"time"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"starproxy/builtins"
	"starproxy/builtins/exchange"
)

// Rule is a handler with the condition under which it answers.
type Rule struct {
	// Match tells whether the rule holds; nil means that it always does.
	Match   func(*exchange.Request) bool
	Handler exchange.Handler
}

// Conditional makes a handler that answers by the first rule that holds; when
// none does, the request goes to the real server.
func (h *Host) Conditional(rules []Rule) (exchange.Handler, error) {
	list := make([]starlark.Value, len(rules))
	for i, r := range rules {
		if r.Handler == nil {
			return nil, fmt.Errorf("rule %d has no answer", i+1)
		}
		var match starlark.Value = starlark.None
		if r.Match != nil {
			match = builtins.Matcher(r.Match)
		}
		list[i] = record("match", match, "answer", &builtins.Handler{Handler: r.Handler})
	}
	return h.build("rules.star", "conditional", list)
}

// Step is a handler with the part of a sequence that it answers.
type Step struct {
	Handler exchange.Handler
	// Repeat is the number of requests that the step answers; 0 means all
	// that are still to come.
	Repeat int
	// Delay is when the step begins, counted from the first request of the
	// sequence; it counts when a step of the sequence is Timed.
	Delay time.Duration
	// Timed says that the sequence goes by time instead of by count.
	Timed bool
}

// Sequence makes a handler that goes through steps, by count or, when one of
// them is timed, by time. Each request is counted once, however many come at
// the same time. [Host.Reset] starts it again.
func (h *Host) Sequence(steps []Step) (exchange.Handler, error) {
	name := "sequence"
	list := make([]starlark.Value, len(steps))
	for i, s := range steps {
		if s.Handler == nil {
			return nil, fmt.Errorf("step %d has no answer", i+1)
		}
		if s.Repeat < 0 || s.Delay < 0 {
			return nil, fmt.Errorf("step %d: repeat is %d and delay %s, want no negative numbers", i+1, s.Repeat, s.Delay)
		}
		if s.Timed {
			name = "timed"
		}
		var repeat starlark.Value = starlark.None
		if s.Repeat > 0 {
			repeat = starlark.MakeInt(s.Repeat)
		}
		list[i] = record("answer", &builtins.Handler{Handler: s.Handler}, "repeat", repeat, "delay", startime.Duration(s.Delay))
	}
	return h.build("sequence.star", name, list)
}

// record makes a struct of names and values in turn.
func record(pairs ...any) starlark.Value {
	fields := starlark.StringDict{}
	for i := 0; i < len(pairs); i += 2 {
		fields[pairs[i].(string)] = pairs[i+1].(starlark.Value)
	}
	return starlarkstruct.FromStringDict(starlarkstruct.Default, fields)
}

// build makes a handler of what a function of the standard library returns.
func (h *Host) build(file, name string, items []starlark.Value) (exchange.Handler, error) {
	globals, err := h.Stdlib(file)
	if err != nil {
		return nil, err
	}
	fn, err := h.Call(context.Background(), globals[name], starlark.NewList(items))
	if err != nil {
		return nil, err
	}
	return h.Handler(fn)
}

// Handler makes a handler of a Starlark function of one parameter, the
// request. The function's value answers: None (the real server), or a handler
// or another such function, which answers instead.
func (h *Host) Handler(fn starlark.Value) (exchange.Handler, error) {
	c, ok := fn.(starlark.Callable)
	if !ok {
		return nil, fmt.Errorf("handler is a %s, want a function", fn.Type())
	}
	c.Freeze()
	return &function{host: h, fn: c}, nil
}

// function is a Starlark function that answers.
type function struct {
	host *Host
	fn   starlark.Callable
}

// maxHops bounds how often an answer is another function.
const maxHops = 20

// Respond calls the function. The thread is given back before a Go handler
// that it chose answers, so waiting for a server holds no thread.
func (f *function) Respond(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	next, err := f.choose(ctx, x)
	if next == nil || err != nil {
		return nil, err
	}
	return next.Respond(ctx, x)
}

// choose runs the function and gives the handler that is to answer, nil for
// the real server.
func (f *function) choose(ctx context.Context, x *exchange.Exchange) (exchange.Handler, error) {
	r := f.host.get(ctx, x)
	defer f.host.put(r)
	fn := f.fn
	for range maxHops {
		v, err := r.run(fn, starlark.Tuple{r.call.Request()})
		if err != nil {
			return nil, f.host.report(x, err)
		}
		switch v := v.(type) {
		case starlark.NoneType:
			return nil, nil
		case *builtins.Handler:
			return v.Handler, nil
		case starlark.Callable:
			fn = v
		default:
			return nil, f.host.report(x, f.wrong(fn, v))
		}
	}
	return nil, f.host.report(x, f.fault(fn, errors.New("the answers are functions without an end")))
}

// wrong is the error for a value that is no answer.
func (f *function) wrong(fn starlark.Callable, v starlark.Value) error {
	return f.fault(fn, fmt.Errorf("%s returned %s, want a handler, a function or None", fn.Name(), v.Type()))
}

// fault places an error at the definition of fn.
func (f *function) fault(fn starlark.Callable, err error) error {
	e := &Error{Message: err.Error(), Err: err}
	if fn, ok := fn.(*starlark.Function); ok {
		e.Pos = position(fn.Position())
	}
	return e
}

// report writes an error to the log and to the record of the exchange.
func (h *Host) report(x *exchange.Exchange, err error) error {
	var e *Error
	if x == nil || !errors.As(err, &e) || errors.Is(err, context.Canceled) {
		return err
	}
	text := e.Backtrace()
	x.Notes.Add("error", text)
	h.env.Log.Error("script failed", "endpoint", x.Endpoint, "exchange", x.ID, "error", e.Error(), "backtrace", text)
	return err
}

// Interface guard.
var _ exchange.Handler = (*function)(nil)
