package expect

import (
	"math"
)

// maxWaits bounds the waits of one request that are looked at.
const maxWaits = 64

// backoff is a model of waits: wait n is first × factor^n, at most longest, times a number
// from 1 − jitter to 1 + jitter.
type backoff struct {
	waits   []float64 // in seconds
	turns   []int     // n of each wait
	longest float64   // in seconds; 0 for none
	slack   float64   // how far a wait may be off beside its jitter, in seconds
}

// add adds wait n, unless there are too many.
func (b *backoff) add(n int, wait float64) {
	if len(b.waits) < maxWaits {
		b.waits, b.turns = append(b.waits, wait), append(b.turns, n)
	}
}

// factors returns the range of the factors, as logarithms, with which the model fits at a
// jitter of at most that share. ok is false when none fits.
//
// With logarithms the model is a line, and each wait an interval. A line with a given
// slope passes through all intervals if it can pass through each two of them: then the
// ranges of heights that the intervals leave overlap in pairs, and so have a value in
// common. Each pair bounds the slope.
func (b *backoff) factors(jitter float64) (from, to float64, ok bool) {
	low, high := make([]float64, len(b.waits)), make([]float64, len(b.waits))
	for i, w := range b.waits {
		low[i] = math.Log(math.Max(w-b.slack, 1e-4) / (1 + jitter))
		high[i] = math.Inf(1)
		if capped := b.longest > 0 && w >= b.longest*(1-jitter)-b.slack; !capped && jitter < 1 {
			high[i] = math.Log(math.Max(w+b.slack, 1e-4) / (1 - jitter))
		}
	}
	from, to = math.Inf(-1), math.Inf(1)
	for i := range low {
		for k := i + 1; k < len(low); k++ {
			turns := float64(b.turns[k] - b.turns[i])
			from = math.Max(from, (low[k]-high[i])/turns)
			to = math.Min(to, (high[k]-low[i])/turns)
		}
	}
	return from, to, from <= to
}

// jitter returns the smallest jitter at which a factor of the range fits, and that factor.
// The jitter is 1 when none below fits.
func (b *backoff) jitter(factor Span) (jitter, fits float64) {
	low, high := 0.0, 1.0
	fits = factor.Min
	for range 40 {
		middle := (low + high) / 2
		from, to, ok := b.factors(middle)
		from, to = math.Max(from, math.Log(factor.Min)), math.Min(to, math.Log(factor.Max))
		if !ok || from > to {
			low = middle
			continue
		}
		high = middle
		fits = math.Exp(centre(from, to))
	}
	return high, fits
}

// centre returns the middle of a range that may lack an end.
func centre(from, to float64) float64 {
	switch {
	case math.IsInf(from, -1) && math.IsInf(to, 1):
		return 0
	case math.IsInf(from, -1):
		return to
	case math.IsInf(to, 1):
		return from
	}
	return (from + to) / 2
}
