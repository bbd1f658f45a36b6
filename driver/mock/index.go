package mock

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync/atomic"

	"starproxy/builtins/exchange"
)

// row is an endpoint in a table, with everything that lookups need. It is computed
// once.
type row struct {
	ep     *Endpoint
	match  Match
	source string
	err    error // the fault of a match that does not compile; such a row answers nothing
	off    bool  // a client has disabled the endpoint
	hits   *atomic.Uint64
	// before counts the requests to the endpoints whose place this one has taken: see
	// [Table.Arrange].
	before uint64

	gone   context.Context // ends when the endpoint is no longer in the table
	retire context.CancelFunc

	// place is the position in the order of insertion. Only changes of the table
	// use place and rank.
	place, rank int
}

func newRow(ep *Endpoint) *row {
	w := &row{ep: ep, match: ep.Match, source: ep.Source.String(), hits: new(atomic.Uint64)}
	w.gone, w.retire = context.WithCancel(context.Background())
	w.err = w.match.Compile()
	return w
}

// answers reports whether a lookup can find the row.
func (w *row) answers() bool { return w.err == nil && !w.off }

// slot is a row with its rank in an index.
type slot struct {
	*row
	rank int // the lowest answers first
}

// index finds the endpoint for a request. It is immutable: a change makes a new
// index, which shares the unchanged parts.
type index struct {
	rows    []*row // in the order of insertion
	ordered []*row // those that answer, by rank
	byName  shards[*row]
	// exact maps an exact path to its rows, in the order of their ranks.
	exact shards[[]slot]
	// leads maps the literal text at the start of a pattern to its rows.
	leads shards[[]slot]
	// lengths has each length of a key of leads once. A lookup asks leads once for
	// each length.
	lengths []int
	// firstPattern is the lowest rank of a pattern. When an exact match has a lower
	// rank, no pattern has to be tried.
	firstPattern int
}

// newIndex makes an index of rows. It sets place and rank of each row.
func newIndex(rows []*row) *index {
	ix := &index{
		rows:         rows,
		ordered:      make([]*row, 0, len(rows)),
		byName:       newShards[*row](len(rows)),
		exact:        newShards[[]slot](len(rows)),
		leads:        newShards[[]slot](0),
		firstPattern: math.MaxInt,
	}
	for i, w := range rows {
		w.place = i
		ix.byName.set(w.ep.Name, w)
		if w.answers() {
			ix.ordered = append(ix.ordered, w)
		}
	}
	slices.SortStableFunc(ix.ordered, bySpecificity)
	for i, w := range ix.ordered {
		w.rank = (i + 1) * rankGap
		lists, lead := ix.lists(w)
		lists.set(lead, append(lists.get(lead), slot{w, w.rank}))
		if w.pattern() {
			ix.firstPattern = min(ix.firstPattern, w.rank)
			ix.measure(len(lead))
		}
	}
	return ix
}

// bySpecificity compares two rows. The row that answers first is less.
func bySpecificity(a, b *row) int { return Order(&a.match, &b.match) }

// Order compares two matches, which must be compiled. The result is below 0 if a
// table asks x before y, and 0 if their order of insertion decides. The first one has,
// in this order of importance: the higher priority; the more exact kind of path (exact,
// then segments, then prefix); the longer literal text; a method; a server; more
// conditions.
func Order(x, y *Match) int {
	return cmp.Or(
		cmp.Compare(y.Priority, x.Priority),
		cmp.Compare(x.c.path.kind, y.c.path.kind),
		byLiteral(&x.c.path, &y.c.path),
		cmp.Compare(methodRank(x.Method), methodRank(y.Method)),
		cmp.Compare(serverRank(x), serverRank(y)),
		cmp.Compare(y.c.count, x.c.count),
	)
}

// byLiteral puts the path with the longer literal text first. Two exact paths
// compare as equal.
func byLiteral(x, y *pathPattern) int {
	if x.kind == exactPath {
		return 0
	}
	return cmp.Compare(y.literal, x.literal)
}

// methodRank returns the rank of a method. WebSocket comes before GET, because both
// fit the same requests. HEAD comes before GET, because a GET endpoint answers HEAD,
// too. No method comes last.
func methodRank(method string) int {
	switch method {
	case WebSocket, "HEAD":
		return 0
	case "":
		return 2
	}
	return 1
}

func serverRank(m *Match) int {
	rank := 0
	for _, free := range []bool{m.Host == "", m.Port == 0, m.Scheme == ""} {
		rank <<= 1
		if free {
			rank |= 1
		}
	}
	return rank
}

// find returns the row that answers r, or nil.
func (ix *index) find(r *exchange.Request) *row {
	path := r.Path()
	exact := ix.exact.get(path)
	if len(exact) == 0 {
		// The keys of exact are canonical paths. A path that was found needs no
		// conversion.
		if canonical := canonicalPath(path); canonical != path {
			path, exact = canonical, ix.exact.get(canonical)
		}
	}
	for i := range exact {
		s := &exact[i]
		if s.rank > ix.firstPattern {
			return ix.search(r, path, exact[i:])
		}
		if !s.match.fitsMethod(r) || !s.match.fitsServer(r) {
			continue
		}
		if s.match.c.count == 0 {
			return s.row
		}
		// Conditions may read the body. search reads it once for all of them.
		return ix.search(r, path, exact[i:])
	}
	if len(ix.lengths) == 0 {
		return nil
	}
	return ix.search(r, path, nil)
}

// search tries the slots of exact and all patterns, in the order of their ranks.
func (ix *index) search(r *exchange.Request, path string, exact []slot) *row {
	var room [16]slot
	fitting := room[:0]
	for _, s := range exact {
		if s.match.fitsMethod(r) && s.match.fitsServer(r) {
			fitting = append(fitting, s)
		}
	}
	for _, n := range ix.lengths {
		if n > len(path) {
			break
		}
		for _, s := range ix.leads.get(path[:n]) {
			if s.match.fits(r, path) {
				fitting = append(fitting, s)
			}
		}
	}
	slices.SortFunc(fitting, func(a, b slot) int { return cmp.Compare(a.rank, b.rank) })
	p := probe{r: r}
	for i := range fitting {
		if s := &fitting[i]; s.match.c.count == 0 || s.match.holds(&p, nil) {
			return s.row
		}
	}
	return nil
}
