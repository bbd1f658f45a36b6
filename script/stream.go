package script

import (
	"context"
	"time"

	"go.starlark.net/starlark"

	"starproxy/builtins/exchange"
	"starproxy/builtins/value"
)

// streaming returns a body of a content type, which fn writes.
func (h *Host) streaming(x *exchange.Exchange, fn starlark.Callable, how *Answering, contentType string) exchange.Stream {
	return func(ctx context.Context, conn exchange.Conn) error {
		r := h.unlimited(ctx, x, how)
		_, err := r.run(fn, starlark.Tuple{value.NewOut(ctx, conn, &r.call, contentType)})
		r.call.Release(nil)
		h.put(r)
		if ctx.Err() != nil {
			return context.Cause(ctx) // it ended because nobody listens
		}
		if err != nil {
			return h.report(x, err)
		}
		return nil
	}
}

// unlimited returns a runner for a call that may take as long as the client stays.
// Only its steps between two waits are bounded.
func (h *Host) unlimited(ctx context.Context, x *exchange.Exchange, how *Answering) *runner {
	r := h.getUntil(ctx, x, time.Time{})
	r.call.Defaults = &how.Defaults
	return r
}
