package compare

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// intervalSlack is added to the tolerance of intervals, in seconds. The tolerance is larger
// where one of the sessions has fewer than manyPolls.
const intervalSlack, manyPolls, ofFewPolls = 0.02, 6, 2.5

// rhythm compares the intervals of polls. A device that waits for some time after each
// answer polls faster or slower as the server does, so the pauses must differ, too.
func (c *comparison) rhythm(p pair) {
	old, now := p.old.polls, p.now.polls
	if !old.regular || !now.regular || !c.apart(old, now) || !c.apart(p.old.pauses, p.now.pauses) {
		return
	}
	f := Finding{Kind: Interval, Old: seconds(old.every), New: seconds(now.every)}
	f.Text = fmt.Sprintf("polled every %s, was every %s", f.New, f.Old)
	c.found(f, p.name(), "")
}

// apart reports whether two rhythms differ by more than the tolerance.
func (c *comparison) apart(old, now rhythm) bool {
	tolerance := share(c.rules.Tolerances.Interval, intervalTolerance)
	if min(old.polls, now.polls) < manyPolls {
		tolerance *= ofFewPolls
	}
	slack := intervalSlack + max(tolerance*old.every, 3*math.Hypot(old.doubt, now.doubt))
	return math.Abs(now.every-old.every) > slack
}

// retrySlack is added to the tolerance of waits before retries, in seconds.
const retrySlack = 0.1

// retry compares retries where both sessions have failures.
func (c *comparison) retry(p pair) {
	old, now := &p.old.retries, &p.now.retries
	if p.old.failures == 0 || p.now.failures == 0 {
		return
	}
	fewer := now.gaveUp >= 0 && (old.lasted > now.gaveUp || old.gaveUp >= 0 && old.gaveUp != now.gaveUp)
	more := old.gaveUp >= 0 && (now.lasted > old.gaveUp || now.gaveUp >= 0 && old.gaveUp != now.gaveUp)
	if fewer || more {
		f := Finding{Kind: Retry, Old: old.persistence(), New: now.persistence()}
		f.Text = f.New + "; was: " + f.Old
		c.found(f, p.name(), "")
		return
	}
	for i := range min(len(old.waits), len(now.waits)) {
		a, b := median(old.waits[i]), median(now.waits[i])
		noise := 3 * math.Hypot(doubt(old.waits[i]), doubt(now.waits[i]))
		slack := retrySlack + max(share(c.rules.Tolerances.Retry, retryTolerance)*a, noise)
		if math.Abs(a-b) > slack {
			f := Finding{Kind: Retry, Old: old.waiting(), New: now.waiting()}
			f.Text = fmt.Sprintf("waits %s before the retries, was %s", f.New, f.Old)
			c.found(f, p.name(), "")
			return
		}
	}
}

// persistence says how often the device tries again.
func (r *retries) persistence() string {
	if r.gaveUp >= 0 {
		return fmt.Sprintf("gives up after %s", number(r.gaveUp, "retry", "retries"))
	}
	return fmt.Sprintf("up to %s, and did not give up", number(r.lasted, "retry", "retries"))
}

