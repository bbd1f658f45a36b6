package script

import (
	"context"
	"time"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
)

// Send sends a webhook some time after the answer to x. A webhook that can't be sent
// is delivered with the reason.
func (h *Host) Send(ctx context.Context, x *exchange.Exchange, delay time.Duration, w *call.Webhook) {
	h.env.Send(ctx, x, delay, w)
}

// background calls a function of a script after an answer, outside of any
// request. Its failure goes to the log, and fails a test.
func (h *Host) background(ctx context.Context, fn starlark.Callable, d *call.Defaults) {
	r := h.get(ctx, nil)
	r.call.Defaults = d
	_, err := r.run(fn, nil)
	r.call.Release(nil)
	h.put(r)
	if err == nil || ctx.Err() != nil {
		return
	}
	h.failures.Add(1)
	attrs := []any{"function", fn.Name(), "error", err}
	if e, ok := err.(*Error); ok {
		attrs = append(attrs, "backtrace", e.Backtrace())
	}
	h.env.Log.Error("later: script failed", attrs...)
	h.env.Tasks.Fail(err)
}
