package builtins

import (
	"errors"
	"fmt"

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

// Matcher is a condition on requests that scripts can call: matches(req).
type Matcher func(*exchange.Request) bool

func (m Matcher) Name() string          { return "matcher" }
func (m Matcher) String() string        { return "<matcher>" }
func (m Matcher) Type() string          { return "matcher" }
func (m Matcher) Freeze()               {}
func (m Matcher) Truth() starlark.Bool  { return true }
func (m Matcher) Hash() (uint32, error) { return 0, errors.New("unhashable: matcher") }

// CallInternal tells whether the request matches.
func (m Matcher) CallInternal(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (v starlark.Value, err error) {
	defer rescue("matcher", &err)
	if len(args) != 1 || len(kwargs) > 0 {
		return nil, errors.New("matcher: want one argument, a request")
	}
	r, ok := args[0].(*Request)
	if !ok {
		return nil, fmt.Errorf("matcher: got %s, want request", describe(args[0]))
	}
	return starlark.Bool(m(r.x.Request)), nil
}

// Interface guard.
var _ starlark.Callable = Matcher(nil)
