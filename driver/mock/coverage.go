package mock

import "maps"

// maxPast bounds the endpoints that are no longer in a table and whose counts it keeps.
const maxPast = 5000

// Covered tells how often an endpoint and its branches were met.
type Covered struct {
	// Endpoint has no Handler when InForce is false.
	Endpoint *Endpoint
	// Hits counts the requests that the endpoint was picked for, and Branches those of
	// each of Endpoint.Branches, since the table was made or [Table.ResetCoverage] was
	// called. An endpoint that is loaded again under the same name from the same document
	// goes on counting.
	Hits     uint64
	Branches []uint64
	// InForce is true while the endpoint is in the table, and Enabled while it may answer.
	InForce, Enabled bool
}

// past has the counts of the endpoints that had a name in a document and are no longer in
// the table.
type past struct {
	ep *Endpoint // of the latest, without its handler
	// hits is negative when it is what the endpoint in force had at the last reset.
	hits     int64
	branches map[string]uint64
}

// pastKey tells endpoints apart.
type pastKey struct{ document, name string }

func keyOf(ep *Endpoint) pastKey { return pastKey{ep.Source.Name, ep.Name} }

// fold keeps the counts of a row that goes out of the table. A request that is being
// answered by the endpoint may be missing in them. The caller holds t.mu.
func (t *Table) fold(w *row) {
	p := t.remembered(w.ep)
	if p == nil {
		return
	}
	p.hits += int64(w.hits.Load())
	for _, b := range w.ep.Branches {
		// The endpoint may come back with its branches.
		if n := b.hits.Swap(0); n > 0 {
			if p.branches == nil {
				p.branches = map[string]uint64{}
			}
			p.branches[b.Name] += n
		}
	}
}

// remembered returns the past of an endpoint; nil when there is no room for it.
func (t *Table) remembered(ep *Endpoint) *past {
	p := t.past[keyOf(ep)]
	if p == nil {
		if len(t.past) >= maxPast {
			return nil
		}
		if t.past == nil {
			t.past = map[pastKey]*past{}
		}
		p = &past{}
		t.past[keyOf(ep)] = p
		t.pastOrder = append(t.pastOrder, p)
	}
	p.ep = &Endpoint{Name: ep.Name, Source: ep.Source, Branches: ep.Branches, Summary: ep.Summary}
	return p
}

// Coverage returns the endpoints in the order of insertion, and then those that are no
// longer in the table, in the order in which their names went out of it first.
func (t *Table) Coverage() []Covered {
	t.mu.Lock()
	defer t.mu.Unlock()
	gone := maps.Clone(t.past)
	rows := t.ix.Load().rows
	list := make([]Covered, 0, len(rows)+len(gone))
	for _, w := range rows {
		c := covered(w.ep, gone[keyOf(w.ep)], w.hits.Load())
		c.InForce, c.Enabled = true, !w.off
		list = append(list, c)
		delete(gone, keyOf(w.ep))
	}
	for _, p := range t.pastOrder {
		if gone[keyOf(p.ep)] == p {
			list = append(list, covered(p.ep, p, 0))
		}
	}
	return list
}

// covered adds the counts of an endpoint to those of its past, which may be nil.
func covered(ep *Endpoint, p *past, hits uint64) Covered {
	if p == nil {
		p = &past{}
	}
	c := Covered{Endpoint: ep, Hits: uint64(max(p.hits+int64(hits), 0)), Branches: make([]uint64, len(ep.Branches))}
	for i, b := range ep.Branches {
		c.Branches[i] = p.branches[b.Name] + b.hits.Load()
	}
	return c
}

// ResetCoverage lets the counts of [Table.Coverage] begin at 0, and forgets the endpoints
// that are no longer in the table. The hits of [Table.Report] stay.
func (t *Table) ResetCoverage() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.past, t.pastOrder = nil, nil
	for _, w := range t.ix.Load().rows {
		for _, b := range w.ep.Branches {
			b.hits.Store(0)
		}
		if n := w.hits.Load(); n > 0 {
			if p := t.remembered(w.ep); p != nil {
				p.hits = -int64(n)
			}
		}
	}
}
