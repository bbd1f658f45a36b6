package mock

import (
	"cmp"
	"hash/maphash"
	"maps"
	"math"
	"slices"
)

// A change of one endpoint makes a new index, which shares all but a few small parts
// with the old one. So a change takes as long with 20,000 endpoints as with 20.

const (
	// rankGap is the distance between the ranks of two rows in a new index.
	// rankStep is the distance between a row and one that is inserted after it.
	// Many rows can be inserted before an index must be made with new ranks.
	rankGap  = 1 << 32
	rankStep = 1 << 12
)

// pattern reports whether the path of the row is a pattern, not an exact path.
func (w *row) pattern() bool { return w.match.c.path.kind != exactPath }

// lists returns the map in which lookups find the row, and the key of the row there.
func (ix *index) lists(w *row) (*shards[[]slot], string) {
	if w.pattern() {
		return &ix.leads, w.match.c.path.lead
	}
	return &ix.exact, w.match.c.path.lead
}

// measure notes that a key of leads has n bytes.
func (ix *index) measure(n int) {
	if at, known := slices.BinarySearch(ix.lengths, n); !known {
		ix.lengths = slices.Insert(slices.Clone(ix.lengths), at, n)
	}
}

// byRank orders rows as lookups go through them.
func byRank(a, b *row) int {
	return cmp.Or(bySpecificity(a, b), cmp.Compare(a.place, b.place))
}

// with returns an index with the row w. It replaces the row of the same name. If
// there is none, w comes last.
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
		return newIndex(next.rows) // no rank was free, or the shards have become large
	}
	return &next
}

// without returns an index without the row w, which the old index must have.
func (ix *index) without(w *row) *index {
	next := *ix
	next.withdraw(w)
	next.byName = next.byName.clone()
	next.byName.drop(w.ep.Name)
	at := ix.at(w)
	next.rows = slices.Delete(slices.Clone(ix.rows), at, at+1)
	return &next
}

// at returns the position of a row in the order of insertion.
func (ix *index) at(w *row) int {
	at, _ := slices.BinarySearchFunc(ix.rows, w, func(a, b *row) int { return cmp.Compare(a.place, b.place) })
	return at
}

// enter adds w to the lookups. It reports false if no rank is free between the rows
// before and after w.
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

// withdraw removes w from the lookups.
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

// shards is a map from texts to values, made of many small maps. A copy with one
// changed entry is cheap, because it copies only one small map. A nil shard is
// empty.
type shards[V any] struct {
	seed  maphash.Seed
	parts []map[string]V // their number is a power of two
}

// maxShards is the largest number of shards. With fewer shards, each has about
// shardSize entries.
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

// crowded reports whether n entries need more shards.
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

// set sets an entry in place. It is used only while the map is made.
func (s *shards[V]) set(key string, v V) {
	part := s.part(key)
	if *part == nil {
		*part = map[string]V{}
	}
	(*part)[key] = v
}

// clone returns a copy, which put and drop may change.
func (s shards[V]) clone() shards[V] {
	s.parts = slices.Clone(s.parts)
	return s
}

// put sets an entry of a clone. No other goroutine may use the clone yet.
func (s *shards[V]) put(key string, v V) {
	part := s.part(key)
	*part = maps.Clone(*part)
	s.set(key, v)
}

// drop removes an entry of a clone. No other goroutine may use the clone yet.
func (s *shards[V]) drop(key string) {
	part := s.part(key)
	*part = maps.Clone(*part)
	delete(*part, key)
}
