package expect

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/document"
	"starproxy/driver/filter"
	"starproxy/driver/mask"
)

const (
	// maxShown bounds how many exchanges a failure lists.
	maxShown = 10
	// maxNearest bounds how many exchanges that nearly count it lists.
	maxNearest = 3
	// maxBody bounds how much of a body is looked at, in bytes without encodings.
	maxBody = 16 << 20
)

// Verdict is the result for one expectation.
type Verdict struct {
	Name  string `json:"name"`
	Place string `json:"place"`
	OK    bool   `json:"ok"`
	// Open says that further exchanges may still meet an expectation that is not met.
	Open bool `json:"open,omitempty"`
	// Expectation is what was expected, as JSON.
	Expectation json.RawMessage `json:"expectation,omitempty"`
	// Failures say in lines what is not as expected, and list the exchanges that count.
	Failures []string `json:"failures,omitempty"`
	// Exchanges are the numbers of the exchanges that were picked.
	Exchanges []uint64 `json:"exchanges"`
}

// Report is the result of a check.
type Report struct {
	OK bool `json:"ok"`
	// Checked is the number of exchanges in which was looked.
	Checked  int       `json:"checked"`
	Verdicts []Verdict `json:"expectations"`
}

// Text returns the failures of a report as text in lines, empty when there is none.
func (r *Report) Text() string {
	var b strings.Builder
	for _, v := range r.Verdicts {
		for _, f := range v.Failures {
			fmt.Fprintf(&b, "%s: %s: %s\n", v.Place, v.Name, f)
		}
		if !v.OK && v.Expectation != nil {
			fmt.Fprintf(&b, "  expected: %s\n", excerpt.Cut(string(v.Expectation), 1000))
		}
	}
	return b.String()
}

// Open reports whether further exchanges may still meet all expectations.
func (r *Report) Open() bool {
	return !r.OK && !slices.ContainsFunc(r.Verdicts, func(v Verdict) bool { return !v.OK && !v.Open })
}

// Look compiles a filter expression that is known to be right, with what it looks up
// beside an exchange: messages of WebSockets, marks, comments.
type Look func(expr string) (capture.Filter, error)

// plainLook looks at exchanges alone.
func plainLook(expr string) (capture.Filter, error) {
	x, err := filter.Parse(expr)
	if err != nil {
		return nil, err
	}
	return x.Filter(nil, nil), nil
}

// Check compares exchanges with the expectations. Without look, filter expressions look at
// exchanges alone.
func (l *List) Check(entries []*capture.Entry, look Look) (*Report, error) {
	if look == nil {
		look = plainLook
	}
	entries = slices.Clone(entries)
	slices.SortStableFunc(entries, func(a, b *capture.Entry) int { return a.Start.Compare(b.Start) })
	r := &Report{OK: true, Checked: len(entries)}
	for _, e := range l.all {
		c := &check{Expectation: e, all: entries}
		var shows capture.Filter
		if e.Filter != "" {
			var err error
			if shows, err = look(e.Filter); err != nil {
				return nil, err
			}
		}
		for _, entry := range entries {
			if (shows == nil || shows(entry)) && c.picks.fits(entry) {
				c.picked = append(c.picked, entry)
			}
		}
		c.run()
		v := Verdict{Name: e.Title(), Place: e.Place(), OK: len(c.failures) == 0, Failures: c.failures, Exchanges: []uint64{},
			Open: len(c.failures) > 0 && c.open == len(c.failures), Expectation: document.AppendJSON(nil, e.at)}
		for _, entry := range c.picked {
			if entry.Seq > 0 {
				v.Exchanges = append(v.Exchanges, entry.Seq)
			}
		}
		r.OK = r.OK && v.OK
		r.Verdicts = append(r.Verdicts, v)
	}
	return r, nil
}

// check is one expectation on its way to a verdict.
type check struct {
	*Expectation
	all, picked []*capture.Entry
	began       time.Time // from which on WithinS counts
	failures    []string
	open        int // the failures that further exchanges may mend
}

