package mock

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestChangesOneByOne makes random changes and compares the index with one that
// is made of the same rows at once.
func TestChangesOneByOne(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	table := NewTable()
	forms := []string{"GET /a/%d", "* /a/%d", "POST /a/%d#x", "GET /a/%d*", "GET /longer/a/%d*", "GET /u/{id}/%d", "GET /%d/{a}/{b}", "https://h/a/%d", "GET /a*", "GET /a/%d#y"}
	for step := range 6000 {
		name := forms[r.IntN(len(forms))]
		if n := r.IntN(150); name != "GET /a*" {
			name = fmt.Sprintf(name, n)
		}
		switch r.IntN(10) {
		case 0, 1, 2:
			table.Remove(name)
		case 3:
			table.Enable(name, r.IntN(2) == 0)
		default:
			m, err := ParseKey(name)
			if err != nil {
				t.Fatal(err)
			}
			m.Priority = r.IntN(3)
			table.Set(&Endpoint{Name: name, Match: m})
		}
		if step%50 == 0 {
			same(t, table.ix.Load())
		}
	}
	for _, ep := range table.List() {
		table.Remove(ep.Name)
	}
	if ix := table.ix.Load(); len(ix.ordered) != 0 || len(ix.lengths) != 0 || len(ix.rows) != 0 {
		t.Errorf("left: %d rows, %d in order, lengths %v", len(ix.rows), len(ix.ordered), ix.lengths)
	}
}

// same fails unless lookups in ix go the way that they go in a new one.
func same(t *testing.T, ix *index) {
	t.Helper()
	places := make([]int, len(ix.rows))
	ranks := map[*row]int{}
	for i, w := range ix.rows {
		places[i], ranks[w] = w.place, w.rank
	}
	if !slices.IsSorted(places) {
		t.Fatal("the places are out of order")
	}
	fresh := newIndex(slices.Clone(ix.rows))
	defer func() { // newIndex gave places and ranks of its own
		for i, w := range ix.rows {
			w.place, w.rank = places[i], ranks[w]
		}
	}()
	if !slices.Equal(ix.ordered, fresh.ordered) {
		t.Fatalf("%d rows in another order than in a new index", len(ix.ordered))
	}
	if !slices.Equal(ix.lengths, fresh.lengths) {
		t.Errorf("lengths %v, want %v", ix.lengths, fresh.lengths)
	}
	first := slices.IndexFunc(ix.ordered, (*row).pattern)
	if first >= 0 && ix.firstPattern != ranks[ix.ordered[first]] {
		t.Errorf("the first pattern has rank %d, want %d", ix.firstPattern, ranks[ix.ordered[first]])
	}
	for _, w := range ix.rows {
		if ix.byName.get(w.ep.Name) != w {
			t.Errorf("%s is not found by its name", w.ep.Name)
		}
		lists, lead := ix.lists(w)
		news, _ := fresh.lists(w)
		rows := func(list []slot) (rows []*row) {
			for i, s := range list {
				rows = append(rows, s.row)
				if i > 0 && list[i-1].rank >= s.rank {
					t.Errorf("%s: ranks out of order", lead)
				}
			}
			return rows
		}
		if !slices.Equal(rows(lists.get(lead)), rows(news.get(lead))) {
			t.Errorf("%s: another list than in a new index", lead)
		}
	}
}

// BenchmarkSet sets one endpoint beside 20,000. It takes 20 times longer when
// the index is made anew for each change.
func BenchmarkSet(b *testing.B) {
	table := NewTable()
	var eps []*Endpoint
	for i := range 20000 {
		name := fmt.Sprintf("GET /api/v1/items/%d", i)
		m, err := ParseKey(name)
		if err != nil {
			b.Fatal(err)
		}
		eps = append(eps, &Endpoint{Name: name, Match: m})
	}
	table.ReplaceAll(eps)
	m, _ := ParseKey("GET /one/more")
	for b.Loop() {
		table.Set(&Endpoint{Name: "GET /one/more", Match: m})
	}
}
