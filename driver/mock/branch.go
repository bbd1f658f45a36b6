package mock

import (
	"context"
	"sync/atomic"

	"starproxy/builtins/exchange"
)

// Branch is a part of an endpoint that answers some of its requests: a rule, or a step
// of a sequence. It counts the requests that came to it.
type Branch struct {
	// Name is the place in the definition, such as "rules[1].sequence[0]".
	Name string
	// Step is true for a step of a sequence, and false for a rule.
	Step bool
	// Line is the line of the document, 0 when unknown.
	Line int

	hits atomic.Uint64
}

// Hits returns the number of requests that came to b since its endpoint was added, or
// since [Table.ResetCoverage].
func (b *Branch) Hits() uint64 { return b.hits.Load() }

// Counted returns a handler that answers as next does, and counts its calls for b.
func (b *Branch) Counted(next exchange.Handler) exchange.Handler { return &branchHandler{b, next} }

type branchHandler struct {
	branch *Branch
	next   exchange.Handler
}

func (h *branchHandler) Respond(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	h.branch.hits.Add(1)
	return h.next.Respond(ctx, x)
}

// Interface guards.
var _ exchange.Handler = (*branchHandler)(nil)
