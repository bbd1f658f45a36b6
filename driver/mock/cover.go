package mock

import (
	"slices"
	"strings"

	"starproxy/builtins/jsonvalue"
)

// Covers reports whether every request that other fits is one that m fits, too.
// It may be false where that is hard to tell. Both have to be compiled.
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

// coversConditions compares the conditions of each kind. One of a kind that is
// not looked at here is taken for one that other does not have.
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

// impliedBy reports whether c holds wherever o does.
func (c condition) impliedBy(o condition) bool {
	switch {
	case o.name != c.name:
		return false
	case c.all != nil:
		return slices.Equal(c.all, o.all)
	}
	return c.want == "" || o.all == nil && c.want == o.want
}

// covers reports whether every path that other fits is one that p fits.
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

// Bounds of [Hidden]: how many endpoints one is compared with, and how many
// comparisons there are in all.
const (
	maxRivals      = 100
	maxComparisons = 200_000
)

// Hidden calls found with each endpoint that answers nothing in a table of eps,
// since another one answers all of its requests. Of very many endpoints with one
// path not all are found.
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
	same := map[place][]*row{} // those before, by path
	var open []*row            // those before with a pattern that a priority puts there
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
