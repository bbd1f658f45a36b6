// Package nearest finds the name that was probably meant by a misspelt one.
package nearest

import "strings"

// Name returns the candidate that name was probably meant to be, whatever the
// case of its letters: the one that is the fewest edits away, the first in the
// alphabet of several. It is "" when none is near enough for a slip of the pen.
func Name(name string, candidates []string) string {
	if len(name) > 64 {
		return ""
	}
	best, at := "", 0
	name = strings.ToLower(name)
	for _, c := range candidates {
		lower, most := strings.ToLower(c), max(1, (len(c)+1)/3)
		if max(len(name), len(lower))-min(len(name), len(lower)) > most {
			continue // that many are inserted or dropped at least
		}
		d := Distance(name, lower)
		if d > most {
			continue
		}
		if best == "" || d < at || d == at && c < best {
			best, at = c, d
		}
	}
	return best
}

// maxEdit bounds the texts that Distance compares in detail.
const maxEdit = 256

// Distance counts the bytes inserted, dropped, changed or swapped with their
// neighbour between a and b. Of long texts that differ early, what is beyond
// 256 bytes counts as all different. It makes no garbage.
func Distance(a, b string) int {
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	extra := max(len(a), maxEdit) - maxEdit + max(len(b), maxEdit) - maxEdit
	a, b = a[:min(len(a), maxEdit)], b[:min(len(b), maxEdit)]
	var rows [3][maxEdit + 1]int
	before, prev, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		row[j] = j
	}
	for i := range len(a) {
		before, prev, row = prev, row, before
		row[0] = i + 1
		for j := range len(b) {
			d := prev[j]
			if a[i] != b[j] {
				d++
			}
			d = min(d, prev[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				d = min(d, before[j-1]+1)
			}
			row[j+1] = d
		}
	}
	return row[len(b)] + extra
}
