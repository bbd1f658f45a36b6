package hold_test

import (
	"context"
	"testing"

	"starproxy/builtins/exchange"
	"starproxy/driver/hold"
)

// BenchmarkOff compares a handler with the same one behind a Table without a rule. The
// difference is what each request pays while nothing is to be held.
func BenchmarkOff(b *testing.B) {
	res := exchange.Text(200, "ok")
	next := exchange.HandlerFunc(func(context.Context, *exchange.Exchange) (*exchange.Response, error) { return res, nil })
	x := &exchange.Exchange{Request: &exchange.Request{}}
	for name, h := range map[string]exchange.Handler{"bare": next, "behind a table": new(hold.Table).Handler(next)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := h.Respond(context.Background(), x); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
