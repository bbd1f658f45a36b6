package scenario

import (
	"context"
	"fmt"
	"strings"

	"starproxy/builtins/exchange"
	"starproxy/driver/mock"
	"starproxy/script"
)

// Table gives what [script.TestOptions] want: a function that makes a table of
// the scenario at a path, or of the endpoints of a script when that is empty. A
// request that no endpoint answers is forwarded; where that fails, the error
// says which endpoints came nearest.
func Table(env Env) func(h *script.Host, path string, endpoints []script.Endpoint) (exchange.Handler, error) {
	return func(h *script.Host, path string, endpoints []script.Endpoint) (exchange.Handler, error) {
		env := env
		env.Script = h
		t := mock.NewTable()
		if path != "" {
			s, err := Load(path, env)
			if err != nil {
				return nil, err
			}
			t.ReplaceAll(s.Endpoints)
		}
		for _, ep := range endpoints {
			eps, err := compiled(ep, env)
			if err != nil {
				return nil, err
			}
			for _, ep := range eps {
				t.Set(ep)
			}
		}
		return t.Handler(forwardOrTell(t)), nil
	}
}

// compiled makes the endpoints of one entry of a script's map.
func compiled(ep script.Endpoint, env Env) ([]*mock.Endpoint, error) {
	if ep.Handler == nil {
		return Compile(ep.Key, ep.Definition, env, mock.Source{})
	}
	m, err := mock.ParseKey(ep.Key)
	if err == nil {
		err = m.Compile()
	}
	if err != nil {
		return nil, fmt.Errorf("endpoint %q: %w", ep.Key, err)
	}
	return []*mock.Endpoint{{Name: ep.Key, Match: m, Handler: ep.Handler}}, nil
}

// forwardOrTell asks the real server.
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
