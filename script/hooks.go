package script

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"go.starlark.net/starlark"

	"starproxy/builtins/exchange"
	"starproxy/builtins/value"
)

// Hooks are functions that are called for all traffic, mocked or not. The zero value
// has no functions.
type Hooks struct {
	// Request is called with each request before it is answered, and may change
	// it. If the result is not None, it is the answer. Request may be nil.
	Request starlark.Callable
	// Response is called with each request and its response, and may change the
	// response. That is the one of a mock, of the real server, or the 500 or 502
	// of a failure. If the result is not None, it is sent instead. Response may be
	// nil.
	Response starlark.Callable
}

// Hooks makes Hooks from two functions. Each may be None.
func (h *Host) Hooks(request, response starlark.Value) (Hooks, error) {
	var hooks Hooks
	for name, v := range map[string]starlark.Value{"request": request, "response": response} {
		if v == nil || v == starlark.None {
			continue
		}
		fn, ok := v.(starlark.Callable)
		switch {
		case !ok:
			return Hooks{}, fmt.Errorf("hook %q is a %s, want a function", name, v.Type())
		case name == "request":
			hooks.Request = fn
		default:
			hooks.Response = fn
		}
	}
	return hooks, nil
}

// Wrap returns a handler that calls the hooks before and after next. An error of a
// hook is a 500 that names the hook. If next returns nil and there is a hook for the
// response, the handler asks the real server.
func (h *Host) Wrap(hooks Hooks, next exchange.Handler) exchange.Handler {
	return h.WrapWith(hooks, next, &h.answering)
}

// WrapWith is Wrap with an Answering of its own.
func (h *Host) WrapWith(hooks Hooks, next exchange.Handler, how *Answering) exchange.Handler {
	if hooks.Request != nil {
		hooks.Request.Freeze()
		next = &requestHook{function{host: h, fn: hooks.Request, how: how}, next}
	}
	if hooks.Response != nil {
		hooks.Response.Freeze()
		next = &responseHook{function{host: h, fn: hooks.Response, how: how}, next}
	}
	return next
}

// requestHook is called before a request is answered.
type requestHook struct {
	function
	next exchange.Handler
}

func (k *requestHook) Respond(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	res, err := k.function.Respond(ctx, x)
	if res != nil || err != nil {
		return res, err
	}
	return k.next.Respond(ctx, x)
}

// responseHook is called after a request was answered.
type responseHook struct {
	function
	next exchange.Handler
}

func (k *responseHook) Respond(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	read, cancel := context.WithCancelCause(ctx) // for the body, which is read after this function returns
	res, err := k.next.Respond(read, x)
	if res == nil && err == nil {
		res, err = x.Forward(read)
	}
	failed := err
	if err != nil {
		if ctx.Err() != nil {
			cancel(nil)
			return nil, err // the client has left
		}
		res = exchange.Failure(err) // the response that the client would get
	}
	r := k.host.get(ctx, x)
	r.call.Defaults = &k.how.Defaults
	shown := value.NewResponse(read, &r.call, res, cancel)
	out, next, err := k.replace(r, x, shown)
	if out != nil && out != res {
		x.Edited(edited(res, out, out == shown.Answer())...)
	}
	sent := exchange.Body(nil)
	if out != nil {
		sent = out.Body
	}
	r.call.Release(sent)
	k.host.put(r)
	if err != nil || next != nil || out != shown.Answer() {
		discard(shown.Answer(), out)
	}
	switch {
	case err != nil:
		return nil, k.host.report(x, err)
	case next != nil:
		return next.Respond(ctx, x)
	case failed != nil && out == res:
		return nil, failed // the hook has not changed it
	}
	return out, nil
}

// edited returns what a hook changed in a response. The edit of the body of one that was
// changed in place is kept already.
func edited(before, after *exchange.Response, inPlace bool) []exchange.Edit {
	edits := exchange.EditOf(exchange.ByScript, "response", "status", strconv.Itoa(before.Status), strconv.Itoa(after.Status))
	edits = append(edits, exchange.EditedHeader(exchange.ByScript, "response", before.Header, after.Header)...)
	body, ok := after.Body.(exchange.Bytes)
	if !ok || inPlace {
		return edits
	}
	was := exchange.Unread
	if b, ok := before.Body.(exchange.Bytes); ok && len(exchange.Encodings(before.Header)) == 0 {
		was = exchange.EditedText(before.Header, b)
	}
	return append(edits, exchange.EditOf(exchange.ByScript, "response", "body", was, exchange.EditedText(after.Header, body))...)
}

// replace returns the response that is sent for v, the result of a hook. It may be
// shown itself, the response that the hook was called with.
func (k *responseHook) replace(r *runner, x *exchange.Exchange, shown *value.Response) (*exchange.Response, exchange.Handler, error) {
	args := starlark.Tuple{value.RequestOf(&r.call), shown}
	fn := k.fn
	for range maxHops {
		v, err := r.run(fn, args)
		if err != nil {
			return nil, nil, err
		}
		if v == starlark.None || v == starlark.Value(shown) {
			return shown.Answer(), nil, nil
		}
		if next, ok := v.(starlark.Callable); ok {
			fn, args = next, args[:1]
			continue
		}
		res, next, err := k.answer(r, x, fn, v)
		if err != nil {
			return nil, nil, fault(fn, err)
		}
		return res, next, nil
	}
	return nil, nil, fault(fn, errors.New("the answers are functions without an end"))
}

// discard closes the body of a response that is not sent.
func discard(res, sent *exchange.Response) {
	c, ok := res.Body.(interface {
		exchange.Body
		Close() error
	})
	if !ok || sent != nil && sent.Body == exchange.Body(c) {
		return
	}
	c.Close()
}

// Interface guards.
var (
	_ exchange.Handler = (*requestHook)(nil)
	_ exchange.Handler = (*responseHook)(nil)
)
