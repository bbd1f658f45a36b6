package cli

import (
	"context"
	"iter"
	"net"

	"starproxy/driver"
)

// local makes a caller of a driver in this process.
type local struct{ *driver.Driver }

// Call calls an exported method.
func (l local) Call(ctx context.Context, method string, args ...any) (any, error) {
	return l.Driver.Call(ctx, method, wireArgs(args))
}

// Stream calls a streaming method; what it says to the call itself comes as the
// only item.
func (l local) Stream(ctx context.Context, method string, args ...any) iter.Seq2[any, error] {
	items, err := l.Driver.Stream(ctx, method, wireArgs(args))
	if err != nil {
		return func(yield func(any, error) bool) { yield(nil, err) }
	}
	return items
}

// Connect opens a byte stream.
func (l local) Connect(ctx context.Context, method string) (net.Conn, error) {
	return l.Driver.Connect(ctx, method)
}

// wireArgs is args as they would arrive over the wire, where every number is a
// double.
func wireArgs(args []any) []any {
	wire := make([]any, len(args))
	for i, arg := range args {
		if n, ok := arg.(int); ok {
			arg = float64(n)
		}
		wire[i] = arg
	}
	return wire
}

var _ caller = local{}
