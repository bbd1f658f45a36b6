package compare

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// calls returns calls at seconds since the start: "0 5! 6 10": "!" marks a failed one. The
// session ends at end seconds.
func callsAt(t *testing.T, text string) (list []*call) {
	t.Helper()
	for word := range strings.FieldsSeq(text) {
		var at float64
		number, failed := strings.CutSuffix(word, "!")
		if _, err := fmt.Sscan(number, &at); err != nil {
			t.Fatal(err)
		}
		start := time.Unix(1_795_000_000, 0).Add(time.Duration(at * float64(time.Second)))
		list = append(list, &call{start: start, end: start, failed: failed})
	}
	return list
}

func TestRhythm(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                          "0 s false",
		"0":                         "0 s false",
		"0 10 20":                   "10 s false", // too few to be sure
		"0 10 20 30":                "10 s true",
		"0 9.5 20 30.5 40":          "10 s true",
		"0 10 20! 21 30 40 50":      "9.8 s true", // the retry counts for nothing
		"0 1 10 11 20 21 30 31":     "1 s false",  // pairs
		"0 10 20 30 40 50 60 65 70": "10 s true",
	} {
		r, _ := pollsOf(callsAt(t, text))
		if got := fmt.Sprintf("%s %v", seconds(r.every), r.regular); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestRetries(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		calls string
		end   int
		want  string
	}{
		{"0 10 20", 30, "chains 3, gave up -1, lasted 0, waits "},
		{"0! 1! 3! 7", 60, "chains 1, gave up -1, lasted 3, waits 1 s, 2 s, 4 s"},
		{"0! 1! 3!", 60, "chains 1, gave up 2, lasted 2, waits 1 s, 2 s"},
		{"0! 1! 3!", 4, "chains 1, gave up -1, lasted 2, waits 1 s, 2 s"}, // the session ended too early to tell
		{"0!", 60, "chains 1, gave up 0, lasted 0, waits "},
		{"0! 1! 2! 120", 130, "chains 2, gave up 2, lasted 2, waits 1 s, 1 s"},
		{"0 10 20 30 40! 50 60 70", 70, "chains 8, gave up 0, lasted 0, waits "}, // polls, not retries
		{"0 10 20 30 40! 41 50 60 70", 70, "chains 8, gave up -1, lasted 1, waits 1 s"},
		{"0! 1 100! 103", 200, "chains 2, gave up -1, lasted 1, waits 2 s"},
	} {
		r := retriesOf(callsAt(t, test.calls), time.Unix(1_795_000_000+int64(test.end), 0))
		got := fmt.Sprintf("chains %d, gave up %d, lasted %d, waits %s", r.chains, r.gaveUp, r.lasted, r.waiting())
		if got != test.want {
			t.Errorf("%s until %d: got %s, want %s", test.calls, test.end, got, test.want)
		}
	}
}

func TestDiffers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		k, n, l, m int
		want       bool
	}{
		{1, 1, 0, 1, true},    // always, and never
		{10, 10, 0, 10, true}, // the same
		{10, 10, 10, 10, false},
		{1, 10, 0, 10, false}, // may be chance
		{8, 20, 0, 20, false},
		{10, 20, 0, 20, true},
		{20, 20, 18, 20, false}, // two that lack it
		{20, 20, 9, 20, true},
		{0, 0, 5, 5, false}, // nothing to compare with
		{5, 20, 9, 20, false},
	} {
		if got := differs(test.k, test.n, test.l, test.m); got != test.want {
			t.Errorf("%d of %d, %d of %d: got %v, want %v", test.k, test.n, test.l, test.m, got, test.want)
		}
		if got := differs(test.l, test.m, test.k, test.n); got != test.want {
			t.Errorf("%d of %d, %d of %d, swapped: got %v, want %v", test.k, test.n, test.l, test.m, got, test.want)
		}
	}
}
