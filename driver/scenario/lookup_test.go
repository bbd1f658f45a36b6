package scenario

import (
	"context"
	"testing"

	"starproxy/builtins/exchange"
	"starproxy/driver/mock"
)

// lookup returns the endpoint of a table that would answer a request, nil for none.
// It asks no endpoint.
func lookup(t testing.TB, table *mock.Table, req *exchange.Request) (found *mock.Endpoint) {
	t.Helper()
	stand := mock.NewTable()
	for _, ep := range table.List() {
		in := *ep
		in.Handler = exchange.HandlerFunc(func(context.Context, *exchange.Exchange) (*exchange.Response, error) {
			found = ep
			return &exchange.Response{}, nil
		})
		stand.Set(&in)
	}
	none := exchange.HandlerFunc(func(context.Context, *exchange.Exchange) (*exchange.Response, error) { return nil, nil })
	if _, err := stand.Handler(none).Respond(t.Context(), &exchange.Exchange{Request: req}); err != nil {
		t.Fatal(err)
	}
	return found
}
