package expect

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

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
		c.fail(nil, "retries can't be judged: none of %d requests failed", len(requests))
		return
	}
	for _, run := range runs {
		if n := len(run) - 1; want.Count != nil && !want.Count.has(n) {
			c.fail(run, "got %d retries after the failure of %s %s, want %s", n, run[0].Method, run[0].Path(), want.Count)
		}
		early := want.tooEarly(run)
		for _, i := range early {
			asked := retryAfter(run[i-1])
			got, least := run[i].Start.Sub(end(run[i-1])), asked.Sub(end(run[i-1]))
			c.fail(run[i-1:i+1], "got a retry after %s, want it no earlier than Retry-After asks, %s", seconds(got), seconds(least))
		}
		if text := want.backoff(run); text != "" {
			c.fail(run, "%s", text)
		}
	}
}

// tooEarly returns the tries that did not wait as long as they were asked to.
func (r *Retries) tooEarly(run []*capture.Entry) (list []int) {
	if !r.HonoursRetryAfter {
		return nil
	}
	for i := 1; i < len(run); i++ {
		asked := retryAfter(run[i-1])
		allowed := slack
		if _, err := strconv.Atoi(run[i-1].ResponseHeader.Get("Retry-After")); err != nil {
			allowed = dateSlack
		}
		if !asked.IsZero() && run[i].Start.Before(asked.Add(-allowed)) {
			list = append(list, i)
		}
	}
	return list
}

// retryAfter returns the time before which an answer asks for no other try (RFC 9110
// section 10.2.3), the zero time if it asks for none.
func retryAfter(e *capture.Entry) time.Time {
	text := strings.TrimSpace(e.ResponseHeader.Get("Retry-After"))
	if n, err := strconv.ParseInt(text, 10, 32); err == nil && n >= 0 {
		return end(e).Add(time.Duration(n) * time.Second)
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return time.Time{}
	}
	return at
}

// backoff returns in words how the waits between tries differ from those that are
// wanted, empty when they do not. A wait that an answer asked for by Retry-After is not
// judged.
func (r *Retries) backoff(run []*capture.Entry) string {
	if r.Factor == nil {
		return ""
	}
	waits := make([]string, 0, len(run))
	f := r.fit()
	bad := 0
	for i := 1; i < len(run); i++ {
		wait := run[i].Start.Sub(end(run[i-1])).Seconds()
		waits = append(waits, fmt.Sprintf("%.3g", wait))
		if retryAfter(run[i-1]).IsZero() && !f.takes(wait, math.Pow(*r.Factor, float64(i-1))) && bad == 0 {
			bad = i
		}
	}
	if bad == 0 {
		return ""
	}
	text := fmt.Sprintf("got waits of %s s, want each %g times the one before", strings.Join(waits, ", "), *r.Factor)
	if r.FirstS != nil {
		text += fmt.Sprintf(", the first %g s", *r.FirstS)
	}
	if r.MaxS != nil {
		text += fmt.Sprintf(", at most %g s", *r.MaxS)
	}
	return fmt.Sprintf("%s, within %g %%; wait %d is the first one that does not fit", text, f.jitter*100, bad)
}

// fit is the range in which the first wait must lie, so that all waits fit.
type fit struct{ low, high, longest, jitter float64 }

func (r *Retries) fit() fit {
	f := fit{high: math.Inf(1), longest: math.Inf(1), jitter: defaultJitter}
	if r.Jitter != nil {
		f.jitter = *r.Jitter
	}
	if r.MaxS != nil {
		f.longest = *r.MaxS
	}
	if r.FirstS != nil {
		f.low, f.high = *r.FirstS, *r.FirstS
	}
	return f
}

// takes narrows the range by a wait that is to be grown times the first one, and at most
// the longest. It reports whether a first wait is left.
func (f *fit) takes(wait, grown float64) bool {
	off := slack.Seconds()
	if wait > f.longest*(1+f.jitter)+off {
		return false
	}
	f.low = max(f.low, (wait-off)/(grown*(1+f.jitter)))
	if f.jitter < 1 && wait < f.longest*(1-f.jitter)-off {
		f.high = min(f.high, (wait+off)/(grown*(1-f.jitter)))
	}
	return f.low <= f.high
}

