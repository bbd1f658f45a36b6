package expect

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

const (
	// slack is what a time may be off because of the network and of the proxy.
	slack = 50 * time.Millisecond
	// dateSlack is what a time may be off that a date with whole seconds asks for.
	dateSlack = time.Second

	defaultJitter    = 0.25
	defaultTolerance = 0.1
)

// end returns the time when an exchange had ended.
func end(e *capture.Entry) time.Time { return e.Start.Add(e.Duration) }

// grouped returns the exchanges in groups with the same key, in the order of their first.
func grouped(entries []*capture.Entry, key func(*capture.Entry) string) [][]*capture.Entry {
	at := map[string]int{}
	var groups [][]*capture.Entry
	for _, e := range entries {
		k := key(e)
		i, known := at[k]
		if !known {
			i = len(groups)
			at[k] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], e)
	}
	for _, g := range groups {
		slices.SortStableFunc(g, func(a, b *capture.Entry) int { return a.Start.Compare(b.Start) })
	}
	return groups
}

// sameRequest is the key of exchanges that ask for the same by the same device.
func sameRequest(e *capture.Entry) string {
	return e.Client.Addr().String() + " " + e.Method + " " + e.URL()
}

// episodes returns the runs of tries that begin with a failed one. Only the last try of a
// run may have succeeded.
func episodes(entries []*capture.Entry) (runs [][]*capture.Entry) {
	for _, group := range grouped(entries, sameRequest) {
		var run []*capture.Entry
		for _, e := range group {
			if run = append(run, e); failed(e) {
				continue
			}
			if len(run) > 1 {
				runs = append(runs, run)
			}
			run = nil
		}
		if len(run) > 0 {
			runs = append(runs, run)
		}
	}
	return runs
}

// retries checks how failed requests were tried again.
func (c *check) retries(requests []*capture.Entry) {
	want := c.Retries
	if want == nil {
		return
	}
	runs := episodes(requests)
	if len(runs) == 0 {
		c.lack(nil, "retries can't be judged: none of %d requests failed", len(requests))
		return
	}
	for _, run := range runs {
		n := len(run) - 1
		switch {
		case want.Count == nil || want.Count.has(n):
		case n < want.Count.Min && failed(run[n]):
			c.lack(run, "got %d retries after the failure of %s %s, want %s", n, run[0].Method, run[0].Path(), want.Count)
		default:
			c.fail(run, "got %d retries after the failure of %s %s, want %s", n, run[0].Method, run[0].Path(), want.Count)
		}
	}
	if want.HonoursRetryAfter {
		c.retryAfter(runs)
	}
	if want.Factor != nil || want.Jitter != nil || want.FirstS != nil || want.MaxS != nil {
		c.backoff(runs)
	}
}

// retryAfter checks that no try is earlier than an answer asked for.
func (c *check) retryAfter(runs [][]*capture.Entry) {
	judged := false
	for _, run := range runs {
		for i := 1; i < len(run); i++ {
			asked := retryAfter(run[i-1])
			if asked.IsZero() {
				continue
			}
			judged = true
			// Clocks of devices are not exact, and a date has whole seconds.
			allowed := max(slack, asked.Sub(end(run[i-1]))/50)
			if _, err := strconv.Atoi(run[i-1].ResponseHeader.Get("Retry-After")); err != nil {
				allowed = max(allowed, dateSlack)
			}
			if run[i].Start.Before(asked.Add(-allowed)) {
				c.fail(run[i-1:i+1], "got a retry after %s, want it no earlier than Retry-After asks, %s",
					seconds(run[i].Start.Sub(end(run[i-1]))), seconds(asked.Sub(end(run[i-1]))))
			}
		}
	}
	if !judged {
		c.lack(nil, "honours_retry_after can't be judged: no request follows a failure with Retry-After")
	}
}

// retryAfter returns the time before which an answer asks for no other try (RFC 9110
// section 10.2.3), the zero time if it asks for none. A date is one of the server's clock.
func retryAfter(e *capture.Entry) time.Time {
	text := strings.TrimSpace(e.ResponseHeader.Get("Retry-After"))
	if n, err := strconv.ParseInt(text, 10, 32); err == nil && n >= 0 {
		return end(e).Add(time.Duration(n) * time.Second)
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return time.Time{}
	}
	if now, err := http.ParseTime(e.ResponseHeader.Get("Date")); err == nil {
		return end(e).Add(at.Sub(now))
	}
	return at
}

