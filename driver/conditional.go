package driver

import (
	"context"

	"starproxy/builtins/exchange"
	"starproxy/builtins/state"
)

// unconditionalHandler removes the headers with which a device asks for an answer
// only if something has changed, while the key strip_conditional_headers of the
// state is true: a test then sees whole answers.
type unconditionalHandler struct {
	state *state.Store
	next  exchange.Handler
}

func (u *unconditionalHandler) Respond(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	if on, ok := u.state.Get("strip_conditional_headers"); ok && truthy(on) {
		q := x.Request
		q.Header = q.Header.Clone() // others may hold it
		for _, name := range []string{"If-Modified-Since", "If-None-Match", "If-Range"} {
			q.Header.Del(name)
		}
	}
	return u.next.Respond(ctx, x)
}

// truthy reports whether Python takes a value for true, as tests that set the key
// expect.
func truthy(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case int64:
		return v != 0
	case float64:
		return v != 0
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	}
	return true
}

// Interface guards.
var _ exchange.Handler = (*unconditionalHandler)(nil)