// run makes all checks that the expectation asks for.
func (c *check) run() {
	if !c.begin() {
		return
	}
	requests := slices.DeleteFunc(slices.Clone(c.picked), func(e *capture.Entry) bool {
		return e.Kind != capture.HTTP && e.Kind != capture.TCP
	})
	c.forbid(len(c.hosts) > 0, "a host beyond only_hosts", c.foreign)
	c.forbid(c.NoPlaintext, "HTTP without TLS", func(e *capture.Entry) bool {
		return e.Kind != capture.TLSError && (e.Scheme == "http" || e.Scheme == "ws")
	})
	c.forbid(c.NoEgress, "a real server was asked", egress)
	c.forbid(c.NoUnmatched, "no mock and no recording matches", func(e *capture.Entry) bool { return e.Unmatched })
	c.forbid(c.NoSecretsInURLs, "a secret in the URL", func(e *capture.Entry) bool {
		_, found := mask.InURL(e.URL())
		return found
	})
	c.count(requests)
	c.sequence()
	c.each(requests)
	c.retries(requests)
	c.rate(requests)
	c.interval(requests)
	c.validators(requests)
	c.downloads(requests)
}

// begin leaves the exchanges after the first one of After. It reports whether there is one.
func (c *check) begin() bool {
	if len(c.all) > 0 {
		c.began = c.all[0].Start
	}
	if c.After == "" {
		return true
	}
	at := slices.IndexFunc(c.all, c.after.fits)
	if at < 0 {
		c.lack(nil, "got no %s, after which others count", c.After)
		return false
	}
	first := c.all[at]
	c.began = first.Start
	c.picked = slices.DeleteFunc(c.picked, func(e *capture.Entry) bool { return e == first || e.Start.Before(first.Start) })
	return true
}

// fail adds a failure with the exchanges that count.
func (c *check) fail(entries []*capture.Entry, format string, args ...any) {
	var b strings.Builder
	fmt.Fprintf(&b, format, args...)
	for i, e := range entries {
		if i == maxShown {
			fmt.Fprintf(&b, "\n  and %d more", len(entries)-i)
			break
		}
		b.WriteString("\n  " + c.line(e))
	}
	c.failures = append(c.failures, b.String())
}

// lack is fail for a failure that further exchanges may mend.
func (c *check) lack(entries []*capture.Entry, format string, args ...any) {
	c.fail(entries, format, args...)
	c.open++
}

// line shows an exchange in one line.
func (c *check) line(e *capture.Entry) string {
	answer := "no answer"
	if e.Status != 0 {
		answer = fmt.Sprint(e.Status)
	}
	if e.Error != "" {
		answer += " (" + excerpt.Cut(e.Error, 100) + ")"
	}
	number := ""
	if e.Seq > 0 {
		number = fmt.Sprintf("#%d ", e.Seq)
	}
	url := e.URL()
	if name, found := mask.InURL(url); found {
		url = mask.URL(url)
		answer += " (" + name + " in the URL)"
	}
	return fmt.Sprintf("%s%s +%s %s %s %s", number, e.Start.UTC().Format("15:04:05.000"), seconds(e.Start.Sub(c.all[0].Start)),
		e.Method, excerpt.Quote(url), answer)
}

// forbid fails when an exchange is picked for which bad is true.
func (c *check) forbid(asked bool, text string, bad func(*capture.Entry) bool) {
	if !asked {
		return
	}
	var found []*capture.Entry
	for _, e := range c.picked {
		if bad(e) {
			found = append(found, e)
		}
	}
	if len(found) > 0 {
		c.fail(found, "got %d of: %s, want none", len(found), text)
	}
}

// egress reports whether a real server was asked. Recordings of other programs do not know
// who answered: that is a real server, too.
func egress(e *capture.Entry) bool {
	byServer := e.Origin == exchange.FromServer || e.Origin == exchange.FromPatch
	return e.Server.Addr.IsValid() || e.Unreachable() || e.Kind == capture.HTTP && e.Status != 0 && byServer
}

// requestsText returns "1 request", "2 requests".
func requestsText(n int) string {
	if n == 1 {
		return "1 request"
	}
	return fmt.Sprintf("%d requests", n)
}

// foreign reports whether an exchange is for a host that only_hosts lacks.
func (c *check) foreign(e *capture.Entry) bool {
	host := cmp.Or(e.Host, e.SNI)
	return host != "" && !slices.ContainsFunc(c.hosts, func(p exchange.HostPattern) bool { return p.Covers(host) })
}

