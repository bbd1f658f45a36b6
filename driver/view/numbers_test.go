package view

import (
	"math"
	"slices"
	"testing"
)

func TestNumbers(t *testing.T) {
	t.Parallel()
	n, err := ParseNumbers("[9, [3, 5], 4, [20, 18446744073709551615]]")
	if err != nil {
		t.Fatal(err)
	}
	for seq, want := range map[uint64]bool{0: false, 2: false, 3: true, 4: true, 5: true, 6: false, 9: true, 10: false, 19: false, 20: true, math.MaxUint64: true} {
		if n.Has(seq) != want {
			t.Errorf("%d: got %v, want %v", seq, !want, want)
		}
	}
	if got, want := slices.Collect(n.Within(4, 22)), []uint64{4, 5, 9, 20, 21, 22}; !slices.Equal(got, want) {
		t.Errorf("got %v within 4 and 22, want %v", got, want)
	}
	if n, err := ParseNumbers(""); len(n) != 0 || err != nil {
		t.Errorf("an empty text: got %v, %v, want no numbers", n, err)
	}
	for _, text := range []string{"3", "[1", `["1"]`, "[-1]", "[1.5]", "[[5, 3]]", "[[1, 2, 3]]", "[null, {}]"} {
		if n, err := ParseNumbers(text); err == nil {
			t.Errorf("%s: got %v, want an error", text, n)
		}
	}
}

func FuzzNumbers(f *testing.F) {
	f.Add("[1, [2, 9], 4]")
	f.Add("[[0, 18446744073709551615], 7]")
	f.Fuzz(func(t *testing.T, text string) {
		n, err := ParseNumbers(text)
		if err != nil {
			return
		}
		for i, r := range n {
			if r[0] > r[1] || i > 0 && r[0] <= n[i-1][1] || !n.Has(r[0]) || !n.Has(r[1]) {
				t.Fatalf("%q: got the ranges %v", text, n)
			}
		}
	})
}
