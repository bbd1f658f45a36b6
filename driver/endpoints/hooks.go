package endpoints

import (
	"context"
	"sync/atomic"

	"starproxy/builtins/exchange"
	"starproxy/driver/scenario"
)

// Handler returns the handler of the endpoints: requests that none of them
// answers go to end, and the hooks of the loaded scenario, if it has any, see all
// requests.
func (s *Service) Handler(end exchange.Handler) exchange.Handler {
	return &hookHandler{hooks: &s.hooks, next: s.table.Handler(end)}
}

// hookHandler has the hooks of the loaded scenario see all requests.
type hookHandler struct {
	hooks *atomic.Pointer[scenario.Hooks] // nil for none
	next  exchange.Handler
	now   atomic.Pointer[wrappedHandler]
}

// wrappedHandler is a handler with hooks around it.
type wrappedHandler struct {
	hooks   *scenario.Hooks
	handler exchange.Handler
}

func (h *hookHandler) Respond(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	hooks := h.hooks.Load()
	if hooks == nil {
		return h.next.Respond(ctx, x)
	}
	w := h.now.Load()
	if w == nil || w.hooks != hooks { // a scenario was loaded
		w = &wrappedHandler{hooks, hooks.Wrap(h.next)}
		h.now.Store(w)
	}
	return w.handler.Respond(ctx, x)
}

// Interface guards.
var _ exchange.Handler = (*hookHandler)(nil)