// count checks how many exchanges there are, and when.
func (c *check) count(requests []*capture.Entry) {
	want := c.Count
	if want == nil {
		if !c.needsOne() {
			return
		}
		want = &Range{Min: 1}
	}
	counted := requests
	in := ""
	if c.WithinS != nil {
		end := c.began.Add(time.Duration(*c.WithinS * float64(time.Second)))
		counted = slices.DeleteFunc(slices.Clone(requests), func(e *capture.Entry) bool { return e.Start.After(end) })
		in = fmt.Sprintf(" within %g s", *c.WithinS)
		if c.After != "" {
			in += " after " + c.After
		}
	}
	switch late := len(requests) > len(counted); {
	case want.has(len(counted)):
		return
	case len(counted) > want.Min:
		c.fail(counted, "got %s%s, want %s", requestsText(len(counted)), in, want)
		return
	case late: // the time is over
		c.fail(requests, "got %s%s, want %s", requestsText(len(counted)), in, want)
	default:
		c.lack(counted, "got %s%s, want %s", requestsText(len(counted)), in, want)
	}
	c.nearest()
}

// needsOne reports whether at least one request is expected without a count.
func (c *check) needsOne() bool {
	forbids := len(c.hosts) > 0 || c.NoPlaintext || c.NoEgress || c.NoUnmatched || c.NoSecretsInURLs
	judges := c.Retries != nil || c.Rate != nil || c.Interval != nil || c.Conditional || c.Resumes || len(c.order) > 0
	return !forbids && !judges
}

// nearest adds the exchanges that nearly count to the last failure, with the reasons.
func (c *check) nearest() {
	type near struct {
		entry *capture.Entry
		why   []string
	}
	var list []near
	for _, e := range c.all {
		if e.Kind == capture.HTTP && !slices.Contains(c.picked, e) {
			if why := c.picks.why(e); len(why) > 0 {
				list = append(list, near{e, why})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b near) int { return cmp.Compare(len(a.why), len(b.why)) })
	last := &c.failures[len(c.failures)-1]
	for _, n := range list[:min(len(list), maxNearest)] {
		*last += "\n  near: " + c.line(n.entry) + ": " + excerpt.Cut(strings.Join(n.why, "; "), 300)
	}
}

// sequence checks that the first requests of each kind come in the order. Those that come
// again later are no fault, but one that comes before its turn is.
func (c *check) sequence() {
	if len(c.order) == 0 {
		return
	}
	next := 0
	var found, early []*capture.Entry
	for _, e := range c.picked {
		fits := func(s selector) bool { return s.fits(e) }
		switch {
		case next < len(c.order) && fits(c.order[next]):
			found = append(found, e)
			next++
		case slices.ContainsFunc(c.order[:next], fits) || !slices.ContainsFunc(c.order[next:], fits):
		default:
			early = append(early, e)
		}
	}
	order := strings.Join(c.Order, ", ")
	where := "at all"
	if next > 0 {
		where = "after " + c.Order[next-1]
	}
	switch {
	case next < len(c.order) && early != nil:
		c.fail(append(found, early...), "got no %s %s, but before, want the order %s", c.Order[next], where, order)
	case next < len(c.order):
		c.lack(found, "got no %s %s, want the order %s", c.Order[next], where, order)
	case early != nil:
		c.fail(early, "got requests before their turn, want the order %s", order)
	}
}

// each checks what every request must have.
func (c *check) each(requests []*capture.Entry) {
	for _, e := range requests {
		var why []string
		for _, m := range c.must {
			why = append(why, m.Explain(requestOf(e))...)
		}
		if c.bodyWant != nil {
			why = append(why, c.bodyWant.why(e)...)
		}
		if len(why) > 0 {
			c.fail([]*capture.Entry{e}, "%s", strings.Join(why, "; "))
		}
		if len(c.failures) > maxShown {
			return
		}
	}
}

// failed reports whether an exchange is one that a device tries again.
func failed(e *capture.Entry) bool {
	switch e.Status {
	case 0, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	}
	return e.Status >= 500 || e.Error != "" || e.ResponseBody.Partial
}