// rate checks that no span of time has too many requests.
func (c *check) rate(requests []*capture.Entry) {
	if c.Rate == nil {
		return
	}
	list := slices.Clone(requests)
	slices.SortStableFunc(list, func(a, b *capture.Entry) int { return a.Start.Compare(b.Start) })
	span := time.Duration(c.Rate.PerS * float64(time.Second))
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
		c.fail(worst, "got %d requests within %g s, want at most %d", len(worst), c.Rate.PerS, c.Rate.Max)
	}
}

// interval checks the times between the requests of each device.
func (c *check) interval(requests []*capture.Entry) {
	if c.Interval == nil {
		return
	}
	tolerance := defaultTolerance
	if c.Interval.Tolerance != nil {
		tolerance = *c.Interval.Tolerance
	}
	judged := false
	for _, group := range grouped(requests, func(e *capture.Entry) string { return e.Client.Addr().String() }) {
		for i := 1; i < len(group); i++ {
			judged = true
			got := group[i].Start.Sub(group[i-1].Start)
			if off := math.Abs(got.Seconds() - c.Interval.EveryS); off > c.Interval.EveryS*tolerance+slack.Seconds() {
				c.fail(group[i-1:i+1], "got %s from one request to the next, want %g s within %g %%", seconds(got), c.Interval.EveryS,
					tolerance*100)
			}
		}
	}
	if !judged {
		c.fail(requests, "the interval can't be judged: it takes two requests of one device")
	}
}

// validators checks that conditional requests follow answers that allow them.
func (c *check) validators(requests []*capture.Entry) {
	if !c.Conditional {
		return
	}
	judged := false
	for _, group := range grouped(requests, sameRequest) {
		var tag, date string
		for i, e := range group {
			if e.Method == http.MethodGet && (tag != "" || date != "") {
				judged = true
				hasTag := tag != "" && strings.Contains(e.RequestHeader.Joined("If-None-Match"), strings.TrimPrefix(tag, "W/"))
				hasDate := date != "" && e.RequestHeader.Get("If-Modified-Since") == date
				if !hasTag && !hasDate {
					c.fail(group[i-1:i+1], "got no condition, want If-None-Match: %s", cmpText(tag, "or If-Modified-Since: "+date))
				}
			}
			if e.Status == http.StatusOK {
				tag, date = e.ResponseHeader.Get("ETag"), e.ResponseHeader.Get("Last-Modified")
			}
		}
	}
	if !judged {
		c.fail(requests, "conditional requests can't be judged: no request follows an answer with ETag or Last-Modified")
	}
}

func cmpText(tag, other string) string {
	if tag != "" {
		return tag
	}
	return other
}

// downloads checks that broken downloads are resumed.
func (c *check) downloads(requests []*capture.Entry) {
	if !c.Resumes {
		return
	}
	judged := false
	for _, group := range grouped(requests, sameRequest) {
		for i, e := range group {
			got := e.ResponseBody.Size
			broken := e.ResponseBody.Partial || e.Error != "" && got > 0
			if e.Method != http.MethodGet || !broken || got == 0 || e.Status/100 != 2 {
				continue
			}
			judged = true
			if i+1 == len(group) {
				c.fail(group[i:], "got no request after a download broke off at byte %d, want one for the rest", rangeStart(e)+got)
				continue
			}
			next := group[i+1]
			from, ok := asksFrom(next)
			if limit := rangeStart(e) + got; !ok || from == 0 || from > limit {
				c.fail(group[i:i+2], "got %s, want Range: bytes=%d- after a download that broke off there", rangeText(next), limit)
			}
		}
	}
	if !judged {
		c.fail(requests, "resumed downloads can't be judged: no download of a selected request broke off")
	}
}

// asksFrom returns the first byte that a request asks for by Range (RFC 9110 section
// 14.2).
func asksFrom(e *capture.Entry) (int64, bool) {
	unit, ranges, _ := strings.Cut(e.RequestHeader.Get("Range"), "=")
	first, _, _ := strings.Cut(ranges, "-")
	n, err := strconv.ParseInt(strings.TrimSpace(first), 10, 64)
	return n, err == nil && strings.EqualFold(strings.TrimSpace(unit), "bytes")
}

// rangeStart returns the first byte that a response has.
func rangeStart(e *capture.Entry) int64 {
	if e.Status == http.StatusPartialContent {
		if n, ok := asksFrom(e); ok {
			return n
		}
	}
	return 0
}

func rangeText(e *capture.Entry) string {
	if v := e.RequestHeader.Get("Range"); v != "" {
		return "Range: " + v
	}
	return "no Range"
}
