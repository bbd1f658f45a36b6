package mock

import (
	"cmp"
	"context"
	"slices"

	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
)

// Miss is an endpoint that did not answer a request, and why.
type Miss struct {
	Endpoint *Endpoint
	// Why lists what was seen and what was expected.
	Why []string
}

// Misses gives up to max endpoints that came nearest to answering r, the
// nearest first: same path but another method or a condition that failed, then
// paths by how many edits they are away.
func (t *Table) Misses(r *exchange.Request, max int) []Miss {
	type scored struct {
		row   *row
		score int
	}
	path := requestPath(r)
	rows := t.ix.Load().rows
	near := make([]scored, 0, len(rows))
	for _, w := range rows {
		if w.err != nil {
			near = append(near, scored{w, 1 << 20})
			continue
		}
		// A path that is wrong weighs more than all else that can be.
		score := 8 * w.match.c.path.distance(path)
		if !w.match.fitsMethod(r) {
			score++
		}
		if !w.match.fitsServer(r) {
			score += 4
		}
		near = append(near, scored{w, score})
	}
	slices.SortStableFunc(near, func(a, b scored) int { return cmp.Compare(a.score, b.score) })
	misses := make([]Miss, 0, min(max, len(near)))
	for _, s := range near[:min(max, len(near))] {
		m := Miss{Endpoint: s.row.ep}
		if s.row.err != nil {
			m.Why = []string{s.row.err.Error()}
		} else if m.Why = s.row.match.Explain(r); len(m.Why) == 0 {
			m.Why = []string{passed(s.row.ep)}
		}
		misses = append(misses, m)
	}
	return misses
}

// passed tells why an endpoint that fits did not answer.
func passed(ep *Endpoint) string {
	def, ok := ep.Definition.(jsonvalue.Object)
	if rules, _ := def.Get("rules"); !ok || rules != nil {
		return "it fits, but none of its rules held"
	}
	return "it fits, but its function passed the request on: it returned None"
}

// Reject answers what no endpoint of t does: 501 and a JSON body that names the
// nearest endpoints and why each missed. It never asks the real server.
func Reject(t *Table) exchange.Handler {
	return exchange.HandlerFunc(func(_ context.Context, x *exchange.Exchange) (*exchange.Response, error) {
		type near struct {
			Endpoint string   `json:"endpoint"`
			Source   string   `json:"source"`
			Why      []string `json:"why"`
		}
		var nearest []near
		for _, m := range t.Misses(x.Request, 5) {
			nearest = append(nearest, near{m.Endpoint.Name, m.Endpoint.Source.String(), m.Why})
		}
		return exchange.Reject(x.Request, "no endpoint matches this request", nearest), nil
	})
}