// backoff checks the waits between tries. A wait that an answer asked for by Retry-After
// is not judged.
func (c *check) backoff(runs [][]*capture.Entry) {
	want := c.Retries
	jitter, factor := want.shares(), Span{0, math.Inf(1)}
	if want.Factor != nil {
		factor = *want.Factor
	}
	waited, fitted, varied := false, false, 0.0
	for _, run := range runs {
		b := &backoff{slack: slack.Seconds()}
		if want.MaxS != nil {
			b.longest = *want.MaxS
		}
		for i := 1; i < len(run); i++ {
			if retryAfter(run[i-1]).IsZero() {
				b.add(i-1, max(run[i].Start.Sub(end(run[i-1])).Seconds(), 0))
			}
		}
		if len(b.waits) == 0 {
			continue
		}
		waited = true
		if text := b.outside(want, jitter.Max); text != "" {
			c.fail(run, "%s", text)
		}
		if len(b.waits) < 2 || want.Factor == nil && (want.Jitter == nil || len(b.waits) < 3) {
			continue
		}
		fitted = true
		if needs, _ := b.jitter(factor); needs > jitter.Max+1e-6 {
			c.fail(run, "%s", b.unfit(want, jitter, factor))
		}
		exact := *b
		exact.slack = 0
		needs, _ := exact.jitter(factor)
		varied = max(varied, needs)
	}
	switch judges := want.Factor != nil || want.Jitter != nil; {
	case !waited:
		c.lack(nil, "waits can't be judged: no failed request was tried again")
	case judges && !fitted:
		c.lack(nil, "waits can't be judged: it takes two retries of one request, or three without a factor")
	case judges && varied < jitter.Min:
		c.lack(nil, "got waits that vary by %.3g %%, want a jitter of at least %.3g %%", varied*100, jitter.Min*100)
	}
}

// shares returns the range of the jitter.
func (r *Retries) shares() Span {
	if r.Jitter == nil {
		return Span{0, defaultJitter}
	}
	return r.Jitter.Span
}

// outside returns in words how the first or the longest wait differs, empty when they do
// not.
func (b *backoff) outside(want *Retries, jitter float64) string {
	if f := want.FirstS; f != nil && b.turns[0] == 0 && math.Abs(b.waits[0]-*f) > *f*jitter+b.slack {
		return fmt.Sprintf("got waits of %s s, want the first %g s, within %g %%", b, *f, jitter*100)
	}
	if b.longest == 0 {
		return ""
	}
	for _, w := range b.waits {
		if w > b.longest*(1+jitter)+b.slack {
			return fmt.Sprintf("got waits of %s s, want at most %g s, within %g %%", b, b.longest, jitter*100)
		}
	}
	return ""
}

// unfit returns in words how the growth of the waits differs.
func (b *backoff) unfit(want *Retries, jitter, factor Span) string {
	needs, fits := b.jitter(Span{0, math.Inf(1)})
	text := fmt.Sprintf("got waits of %s s, which grow by the factor %.3g within %.3g %%, want ", b, fits, needs*100)
	if want.Factor != nil {
		text += "the factor " + factor.String() + " "
	}
	return text + fmt.Sprintf("within %.3g %%", jitter.Max*100)
}

// String returns the waits as text.
func (b *backoff) String() string {
	list := make([]string, len(b.waits))
	for i, w := range b.waits {
		list[i] = fmt.Sprintf("%.3g", w)
	}
	return strings.Join(list, ", ")
}

// rate checks that no span of time has too many requests.
func (c *check) rate(requests []*capture.Entry) {
	if c.Rate == nil {
		return
	}
	list := slices.Clone(requests)
	slices.SortStableFunc(list, func(a, b *capture.Entry) int { return a.Start.Compare(b.Start) })
	span := time.Duration(c.Rate.PerS * float64(time.Second))
	if c.Rate.Outage {
		if list = outages(list, span); list == nil {
			c.lack(nil, "the rate in an outage can't be judged: none of %d requests failed", len(requests))
			return
		}
	}
	var worst []*capture.Entry
	for from, to := 0, 0; to < len(list); to++ {
		for list[to].Start.Sub(list[from].Start) >= span {
			from++
		}
		if to-from+1 > len(worst) {
			worst = list[from : to+1]
		}
	}
	if len(worst) > c.Rate.Max {
		c.fail(worst, "got %s within %g s, want at most %d", requestsText(len(worst)), c.Rate.PerS, c.Rate.Max)
	}
}

// outages returns the exchanges from each failure on, until after has passed since the
// next one that does not fail.
func outages(list []*capture.Entry, after time.Duration) (in []*capture.Entry) {
	down := false
	var over time.Time
	for _, e := range list {
		switch {
		case failed(e):
			down = true
		case down:
			down, over = false, e.Start.Add(after)
		}
		if down || e.Start.Before(over) {
			in = append(in, e)
		}
	}
	return in
}

// samePath is the key of exchanges of one device and one path.
func samePath(e *capture.Entry) string {
	return e.Client.Addr().String() + " " + e.Method + " " + exchange.PathOf(e.URL())
}

// interval checks the times between the requests of each device. Retries have times of
// their own.
func (c *check) interval(requests []*capture.Entry) {
	if c.Interval == nil {
		return
	}
	tolerance := defaultTolerance
	if c.Interval.Tolerance != nil {
		tolerance = *c.Interval.Tolerance
	}
	judged := false
	for _, group := range grouped(requests, samePath) {
		for i := 1; i < len(group); i++ {
			if failed(group[i-1]) {
				continue
			}
			judged = true
			got := group[i].Start.Sub(group[i-1].Start)
			if off := math.Abs(got.Seconds() - c.Interval.EveryS); off > c.Interval.EveryS*tolerance+slack.Seconds() {
				c.fail(group[i-1:i+1], "got %s from one request to the next, want %g s within %g %%", seconds(got), c.Interval.EveryS,
					tolerance*100)
			}
		}
	}
	if !judged {
		c.lack(requests, "the interval can't be judged: it takes two requests of one device to one path")
	}
}
