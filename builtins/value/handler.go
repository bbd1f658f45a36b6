package value

import (
	"errors"

	"go.starlark.net/starlark"

	"starproxy/builtins/exchange"
)

// Handler is an [exchange.Handler] as a Starlark value. When a handler function
// returns one, it answers the request.
type Handler struct{ exchange.Handler }

func (h *Handler) String() string        { return "<handler>" }
func (h *Handler) Type() string          { return "handler" }
func (h *Handler) Freeze()               {}
func (h *Handler) Truth() starlark.Bool  { return true }
func (h *Handler) Hash() (uint32, error) { return 0, errors.New("unhashable: handler") }
