package view

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"
)

// Numbers are numbers of exchanges, as ranges from the first to the last in ascending order.
type Numbers [][2]uint64

// ParseNumbers reads a JSON array of numbers, and of pairs of the first and the last of a
// range: [3, [7, 12]]. Empty text has none.
func ParseNumbers(text string) (Numbers, error) {
	if text == "" {
		return nil, nil
	}
	bad := fmt.Errorf("got %.200q, want a JSON array of numbers, or of pairs [first, last]", text)
	var items []json.RawMessage
	if json.Unmarshal([]byte(text), &items) != nil {
		return nil, bad
	}
	all := make(Numbers, 0, len(items))
	for _, item := range items {
		var one uint64
		var pair []uint64
		switch {
		case json.Unmarshal(item, &one) == nil:
			pair = []uint64{one, one}
		case json.Unmarshal(item, &pair) != nil || len(pair) != 2 || pair[0] > pair[1]:
			return nil, bad
		}
		all = append(all, [2]uint64{pair[0], pair[1]})
	}
	slices.SortFunc(all, func(a, b [2]uint64) int {
		if a[0] < b[0] {
			return -1
		}
		return min(int(a[0]-b[0]), 1)
	})
	return all.merged(), nil
}

// merged joins the ranges that overlap. They are sorted by their first number.
func (n Numbers) merged() Numbers {
	out := n[:0]
	for _, r := range n {
		if k := len(out); k > 0 && r[0] <= out[k-1][1] {
			out[k-1][1] = max(out[k-1][1], r[1])
			continue
		}
		out = append(out, r)
	}
	return out
}

// Has reports whether seq is one of the numbers.
func (n Numbers) Has(seq uint64) bool {
	_, found := slices.BinarySearchFunc(n, seq, func(r [2]uint64, seq uint64) int {
		switch {
		case r[1] < seq:
			return -1
		case r[0] > seq:
			return 1
		}
		return 0
	})
	return found
}

// Within yields the numbers from first to last.
func (n Numbers) Within(first, last uint64) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for _, r := range n {
			for seq := max(r[0], first); seq <= min(r[1], last); seq++ {
				if !yield(seq) {
					return
				}
			}
		}
	}
}
