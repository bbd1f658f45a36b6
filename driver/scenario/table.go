package scenario

import (
	"context"
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"starproxy/builtins/exchange"
	"starproxy/driver/faultplan"
	"starproxy/driver/mock"
	"starproxy/script"
)

// Table returns the function for [script.TestOptions]: it makes a table from the
// scenario at a path, with its plans of faults, or from the endpoints of a script if
// the path is empty. A request that no endpoint answers is forwarded; where that fails, the error
// says which endpoints came nearest.
func Table(env Env) func(h *script.Host, path string, endpoints starlark.Value) (exchange.Handler, error) {
	return func(h *script.Host, path string, endpoints starlark.Value) (exchange.Handler, error) {
		env := env
		env.Script, env.Addons = h, NewAddons(h, env.Log)
		var eps []*mock.Endpoint
		var hooks *Hooks
		seed := uint64(1) // as that of the host of a test
		plans := faultplan.New(faultplan.Options{Seed: &seed, Now: h.Now})
		h.OnEvent(func(name string) error { return Mark(plans, name) })
		if path != "" {
			s, err := Load(path, env)
			if err != nil {
				return nil, err
			}
			eps, hooks = s.Endpoints, s.Hooks
			plans.Install(s.Adversity.Faults)
		} else {
			c := newCompiler(env, mock.Source{}, "")
			r := reader{c: c, room: maxValues}
			n, err := r.endpoints(endpoints, nil)
			if err == nil {
				eps, err = c.endpoints(n, false)
			}
			if err != nil {
				return nil, err
			}
		}
		t := mock.NewTable()
		t.ReplaceAll(eps)
		table := t.Handler(forwardOrTell(t))
		if hooks != nil {
			table = hooks.Wrap(table)
		}
		return plans.Handler(table), nil
	}
}

// forwardOrTell returns a handler that forwards to the real server. Its error names
// the nearest endpoints.
func forwardOrTell(t *mock.Table) exchange.Handler {
	return exchange.HandlerFunc(func(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
		res, err := x.Forward(ctx)
		if err == nil {
			return res, nil
		}
		near := ""
		for _, m := range t.Misses(x.Request, 3) {
			near += fmt.Sprintf("; %s: %s", m.Endpoint.Name, strings.Join(m.Why, ", "))
		}
		return nil, fmt.Errorf("no endpoint answers it%s; %w", near, err)
	})
}
