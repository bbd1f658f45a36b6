package script

import (
	"context"
	"errors"
	"fmt"
	"time"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"starproxy/builtins/exchange"
	"starproxy/builtins/value"
)

// Rule is a handler with the condition under which it answers.
type Rule struct {
	// Match reports whether the rule holds. If it is nil, the rule always holds.
	Match   func(*exchange.Exchange) bool
	Handler exchange.Handler
}

// Conditional makes a handler that answers by the first rule that holds. If none
// holds, the request goes to the real server.
func (h *Host) Conditional(rules []Rule) (exchange.Handler, error) {
	list := make([]starlark.Value, len(rules))
	for i, r := range rules {
		if r.Handler == nil {
			return nil, fmt.Errorf("rule %d has no answer", i+1)
		}
		var match starlark.Value = starlark.None
		if r.Match != nil {
			match = value.Matcher(r.Match)
		}
		list[i] = record("match", match, "answer", &value.Handler{Handler: r.Handler})
	}
	return h.build("rules.star", "conditional", list)
}

// Step is a handler with the part of a sequence that it answers.
type Step struct {
	Handler exchange.Handler
	// Repeat is the number of requests that the step answers. 0 means all further
	// requests.
	Repeat int
	// Delay is the time from the first request of the sequence to the begin of
	// the step. It is used only if a step of the sequence is Timed.
	Delay time.Duration
	// Timed says that the sequence goes by time instead of by count.
	Timed bool
}

// Sequence makes a handler that goes through steps: by time if one of them is timed,
// else by the count of requests. Requests that come at the same time are counted
// once each. [Host.Reset] starts the sequence again.
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
		list[i] = record("answer", &value.Handler{Handler: s.Handler}, "repeat", repeat, "delay", startime.Duration(s.Delay))
	}
	return h.build("sequence.star", name, list)
}

// record makes a struct from names and values, which alternate.
func record(pairs ...any) starlark.Value {
	fields := starlark.StringDict{}
	for i := 0; i < len(pairs); i += 2 {
		fields[pairs[i].(string)] = pairs[i+1].(starlark.Value)
	}
	return starlarkstruct.FromStringDict(starlarkstruct.Default, fields)
}

// build makes a handler from the result of a function of the standard library.
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

// report writes an error to the log and to the record of the exchange.
func (h *Host) report(x *exchange.Exchange, err error) error {
	var e *Error
	if x == nil || !errors.As(err, &e) || errors.Is(err, context.Canceled) || exchange.IsLogged(err) {
		return err
	}
	h.failures.Add(1)
	text := e.Backtrace()
	x.Notes.Add("error", text)
	h.env.Log.Error("script failed", "endpoint", x.Endpoint, "exchange", x.ID, "error", e.Error(), "backtrace", text)
	return exchange.Logged(err)
}