func number(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// The bounds of counts.
const (
	exactBelow = 4   // counts below must be equal
	ofPolls    = 2   // polls may be so many more or less
	lateCall   = 1.3 // times the gap between calls, until a call after the end is missed
)

// count compares how often an endpoint is called.
func (c *comparison) count(p pair) {
	if c.has(p.name(), Retry) {
		return
	}
	old, now := p.old.count(), p.now.count()
	for i := range old {
		if c.similar(p, old[i], now[i]) {
			return
		}
	}
	f := Finding{Kind: Count, Old: fmt.Sprint(old[0]), New: fmt.Sprint(now[0])}
	f.Text = fmt.Sprintf("called %s, was %d", number(now[0], "time", "times"), old[0])
	c.found(f, p.name(), "")
}

// count returns the number of all calls, that without retries, and that without failed
// calls. Those of two sessions are compared one by one: failures are the server's.
func (p *profile) count() [3]int {
	n := len(p.calls)
	return [3]int{n, p.retries.chains, n - p.failures}
}

// similar reports whether two numbers of calls are equal within the tolerance, for
// sessions that may have lasted longer or shorter.
func (c *comparison) similar(p pair, old, now int) bool {
	if old == now {
		return true
	}
	tolerance := share(c.rules.Tolerances.Count, countTolerance)
	expected, scale, timed := c.expected(p, old)
	switch {
	case p.old.polls.regular && p.now.polls.regular && timed:
		return math.Abs(float64(now)-expected) <= max(ofPolls, tolerance*expected)+max(1, scale)-1
	case max(old, now) < exactBelow:
		return max(old, now)-min(old, now) == 1 && c.cutOff(p)
	case math.Abs(float64(now-old)) <= max(1, tolerance*float64(old)):
		return true
	}
	// One call more or less in the shorter session counts as well.
	return timed && math.Abs(float64(now)-expected) <= max(1, scale)+tolerance*expected
}

// expected returns how many calls the new session would have at the rate of the old one,
// and how much longer it lasted from the first call of the endpoint on. It reports false when
// that isn't known.
func (c *comparison) expected(p pair, old int) (calls, scale float64, ok bool) {
	from, to := p.old.calls[0].start, p.now.calls[0].start
	before, after := c.oldSession.end().Sub(from).Seconds(), c.nowSession.end().Sub(to).Seconds()
	if from.IsZero() || to.IsZero() || before <= 0 {
		return 0, 0, false
	}
	scale = max(after, 0) / before
	if p.old.polls.regular && p.now.polls.regular && c.apart(p.old.polls, p.now.polls) {
		scale *= p.old.polls.every / p.now.polls.every
	}
	return 1 + float64(old-1)*scale, scale, true
}

// cutOff reports whether the session with fewer calls ended before the next call
// was due.
func (c *comparison) cutOff(p pair) bool {
	fewer, more, end := p.old, p.now, c.oldSession.end()
	if len(fewer.calls) > len(more.calls) {
		fewer, more, end = p.now, p.old, c.nowSession.end()
	}
	gap := max(fewer.polls.every, more.polls.every)
	last := fewer.calls[len(fewer.calls)-1].start
	return gap > 0 && end.Sub(last).Seconds() < lateCall*gap
}

// The bounds of the order and of the time of first calls.
const (
	apart       = time.Second // first calls of different connections that are nearer have no order
	ofInterval  = 0.25        // of the interval, the same for polls
	timingSlack = 1.0         // seconds, added to the tolerance
)

// sequence compares the order of the first calls, and the time before them.
func (c *comparison) sequence() {
	var steps []pair
	for _, p := range c.common() {
		timed := !p.old.calls[0].start.IsZero() && !p.now.calls[0].start.IsZero()
		if timed && !c.has(p.name(), Interval) {
			steps = append(steps, p)
		}
	}
	moved := c.order(steps)
	steps = slices.DeleteFunc(steps, func(p pair) bool { return moved[p.name()] || p.old.polls.regular || p.now.polls.regular })
	for i := 1; i < len(steps); i++ {
		c.delay(steps[i-1], steps[i])
	}
}

// order tells which endpoints have moved, the fewest that explain it.
func (c *comparison) order(steps []pair) map[string]bool {
	type swapped struct{ with []int }
	swaps := make([]swapped, len(steps))
	for i := range steps {
		for j := i + 1; j < len(steps); j++ {
			// In the old session, i is before j.
			if before(steps[i].old, steps[j].old) && before(steps[j].now, steps[i].now) {
				swaps[i].with = append(swaps[i].with, j)
				swaps[j].with = append(swaps[j].with, i)
			}
		}
	}
	moved := map[string]bool{}
	for {
		most := -1
		for i := range swaps {
			if len(swaps[i].with) > 0 && (most < 0 || len(swaps[i].with) > len(swaps[most].with)) {
				most = i
			}
		}
		if most < 0 {
			return moved
		}
		c.moved(steps, most, swaps[most].with)
		moved[steps[most].name()] = true
		for _, other := range swaps[most].with {
			moved[steps[other].name()] = true // its time is told by the order
			swaps[other].with = slices.DeleteFunc(swaps[other].with, func(i int) bool { return i == most })
		}
		swaps[most].with = nil
	}
}

// moved tells that an endpoint has changed its place with others.
func (c *comparison) moved(steps []pair, at int, with []int) {
	slices.Sort(with)
	f := Finding{Kind: Order}
	first, last := with[0], with[len(with)-1]
	if first > at {
		f.Old, f.New = "before "+steps[first].name(), "after "+steps[last].name()
	} else {
		f.Old, f.New = "after "+steps[last].name(), "before "+steps[first].name()
	}
	f.Text = "comes " + f.New + ", came " + f.Old
	c.found(f, steps[at].name(), "")
}

// before reports whether an endpoint is called for the first time clearly before another.
func before(a, b *profile) bool {
	x, y := a.calls[0], b.calls[0]
	if !y.start.After(x.start) || x.end.After(y.start) {
		return false
	}
	gap := y.start.Sub(x.start)
	for _, p := range []*profile{a, b} {
		if p.polls.regular && gap.Seconds() < ofInterval*p.polls.every {
			return false
		}
	}
	return gap >= apart || x.conn != "" && x.conn == y.conn
}

// delay compares the time between the first calls of two endpoints that follow each
// other: all of it, and what the device did not spend on requests, which the server has a
// part in. A failure between them makes it the server's.
func (c *comparison) delay(p, q pair) {
	old, oldIdle, ok := c.oldSession.between(p.old, q.old)
	now, nowIdle, okNow := c.nowSession.between(p.now, q.now)
	far := func(old, now float64) bool {
		return math.Abs(now-old) > timingSlack+share(c.rules.Tolerances.Timing, timingTolerance)*max(old, 0)
	}
	if !ok || !okNow || !far(old, now) || !far(oldIdle, nowIdle) {
		return
	}
	f := Finding{Kind: Timing, Old: seconds(max(old, 0)), New: seconds(max(now, 0))}
	f.Text = fmt.Sprintf("comes %s after %s, came after %s", f.New, p.name(), f.Old)
	c.found(f, q.name(), "")
}

// between returns the seconds from the end of the first call of p to the first call of q,
// and how many of them no request was on its way. It reports false when a request failed
// in between.
func (s *Session) between(p, q *profile) (all, idle float64, ok bool) {
	from, to := p.calls[0].end, q.calls[0].start
	busy := from // until when
	for _, c := range s.calls {
		switch {
		case !c.start.Before(to):
			idle += max(to.Sub(busy).Seconds(), 0)
			return to.Sub(from).Seconds(), idle, true
		case c.failed && !c.start.Before(p.calls[0].start):
			return 0, 0, false
		case c.start.After(busy):
			idle += c.start.Sub(busy).Seconds()
		}
		busy = latest(busy, c.end)
	}
	return 0, 0, false
}
