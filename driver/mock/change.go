package mock

import (
	"cmp"
	"hash/maphash"
	"maps"
	"math"
	"slices"
)

// A change of one endpoint shares all but a few small pieces with the index
// before it, so that it takes as long beside 20,000 endpoints as beside 20.

const (
	// rankGap is between the ranks of two rows when an index is made, and
	// rankStep between a row and one that is put in behind it: there is room for
	// many before the ranks have to be given anew.
	rankGap  = 1 << 32
	rankStep = 1 << 12
)

// pattern reports whether the path of the row is more than an exact one.
func (w *row) pattern() bool { return w.match.c.path.kind != exactPath }

// lists returns where lookups find the row, and its key there.
func (ix *index) lists(w *row) (*shards[[]slot], string) {
	if w.pattern() {
		return &ix.leads, w.match.c.path.lead
	}
	return &ix.exact, w.match.c.path.lead
}

// measure notes that there is a lead of n bytes.
func (ix *index) measure(n int) {
	if at, known := slices.BinarySearch(ix.lengths, n); !known {
		ix.lengths = slices.Insert(slices.Clone(ix.lengths), at, n)
	}
}

// byRank orders rows as lookups go through them.
func byRank(a, b *row) int {
	return cmp.Or(bySpecificity(a, b), cmp.Compare(a.place, b.place))
}

// with returns the index with w in the place of the row of the same name, or
// behind all others.
func (ix *index) with(w *row) *index {
	old := ix.byName.get(w.ep.Name)
	next := *ix
	switch {
	case old != nil:
		w.place = old.place
		next.withdraw(old)
		next.rows = slices.Clone(ix.rows)
		next.rows[ix.at(old)] = w
	default:
		if n := len(ix.rows); n > 0 {
			w.place = ix.rows[n-1].place + 1
		}
		next.rows = append(slices.Clip(ix.rows), w)
	}
	next.byName = next.byName.clone()
	next.byName.put(w.ep.Name, w)
	if w.answers() && !next.enter(w) || next.byName.crowded(len(next.rows)) {
		return newIndex(next.rows) // there is no rank left, or the shards are large
	}
	return &next
}

// without returns the index without a row that it has.
func (ix *index) without(w *row) *index {
	next := *ix
	next.withdraw(w)
	next.byName = next.byName.clone()
	next.byName.drop(w.ep.Name)
	at := ix.at(w)
	next.rows = slices.Delete(slices.Clone(ix.rows), at, at+1)
	return &next
}

// at finds a row in the order of insertion.
func (ix *index) at(w *row) int {
	at, _ := slices.BinarySearchFunc(ix.rows, w, func(a, b *row) int { return cmp.Compare(a.place, b.place) })
	return at
}

// enter adds w to the lookups, unless no rank is left between those beside it.
func (ix *index) enter(w *row) bool {
	at, _ := slices.BinarySearchFunc(ix.ordered, w, byRank)
	before, after := 0, math.MaxInt
	if at > 0 {
		before = ix.ordered[at-1].rank
	}
	if at < len(ix.ordered) {
		after = ix.ordered[at].rank
	}
	step := min((after-before)/2, rankStep)
	if after == math.MaxInt {
		step = min((after-before)/2, rankGap)
	}
	if step == 0 {
		return false
	}
	w.rank = before + step
	ix.ordered = slices.Insert(slices.Clone(ix.ordered), at, w)
	lists, lead := ix.lists(w)
	list := slices.Clone(lists.get(lead))
	at, _ = slices.BinarySearchFunc(list, w.rank, func(s slot, rank int) int { return cmp.Compare(s.rank, rank) })
	*lists = lists.clone()
	lists.put(lead, slices.Insert(list, at, slot{w, w.rank}))
	if w.pattern() {
		ix.firstPattern = min(ix.firstPattern, w.rank)
		ix.measure(len(lead))
	}
	return true
}

// withdraw takes w out of the lookups.
func (ix *index) withdraw(w *row) {
	if !w.answers() {
		return
	}
	at, _ := slices.BinarySearchFunc(ix.ordered, w.rank, func(a *row, rank int) int { return cmp.Compare(a.rank, rank) })
	ix.ordered = slices.Delete(slices.Clone(ix.ordered), at, at+1)
	lists, lead := ix.lists(w)
	list := slices.DeleteFunc(slices.Clone(lists.get(lead)), func(s slot) bool { return s.row == w })
	*lists = lists.clone()
	if len(list) > 0 {
		lists.put(lead, list)
	} else {
		lists.drop(lead)
	}
	if !w.pattern() {
		return
	}
	ix.firstPattern = math.MaxInt
	for _, other := range ix.ordered {
		if other.pattern() {
			ix.firstPattern = other.rank
			break
		}
	}
	long := func(other *row) bool { return other.pattern() && len(other.match.c.path.lead) == len(lead) }
	if len(list) == 0 && !slices.ContainsFunc(ix.ordered, long) {
		ix.lengths = slices.DeleteFunc(slices.Clone(ix.lengths), func(n int) bool { return n == len(lead) })
	}
}

// shards is a map from text in many small ones, so that a copy with one entry
// changed is cheap. A nil shard is empty.
type shards[V any] struct {
	seed  maphash.Seed
	parts []map[string]V // a power of two
}

// maxShards bounds the shards; below that each has shardSize entries or so.
const (
	maxShards = 1024
	shardSize = 32
)

// newShards makes room for n entries.
func newShards[V any](n int) shards[V] {
	parts := 1
	for parts < maxShards && parts*shardSize < n {
		parts *= 2
	}
	return shards[V]{maphash.MakeSeed(), make([]map[string]V, parts)}
}

// crowded reports whether n entries are worth more shards.
func (s *shards[V]) crowded(n int) bool {
	return len(s.parts) < maxShards && n > 2*shardSize*len(s.parts)
}

func (s *shards[V]) part(key string) *map[string]V {
	if len(s.parts) == 1 {
		return &s.parts[0]
	}
	return &s.parts[maphash.String(s.seed, key)&uint64(len(s.parts)-1)]
}

func (s *shards[V]) get(key string) V { return (*s.part(key))[key] }

// set changes the map itself, while it is made.
func (s *shards[V]) set(key string, v V) {
	part := s.part(key)
	if *part == nil {
		*part = map[string]V{}
	}
	(*part)[key] = v
}

// clone returns a copy to be changed by put and drop.
func (s shards[V]) clone() shards[V] {
	s.parts = slices.Clone(s.parts)
	return s
}

// put sets an entry of a clone that others do not see.
func (s *shards[V]) put(key string, v V) {
	part := s.part(key)
	*part = maps.Clone(*part)
	s.set(key, v)
}

// drop removes an entry of a clone that others do not see.
func (s *shards[V]) drop(key string) {
	part := s.part(key)
	*part = maps.Clone(*part)
	delete(*part, key)
}
