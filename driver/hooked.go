package driver

import (
	"context"
	"sync/atomic"

	"starproxy/builtins/exchange"
	"starproxy/driver/scenario"
)

// hooked lets the hooks of the loaded scenario, if it has any, see all traffic.
type hooked struct {
	mocks *mocks
	next  exchange.Handler
	now   atomic.Pointer[wrapped]
}

// wrapped is next with the hooks around it.
type wrapped struct {
	hooks   *scenario.Hooks
	handler exchange.Handler
}

func (h *hooked) Respond(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	hooks := h.mocks.hooks.Load()
	if hooks == nil {
		return h.next.Respond(ctx, x)
	}
	w := h.now.Load()
	if w == nil || w.hooks != hooks { // a scenario was loaded
		w = &wrapped{hooks, hooks.Wrap(h.next)}
		h.now.Store(w)
	}
	return w.handler.Respond(ctx, x)
}

// Interface guards.
var _ exchange.Handler = (*hooked)(nil)
