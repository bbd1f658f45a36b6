package script

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
	"starproxy/builtins/value"
)

// Answering says how answers are made from the results of a script.
type Answering struct {
	call.Defaults
	// Compile makes a handler of a dict with the keys of a scenario, which it does
	// not keep. where is the place of the function that returned it. Without it
	// only plain dicts (status, body, headers, content_type, file, latency_ms) answer.
	Compile func(def *starlark.Dict, where Position) (exchange.Handler, error)
}

// Handler makes a handler from a Starlark function of one parameter, the request.
// The function returns the answer: response(), a dict with the keys of a scenario,
// fault(), the real server's answer from forward(), or None, for the real server's
// answer untouched. If it returns a handler or another such function, that answers
// instead.
func (h *Host) Handler(fn starlark.Value) (exchange.Handler, error) {
	return h.HandlerWith(fn, &h.answering)
}

// HandlerWith is Handler with an Answering of its own.
func (h *Host) HandlerWith(fn starlark.Value, how *Answering) (exchange.Handler, error) {
	c, ok := fn.(starlark.Callable)
	if !ok {
		return nil, fmt.Errorf("handler is a %s, want a function", fn.Type())
	}
	if err := value.Freeze(c); err != nil {
		return nil, fmt.Errorf("handler: %w", err)
	}
	return &function{host: h, fn: c, how: how}, nil
}

// function is a Starlark function that answers.
type function struct {
	host *Host
	fn   starlark.Callable
	how  *Answering

	mu       sync.Mutex
	compiled map[*starlark.Dict]exchange.Handler // the handlers of frozen dicts
}

// maxHops is how many times in a row a function may return another function.
const maxHops = 20

// Respond calls the function. It gives the thread back before a Go handler that the
// function returned answers, so that no thread waits for a server.
func (f *function) Respond(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	r := f.host.get(ctx, x)
	r.call.Defaults = &f.how.Defaults
	before := *x.Request
	res, next, err := f.ask(r, x)
	x.Edited(exchange.EditedRequest(exchange.ByScript, &before, x.Request)...)
	sent := exchange.Body(nil)
	if res != nil {
		sent = res.Body
	}
	r.call.Release(sent)
	f.host.put(r)
	switch {
	case err != nil:
		return nil, f.host.report(x, err)
	case next != nil:
		return next.Respond(ctx, x)
	}
	return res, nil
}

// ask runs the function, and the functions that it returns, until there is a
// response or a handler that answers instead. If both are nil, the real server
// answers.
func (f *function) ask(r *runner, x *exchange.Exchange) (*exchange.Response, exchange.Handler, error) {
	fn := f.fn
	for range maxHops {
		v, err := r.run(fn, starlark.Tuple{value.RequestOf(&r.call)})
		if err != nil {
			return nil, nil, err
		}
		if next, ok := v.(starlark.Callable); ok {
			fn = next
			continue
		}
		res, next, err := f.answer(r, x, fn, v)
		if err != nil {
			return nil, nil, fault(fn, err)
		}
		return res, next, nil
	}
	return nil, nil, fault(fn, errors.New("the answers are functions without an end"))
}

// answer makes a response from v, the result of fn.
func (f *function) answer(r *runner, x *exchange.Exchange, fn starlark.Callable, v starlark.Value) (*exchange.Response,
	exchange.Handler, error) {
	switch v := v.(type) {
	case starlark.NoneType:
		return nil, nil, nil
	case *value.Response:
		if h := v.Handler(); h != nil {
			return nil, h, nil
		}
		if s := v.Stream(); s != nil {
			res := v.Answer().Clone()
			res.Body = f.host.streaming(x, s, f.how, res.Header.Get("Content-Type"))
			return res, nil, nil
		}
		return v.Answer(), nil, nil
	case *starlark.Dict:
		return f.dict(r, fn, v)
	case *value.Fault:
		res, err := v.Respond()
		return res, nil, err
	case *value.Handler:
		return nil, v.Handler, nil
	}
	return nil, nil, fmt.Errorf("%s returned %s, want response(), a dict, fault(), forward(), None or a function", fn.Name(), v.Type())
}

// maxCompiled is how many compiled dicts a function keeps.
const maxCompiled = 256

// dict answers with a dict that has the keys of a scenario. A frozen dict, such as a
// global, is compiled once.
func (f *function) dict(r *runner, fn starlark.Callable, d *starlark.Dict) (*exchange.Response, exchange.Handler, error) {
	constant := value.FrozenDict(d)
	if constant {
		f.mu.Lock()
		h := f.compiled[d]
		f.mu.Unlock()
		if h != nil {
			return nil, h, nil
		}
	}
	res, h, plain, err := value.Plain(&r.call, d, &f.how.Defaults)
	switch {
	case err != nil:
		return nil, nil, err
	case plain && h == nil:
		if !constant {
			return res, nil, nil
		}
		h = exchange.HandlerFunc(func(context.Context, *exchange.Exchange) (*exchange.Response, error) { return res, nil })
	case !plain:
		if h, err = f.compile(r, fn, d); err != nil {
			return nil, nil, err
		}
	}
	if constant {
		f.mu.Lock()
		if len(f.compiled) >= maxCompiled || f.compiled == nil {
			f.compiled = map[*starlark.Dict]exchange.Handler{}
		}
		if first := f.compiled[d]; first != nil {
			h = first // two requests compiled it at once: a sequence in it has to count for both
		}
		f.compiled[d] = h
		f.mu.Unlock()
	}
	return nil, h, nil
}

// compile makes a handler from a dict by Answering.Compile.
func (f *function) compile(r *runner, fn starlark.Callable, d *starlark.Dict) (exchange.Handler, error) {
	for k := range d.Entries() {
		if _, ok := k.(starlark.String); !ok {
			return nil, fmt.Errorf("%s returned a dict with the key %s, want the keys of a scenario", fn.Name(), k)
		}
	}
	if err := r.call.Fits(fn.Name()+" returned a dict", 0, d); err != nil {
		return nil, err
	}
	if f.how.Compile == nil {
		return nil, fmt.Errorf("%s returned a dict with other keys than status, body, headers, content_type, file and latency_ms",
			fn.Name())
	}
	r.bounds.Waits() // the templates in it are compiled by other runs
	defer r.bounds.Waited()
	return f.how.Compile(d, place(fn))
}

// fault adds the place of fn to an error that has no place.
func fault(fn starlark.Callable, err error) error {
	var done *Error
	if errors.As(err, &done) {
		return err
	}
	return &Error{Pos: place(fn), Message: told(err.Error()), Err: err}
}

// place returns the place where a function is defined. It is unknown for functions
// that are not written in Starlark.
func place(fn starlark.Callable) Position {
	if fn, ok := fn.(*starlark.Function); ok {
		return position(fn.Position())
	}
	return Position{}
}

// Interface guard.
var _ exchange.Handler = (*function)(nil)
