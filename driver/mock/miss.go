package mock

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
)

// Miss is an endpoint that did not answer a request, and why.
type Miss struct {
	Endpoint *Endpoint
	// Why lists the found and the expected values.
	Why []string
}

const (
	// maxTypo is the largest number of edits of a path that counts as misspelt.
	maxTypo = 2
	// maxShared is the largest number of common segments that count.
	maxShared = 1000
)

// Misses returns up to max endpoints that came nearest to answering r, the nearest
// first. The nearest have the same path but another method or a condition that
// failed. Then come paths that may be misspelt. The last are paths that begin alike:
// more common segments come before fewer, and fewer edits before more.
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
			near = append(near, scored{w, math.MaxInt})
			continue
		}
		// A wrong path counts more than all other reasons together.
		edits := w.match.c.path.distance(path)
		score := 8 * edits
		if edits > maxTypo {
			score += (maxShared + 1 - min(w.match.c.path.shared(path), maxShared)) << 32
		}
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
			m.Why = passed(s.row.ep, r, s.row.match.params(path))
		}
		misses = append(misses, m)
	}
	return misses
}

// maxRules is the largest number of rules in an explanation.
const maxRules = 20

// passed says why an endpoint that fits did not answer. For each rule it has the
// found and the expected values.
func passed(ep *Endpoint, r *exchange.Request, params map[string]string) []string {
	def, ok := ep.Definition.(jsonvalue.Object)
	if rules, _ := def.Get("rules"); ok && rules == nil {
		return []string{"it fits, but its function passed the request on: it returned None"}
	}
	why := []string{"it fits, but none of its rules held"}
	for i, m := range ep.Rules[:min(len(ep.Rules), maxRules)] {
		if m == nil {
			continue
		}
		for _, reason := range m.explain(r, params) {
			why = append(why, fmt.Sprintf("rules[%d]: %s", i, reason))
		}
	}
	if more := len(ep.Rules) - maxRules; more > 0 {
		why = append(why, fmt.Sprintf("and %d more rules", more))
	}
	return why
}

// Reject returns a handler for the requests that no endpoint of t answers. Its answer
// is 501 with a JSON body. The body names the nearest endpoints and why each does not
// fit. The handler never asks the real server.
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

// ForwardUnanswered returns a handler that asks the real server, as [Forward] does.
// When that fails, the answer says that no endpoint of t matches, and names the
// nearest ones.
func ForwardUnanswered(t *Table) exchange.Handler {
	return exchange.HandlerFunc(func(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
		res, err := x.Forward(ctx)
		var up *exchange.UpstreamError
		if !errors.As(err, &up) {
			return res, err
		}
		var nearest []string
		for _, m := range t.Misses(x.Request, 3) {
			nearest = append(nearest, m.Endpoint.Name+" ("+strings.Join(m.Why, ", ")+")")
		}
		return res, exchange.Unanswered(err, "no mock answers this", nearest)
	})
}
