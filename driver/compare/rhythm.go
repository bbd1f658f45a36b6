package compare

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// rhythm is how often an endpoint is polled.
type rhythm struct {
	// every is the mean of the times between calls that lie near their median, 0 when it
	// isn't known.
	every float64
	// regular says that most calls come after that time.
	regular bool
	// doubt is the standard error of every, polls the number of times that it is the mean of.
	doubt float64
	polls int
}

// The bounds of polls: at least so many gaps, of which a share lies near the median.
const (
	minGaps   = 3
	nearGap   = 0.25
	nearShare = 0.7
)

// pollsOf returns the rhythm of calls, from the start of one to the start of the next, and
// that of the pauses between them, from the end of an answer on. A call after a failed
// one counts as a retry, not as a poll.
func pollsOf(calls []*call) (polls, pauses rhythm) {
	var gaps, rests []float64
	for i := 1; i < len(calls); i++ {
		if a, b := calls[i-1], calls[i]; !a.failed && !a.start.IsZero() {
			gaps = append(gaps, b.start.Sub(a.start).Seconds())
			rests = append(rests, max(b.start.Sub(a.end).Seconds(), 0))
		}
	}
	return rhythmOf(gaps), rhythmOf(rests)
}

// rhythmOf returns the rhythm of times between calls, in seconds.
func rhythmOf(gaps []float64) rhythm {
	if len(gaps) == 0 {
		return rhythm{}
	}
	middle := median(gaps)
	near := slices.DeleteFunc(slices.Clone(gaps), func(g float64) bool { return math.Abs(g-middle) > nearGap*middle })
	r := rhythm{regular: len(gaps) >= minGaps && middle > 0 && float64(len(near)) >= nearShare*float64(len(gaps))}
	r.every, r.doubt = mean(near)
	r.polls = len(near)
	return r
}

// mean returns the mean of numbers and its standard error.
func mean(list []float64) (m, doubt float64) {
	if len(list) == 0 {
		return 0, 0
	}
	n, squares := float64(len(list)), 0.0
	for _, x := range list {
		m += x / n
	}
	for _, x := range list {
		squares += (x - m) * (x - m)
	}
	return m, math.Sqrt(squares) / n
}

// median returns the median of numbers, 0 for none.
func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}

// doubt estimates the standard error of the median of numbers from their median absolute
// deviation: 1.4826 times the deviation is the standard deviation of normal numbers, and
// 1.2533 times that by the root of n is the standard error of their median.
func doubt(list []float64) float64 {
	m := median(list)
	deviations := make([]float64, len(list))
	for i, x := range list {
		deviations[i] = math.Abs(x - m)
	}
	return 1.4826 * 1.2533 * median(deviations) / math.Sqrt(float64(len(list)))
}

// retries are the repeats of failed requests to an endpoint. A chain is a request with the
// repeats that follow it.
type retries struct {
	chains int
	// gaveUp is the largest number of repeats after which the device gave up, -1 when it
	// never did as far as the session tells.
	gaveUp int
	// lasted is the largest number of repeats of any chain.
	lasted int
	// waits has the seconds before the first repeat, the second and so on.
	waits [][]float64
}

// The bounds of a chain: a request that comes much later than the waits before it, or at
// the time of the next poll, is no repeat.
const (
	longerWait  = 8   // times the wait before
	shortWait   = 5.0 // seconds: no wait below ends a chain of one
	pollShare   = 0.8 // of the interval of polls
	waitsKept   = 10
	quietAtLast = 4 // times the last wait without a repeat, to tell that the device gave up
)

// retriesOf returns the retries in calls. end is when the session ended.
func retriesOf(calls []*call, end time.Time) retries {
	r := retries{gaveUp: -1}
	poll, _ := pollsOf(calls)
	repeats, last := 0, 0.0
	for i, c := range calls {
		if i == 0 || !calls[i-1].failed {
			r.chains++
			repeats, last = 0, 0
		}
		if !c.failed {
			r.lasted = max(r.lasted, repeats)
			continue
		}
		if i+1 == len(calls) {
			if quiet := end.Sub(c.end).Seconds(); quiet > max(quietAtLast*last, shortWait) {
				r.gaveUp = max(r.gaveUp, repeats)
			}
			r.lasted = max(r.lasted, repeats)
			break
		}
		wait := max(calls[i+1].start.Sub(c.end).Seconds(), 0)
		if poll.regular && wait >= pollShare*poll.every || last > 0 && wait > longerWait*last && wait > shortWait {
			r.gaveUp, r.lasted = max(r.gaveUp, repeats), max(r.lasted, repeats)
			r.chains++
			repeats, last = 0, 0
			continue
		}
		if repeats < waitsKept {
			for len(r.waits) <= repeats {
				r.waits = append(r.waits, nil)
			}
			r.waits[repeats] = append(r.waits[repeats], wait)
		}
		repeats, last = repeats+1, wait
	}
	return r
}

// waiting lists the typical waits, such as "1 s, 2 s, 4 s".
func (r *retries) waiting() string {
	var list []string
	for _, w := range r.waits {
		list = append(list, seconds(median(w)))
	}
	return strings.Join(list, ", ")
}

// seconds returns a time as people read it.
func seconds(s float64) string {
	switch {
	case s < 0.0095:
		return "0 s"
	case s < 1:
		return fmt.Sprintf("%.2g s", s)
	case s < 120:
		return fmt.Sprintf("%.3g s", s)
	}
	return time.Duration(s * float64(time.Second)).Round(time.Second).String()
}
