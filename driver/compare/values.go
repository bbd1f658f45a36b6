package compare

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxDistinct is how many different values of one field are told apart.
const maxDistinct = 32

// values are the values of a header, a parameter or a field in the requests to an
// endpoint, with placeholders for ids.
type values struct {
	n    int       // how many there are
	seen []counted // the different ones in the order of their appearance
	more bool      // there were more than maxDistinct
}

// counted is a value, and how often it is there.
type counted struct {
	value string
	n     int
}

// of returns how often a value is there.
func (v *values) of(value string) int {
	for i := range v.seen {
		if v.seen[i].value == value {
			return v.seen[i].n
		}
	}
	return 0
}

func (v *values) add(value string) { v.addMany(value, 1) }

func (v *values) addMany(value string, n int) {
	v.n += n
	for i := range v.seen {
		if v.seen[i].value == value {
			v.seen[i].n += n
			return
		}
	}
	if len(v.seen) == maxDistinct {
		v.more = true
		return
	}
	v.seen = append(v.seen, counted{value, n})
}

func (v *values) merge(other *values) {
	for _, c := range other.seen {
		v.addMany(c.value, c.n)
		v.n -= c.n
	}
	v.n += other.n
	v.more = v.more || other.more
}

// varies reports whether the values are so many that the next one will be another:
// counters, ids, readings.
func (v *values) varies() bool {
	return v.more || len(v.seen) > 1 && 2*len(v.seen) > v.n || len(v.seen) > maxDistinct/2
}

// why explains a field that varies, or that holds placeholders. Empty for others.
func (v *values) why() string {
	if v.varies() {
		if v.more {
			return fmt.Sprintf("more than %d values in %d requests", maxDistinct, v.n)
		}
		return fmt.Sprintf("%d values in %d requests", len(v.seen), v.n)
	}
	kinds := map[string]bool{}
	for _, c := range v.seen {
		for _, kind := range placeholders {
			if strings.Contains(c.value, "{"+kind+"}") {
				kinds[kind] = true
			}
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(kinds)), ", ")
}

// numeric reports whether all values are numbers, perhaps with a unit.
func (v *values) numeric() bool {
	for _, c := range v.seen {
		if !reading.MatchString(c.value) {
			return false
		}
	}
	return true
}

// String lists the values, those that are there most often first.
func (v *values) String() string {
	sorted := slices.SortedFunc(slices.Values(v.seen), func(a, b counted) int {
		return cmp.Or(b.n-a.n, strings.Compare(a.value, b.value))
	})
	const shown = 4
	var list []string
	for _, c := range sorted {
		list = append(list, quote(c.value))
	}
	if len(list) > shown {
		return strings.Join(list[:shown], ", ") + fmt.Sprintf(" and %d more", len(list)-shown)
	}
	return strings.Join(list, ", ")
}

// sureBelow is how improbable a difference must be by chance before it is reported.
const sureBelow = 0.001

// differs reports whether a thing that k of n requests have on one side, and l of m on the
// other, is there more often on one side by more than chance. A thing that all have on
// one side and none on the other always differs. Otherwise the test is Fisher's for the
// case at hand: how probable it is that all that have it fall on one side.
func differs(k, n, l, m int) bool {
	if n == 0 || m == 0 || k == 0 && l == 0 {
		return false
	}
	if k == n && l == 0 || l == m && k == 0 {
		return true
	}
	switch {
	case l == 0:
		return allOnOneSide(k, n, m) < sureBelow
	case k == 0:
		return allOnOneSide(l, m, n) < sureBelow
	case k == n && l < m: // those that lack it are all on the other side
		return allOnOneSide(m-l, m, n) < sureBelow
	case l == m && k < n:
		return allOnOneSide(n-k, n, m) < sureBelow
	}
	return false
}

// allOnOneSide returns the probability that k things, put at random on n places of one
// side and m of the other, all fall on the first.
func allOnOneSide(k, n, m int) float64 {
	p := 1.0
	for i := range k {
		p *= float64(n-i) / float64(n+m-i)
	}
	return p
}

// minWord is how long a value must be to be random although it does not look like it.
const minWord = 8

// random reports whether all values are placeholders, or words that may be random by
// chance where another one is a placeholder.
func random(sides ...*values) bool {
	one := false
	for _, v := range sides {
		for _, c := range v.seen {
			if strings.HasPrefix(c.value, "{") && strings.HasSuffix(c.value, "}") {
				one = true
			} else if len(c.value) < minWord || !wordForm.MatchString(c.value) {
				return false
			}
		}
	}
	return one
}

// changed reports whether the values on two sides differ by more than chance, where
// neither side varies.
func changed(old, now *values) bool {
	if random(old, now) {
		return false
	}
	for _, side := range []*values{old, now} {
		for _, c := range side.seen {
			if differs(old.of(c.value), old.n, now.of(c.value), now.n) {
				return true
			}
		}
	}
	return false
}
