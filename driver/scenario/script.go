package scenario

import (
	"context"
	"time"

	"starproxy/builtins/exchange"
)

// Script is the part of the script host that documents need.
type Script interface {
	// Template compiles a JSON value with {{expressions}} in its strings.
	Template(v any, file string, line, column int) (Template, error)
	// Conditional answers with the first rule whose match holds.
	Conditional(rules []Rule) (exchange.Handler, error)
	// Sequence answers with one step after the other.
	Sequence(steps []Step) (exchange.Handler, error)
}

// Template is a compiled value.
type Template interface {
	// Render gives the value for a request.
	Render(ctx context.Context, x *exchange.Exchange) (any, error)
	// Static tells that no string held an expression.
	Static() bool
}

// Rule is an entry of "rules".
type Rule struct {
	Match   func(*exchange.Request) bool // nil for always
	Handler exchange.Handler
}

// Step is an entry of "sequence".
type Step struct {
	Handler exchange.Handler
	Repeat  int           // how often; 0 for ever
	Delay   time.Duration // since the first hit, in a timed sequence
	Timed   bool
}
