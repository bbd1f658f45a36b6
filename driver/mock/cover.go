package mock

import (
	"slices"
	"strings"

	"starproxy/builtins/jsonvalue"
)

// Covers reports whether m fits every request that other fits. When that is hard to
// find out, it reports false. Both must be compiled.
func (m *Match) Covers(other *Match) bool {
	if m.c == nil || other.c == nil {
		return false
	}
	return m.coversMethod(other) && m.coversServer(other) && m.c.path.covers(&other.c.path) && m.coversConditions(other)
}

func (m *Match) coversMethod(other *Match) bool {
	switch m.Method {
	case "", other.Method:
		return true
	case "GET":
		return other.Method == "HEAD" || other.Method == WebSocket
	}
	return false
}

func (m *Match) coversServer(other *Match) bool {
	return (m.Host == "" || other.Host != "" && sameHost(m.Host, other.Host)) &&
		(m.Port == 0 || m.Port == other.Port) &&
		(m.Scheme == "" || m.Scheme == other.Scheme)
}

// coversConditions reports whether the conditions of other imply those of m. It
// compares only some kinds of conditions. If m has any other, it reports false.
func (m *Match) coversConditions(other *Match) bool {
	implied := 0
	for _, pair := range [][2][]condition{{m.c.headers, other.c.headers}, {m.c.query, other.c.query}} {
		for _, c := range pair[0] {
			if slices.ContainsFunc(pair[1], c.impliedBy) {
				implied++
			}
		}
	}
	for _, name := range m.c.absent {
		if slices.Contains(other.c.absent, name) {
			implied++
		}
	}
	if m.BodyContains != "" && strings.Contains(other.BodyContains, m.BodyContains) {
		implied++
	}
	for _, c := range m.c.json {
		if slices.ContainsFunc(other.c.json, func(o jsonCondition) bool { return o.path == c.path && jsonvalue.Equal(o.want, c.want) }) {
			implied++
		}
	}
	if m.State != nil && m.State.impliedBy(other.State) {
		implied++
	}
	return implied == m.c.count
}

// impliedBy reports whether c holds for every request for which o holds.
func (c condition) impliedBy(o condition) bool {
	switch {
	case o.name != c.name:
		return false
	case c.all != nil:
		return slices.Equal(c.all, o.all)
	}
	return c.want == "" || o.all == nil && c.want == o.want
}

// covers reports whether p fits every path that other fits.
func (p *pathPattern) covers(other *pathPattern) bool {
	switch {
	case other.kind == exactPath:
		return p.match(other.lead, nil)
	case p.kind == prefixPath && p.segs == nil:
		return strings.HasPrefix(other.lead, p.lead)
	}
	return p.kind == other.kind && p.shape() == other.shape()
}

// shape returns the pattern without the names of its captures.
func (p *pathPattern) shape() string {
	if p.segs == nil {
		return p.lead
	}
	parts := make([]string, len(p.segs))
	for i, s := range p.segs {
		if parts[i] = s.pre; s.wild {
			parts[i] += "{}" + s.suf
		}
	}
	return strings.Join(parts, "/")
}

// The limits of [Hidden]. An endpoint is compared with at most maxRivals others, and
// there are at most about maxComparisons comparisons.
const (
	maxRivals      = 100
	maxComparisons = 200_000
)

// Hidden calls found with each endpoint that never answers in a table of eps, because
// the endpoint by answers all of its requests. If very many endpoints have the same
// path, some are not found.
func Hidden(eps []*Endpoint, found func(hidden, by *Endpoint)) {
	rows := make([]*row, 0, len(eps))
	for _, ep := range eps {
		if w := (&row{ep: ep, match: ep.Match}); w.match.Compile() == nil {
			rows = append(rows, w)
		}
	}
	slices.SortStableFunc(rows, bySpecificity)
	type place struct {
		kind  pathKind
		shape string
	}
	same := map[place][]*row{} // the earlier rows, by path
	var open []*row            // the earlier rows that have a pattern and a priority
	compared := 0
	for _, w := range rows {
		p := &w.match.c.path
		at := place{p.kind, p.shape()}
		for _, rivals := range [][]*row{same[at], open} {
			i := slices.IndexFunc(rivals[:min(len(rivals), maxRivals)], func(by *row) bool {
				compared++
				return by.match.Covers(&w.match)
			})
			if i >= 0 {
				found(w.ep, rivals[i].ep)
				break
			}
		}
		if compared > maxComparisons {
			return
		}
		same[at] = append(same[at], w)
		if p.kind != exactPath && w.match.Priority > 0 {
			open = append(open, w)
		}
	}
}
