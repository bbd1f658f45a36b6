package value

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
)

// Matcher is a condition on requests that scripts can call: matches(req).
type Matcher func(*exchange.Exchange) bool

func (m Matcher) Name() string          { return "matcher" }
func (m Matcher) String() string        { return "<matcher>" }
func (m Matcher) Type() string          { return "matcher" }
func (m Matcher) Freeze()               {}
func (m Matcher) Truth() starlark.Bool  { return true }
func (m Matcher) Hash() (uint32, error) { return 0, errors.New("unhashable: matcher") }

// CallInternal reports whether the request matches.
func (m Matcher) CallInternal(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (v starlark.Value, err error) {
	defer call.Rescue("matcher", &err)
	if len(args) != 1 || len(kwargs) > 0 {
		return nil, errors.New("matcher: want one argument, a request")
	}
	r, ok := args[0].(*Request)
	if !ok {
		return nil, fmt.Errorf("matcher: got %s, want request", call.Describe(args[0]))
	}
	return starlark.Bool(m(r.x)), nil
}

// Interface guard.
var _ starlark.Callable = Matcher(nil)
