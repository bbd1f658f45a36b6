package scenario

import (
	"strings"
)

// nearest is the known word closest to s by edit distance, or "" when none is
// close enough to be a slip of the pen.
func nearest(s string, known []string) string {
	if len(s) > 64 {
		return ""
	}
	best, at := "", 0
	for _, k := range known {
		d := distance(strings.ToLower(s), strings.ToLower(k))
		if limit := max(1, (len(k)+1)/3); d > limit {
			continue
		}
		if best == "" || d < at || d == at && k < best {
			best, at = k, d
		}
	}
	return best
}

// distance counts the letters inserted, dropped, changed or swapped with their
// neighbour between a and b.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	var before []int
	prev := make([]int, len(y)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := range x {
		row := make([]int, len(y)+1)
		row[0] = i + 1
		for j := range y {
			cost := 1
			if x[i] == y[j] {
				cost = 0
			}
			row[j+1] = min(prev[j+1]+1, row[j]+1, prev[j]+cost)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, prev = prev, row
	}
	return prev[len(y)]
}
