package value

import (
	"errors"

	"go.starlark.net/starlark"

	"starproxy/builtins/exchange"
)

// Handler is an [exchange.Handler] that scripts can hand on: a handler
// function that returns one is answered by it.
type Handler struct{ exchange.Handler }

func (h *Handler) String() string        { return "<handler>" }
func (h *Handler) Type() string          { return "handler" }
func (h *Handler) Freeze()               {}
func (h *Handler) Truth() starlark.Bool  { return true }
func (h *Handler) Hash() (uint32, error) { return 0, errors.New("unhashable: handler") }
