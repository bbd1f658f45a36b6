package expect

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/exchange"
	"starproxy/driver/document"
	"starproxy/driver/filter"
	"starproxy/driver/mock"
	"starproxy/driver/scenario"
)

// maxExpectations bounds the length of a list.
const maxExpectations = 1000

// Expectation is one object of a list. Name, Request, Host, Client, Status, Match and
// Filter pick exchanges; with none of them, it is about all. All other keys say what
// must be true of those. Without such a key, at least one exchange must be picked.
type Expectation struct {
	// Name is for messages; default the request.
	Name string `yaml:"name"`
	// Request is a key as mocks have it: "POST /telemetry*", "GET /users/{id}", "* /x".
	// A path alone means any method.
	Request string `yaml:"request"`
	// Host is a host, *.domain or *; default *.
	Host string `yaml:"host"`
	// Client is the address of a device, without a port; default any.
	Client string `yaml:"client"`
	// Status picks by the status of the answer: a number, or a list. 0 is no answer.
	Status numbers `yaml:"status"`
	// Match has the conditions that mocks have below match.
	Match yaml.Node `yaml:"match"`
	// Filter is a filter expression.
	Filter string `yaml:"filter"`

	// Count is how many exchanges are picked: a number, or {min, max}.
	Count *Range `yaml:"count"`
	// After is a request as Request. Only exchanges after the first such one count.
	After string `yaml:"after"`
	// WithinS is the time in seconds, from the first exchange of the session or from that of
	// After on, in which the exchanges that Count asks for must have begun.
	WithinS *float64 `yaml:"within_s"`
	// Order has requests, as Request has them, that must come in this order; others may
	// come in between.
	Order []string `yaml:"order"`
	// Headers has header lines that each request must have, as match.headers has them.
	Headers yaml.Node `yaml:"headers"`
	// Must has conditions as Match has them, which each request must fulfil.
	Must yaml.Node `yaml:"must"`
	// Body says what each request's body must be.
	Body *Body `yaml:"body"`
	// OnlyHosts are patterns as Host; there must be no request or handshake for another host.
	OnlyHosts []string `yaml:"only_hosts"`
	// NoPlaintext forbids HTTP without TLS.
	NoPlaintext bool `yaml:"no_plaintext"`
	// NoEgress forbids that a real server is asked.
	NoEgress bool `yaml:"no_egress"`
	// NoUnmatched forbids requests that no mock and no recording answers.
	NoUnmatched bool `yaml:"no_unmatched"`
	// NoSecretsInURLs forbids tokens, passwords and the like in URLs.
	NoSecretsInURLs bool `yaml:"no_secrets_in_urls"`
	// Retries says how failed requests are tried again.
	Retries *Retries `yaml:"retries"`
	// Rate bounds how many exchanges begin in any span of time.
	Rate *Rate `yaml:"rate"`
	// Interval is the time between the exchanges of one device.
	Interval *Interval `yaml:"interval"`
	// Conditional says that an answer with an ETag or Last-Modified is followed by
	// conditional requests (RFC 9110 section 13).
	Conditional bool `yaml:"conditional"`
	// Resumes says that a download that broke off is followed by a request for the rest
	// (RFC 9110 section 14).
	Resumes bool `yaml:"resumes"`

	at       *yaml.Node
	file     string
	picks    selector
	order    []selector
	after    selector // when After is set
	must     []*mock.Match
	hosts    []exchange.HostPattern
	bodyWant *bodyCheck
}

// Range is a number of exchanges. In documents, a number alone is both ends.
type Range struct {
	Min int  `yaml:"min"`
	Max *int `yaml:"max"`
}

// UnmarshalYAML reads a number, or a map with min and max.
func (r *Range) UnmarshalYAML(n *yaml.Node) error {
	if i, ok := document.Whole(n); ok && n.Kind == yaml.ScalarNode && i >= 0 && i < 1<<31 {
		exact := int(i)
		r.Min, r.Max = exact, &exact
		return nil
	}
	type plain Range
	if n.Kind != yaml.MappingNode {
		return document.Errorf(n, "count: got %s, want a number, or a map such as {min: 1, max: 4}", document.Describe(n))
	}
	if err := document.DecodeAt(n, (*plain)(r), "count"); err != nil {
		return err
	}
	if r.Min < 0 || r.Max != nil && *r.Max < r.Min {
		return document.Errorf(n, "count: got min %d and max %d, want 0 <= min <= max", r.Min, *cmp.Or(r.Max, &r.Min))
	}
	return nil
}

// String returns the range in words: "3", "at least 1", "1 to 4".
func (r Range) String() string {
	switch {
	case r.Max == nil:
		return fmt.Sprintf("at least %d", r.Min)
	case *r.Max == r.Min:
		return fmt.Sprint(r.Min)
	case r.Min == 0:
		return fmt.Sprintf("at most %d", *r.Max)
	}
	return fmt.Sprintf("%d to %d", r.Min, *r.Max)
}

func (r Range) has(n int) bool { return n >= r.Min && (r.Max == nil || n <= *r.Max) }

// numbers is a number or a list of numbers.
type numbers []int

func (l *numbers) UnmarshalYAML(n *yaml.Node) error {
	list := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		list = n.Content
	}
	for _, v := range list {
		i, ok := document.Whole(v)
		if !ok || i < 0 || i > 999 {
			return document.Errorf(v, "status: got %s, want a status, or a list of them", document.Describe(v))
		}
		*l = append(*l, int(i))
	}
	return nil
}

// Retries say how a request is tried again after it failed: after no answer, a broken
// one, or a status 408, 429 or 5xx. Tries of the same method and URL by the same device
// belong together until one succeeds.
type Retries struct {
	// Count is how often a failed request is tried again.
	Count *Range `yaml:"count"`
	// Factor is by what each wait is longer than the one before; 1 for equal waits. A wait
	// is from the end of a failed try to the beginning of the next.
	Factor *Span `yaml:"factor"`
	// FirstS is the first wait in seconds; default any.
	FirstS *float64 `yaml:"first_s"`
	// MaxS is the longest wait in seconds; default none.
	MaxS *float64 `yaml:"max_s"`
	// Jitter is how far waits are off, as a share of them from 0 to 1. A number is the
	// largest share; default 0.25.
	Jitter *Jitter `yaml:"jitter"`
	// HonoursRetryAfter says that no try is earlier than an answer's Retry-After asks.
	HonoursRetryAfter bool `yaml:"honours_retry_after"`
}

// Rate is a bound on the number of exchanges.
type Rate struct {
	// Max is the largest number that may begin within PerS seconds; default for PerS 1.
	Max  int     `yaml:"max"`
	PerS float64 `yaml:"per_s"`
	// Outage says that only exchanges count that begin from a failure on, until PerS
	// seconds after the next one that does not fail.
	Outage bool `yaml:"outage"`
}

// Interval is the time between exchanges of one device and path that follow each other. The
// time after a failure does not count.
type Interval struct {
	// EveryS is that time in seconds, from one beginning to the next.
	EveryS float64 `yaml:"every_s"`
	// Tolerance is how far it may be off, as a share of it; default 0.1.
	Tolerance *float64 `yaml:"tolerance"`
}

// List is a list of expectations ready to check.
type List struct{ all []*Expectation }

// Read reads a list of expectations in YAML or JSON, or one expectation. Errors have the
// file name and the place in the text.
func Read(filename string, text []byte) (*List, error) {
	root, err := document.Read(filename, text)
	if err != nil {
		return nil, err
	}
	items := root.Content
	if root.Kind != yaml.SequenceNode {
		items = []*yaml.Node{root}
	}
	if len(items) == 0 || len(items) > maxExpectations {
		return nil, document.InFile(filename, document.Errorf(root, "got %d expectations, want 1 to %d", len(items), maxExpectations))
	}
	l := &List{}
	for i, n := range items {
		path := ""
		if root.Kind == yaml.SequenceNode {
			path = fmt.Sprintf("[%d]", i)
		}
		e := &Expectation{at: n, file: filename}
		if n.Kind != yaml.MappingNode {
			err = document.Wrong(n, path, `an expectation such as {"request": "GET /config", "count": 1}`)
		} else if err = document.DecodeAt(n, e, path); err == nil {
			err = e.compile(path)
		}
		if err != nil {
			return nil, document.InFile(filename, err)
		}
		l.all = append(l.all, e)
	}
	return l, nil
}

// compile checks the values, and makes them ready.
func (e *Expectation) compile(path string) (err error) {
	join := func(key string) string { return document.Join(path, key) }
	if e.picks, err = e.selector(e.Request, "request", path); err != nil {
		return err
	}
	for i, key := range e.Order {
		s, err := e.selector(key, fmt.Sprintf("order[%d]", i), path)
		if err != nil {
			return err
		}
		e.order = append(e.order, s)
	}
	if e.After != "" {
		if e.after, err = e.selector(e.After, "after", path); err != nil {
			return err
		}
		e.after.match, e.after.status, e.after.host = nil, nil, exchange.EveryHost
	}
	if e.Filter != "" {
		if _, err := filter.Parse(e.Filter); err != nil {
			return document.Errorf(document.Child(e.at, "filter"), "%s: %v", join("filter"), err)
		}
	}
	for i, p := range e.OnlyHosts {
		host, err := exchange.ParseHostPattern(p)
		if err != nil {
			return document.Errorf(document.Child(e.at, "only_hosts"), "%s: %v", join(fmt.Sprintf("only_hosts[%d]", i)), err)
		}
		e.hosts = append(e.hosts, host)
	}
	if e.Must.Kind != 0 {
		m, err := scenario.CompileConditions(&e.Must, join("must"))
		if err != nil {
			return err
		}
		e.must = append(e.must, m)
	}
	if e.Headers.Kind != 0 {
		key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "headers", Line: e.Headers.Line, Column: e.Headers.Column}
		m, err := scenario.CompileConditions(document.Map(&e.Headers, []*yaml.Node{key, &e.Headers}), path)
		if err != nil {
			return err
		}
		e.must = append(e.must, m)
	}
	if e.Body != nil {
		if e.bodyWant, err = e.Body.compile(document.Child(e.at, "body"), join("body")); err != nil {
			return err
		}
	}
	return e.checkNumbers(join)
}

// checkNumbers refuses numbers that mean nothing, and fills in the defaults.
func (e *Expectation) checkNumbers(join func(string) string) error {
	if !positive(e.WithinS) {
		return document.Wrong(document.Child(e.at, "within_s"), join("within_s"), aboveZero)
	}
	if e.Count == nil && e.WithinS != nil {
		e.Count = &Range{Min: 1}
	}
	for _, one := range []struct {
		key   string
		check func() (key, want string)
	}{{"retries", e.Retries.check}, {"rate", e.Rate.check}, {"interval", e.Interval.check}} {
		if key, want := one.check(); want != "" {
			n := document.Child(e.at, one.key)
			return document.Wrong(cmp.Or(document.Child(n, key), n), join(one.key)+"."+key, want)
		}
	}
	return nil
}

const (
	aboveZero = "a number of seconds above 0"
	aShare    = "a share from 0 to 1"
)

func positive(f *float64) bool { return f == nil || *f > 0 && *f < 1e9 }

func share(f *float64) bool { return f == nil || *f >= 0 && *f <= 1 }

// check returns the key of the first wrong number and the right form, empty for none.
func (r *Retries) check() (key, want string) {
	switch {
	case r == nil:
	case r.Factor != nil && (r.Factor.Max < 1 || r.Factor.Min > 100):
		return "factor", "a number from 1 to 100"
	case !positive(r.FirstS):
		return "first_s", aboveZero
	case !positive(r.MaxS):
		return "max_s", aboveZero
	case r.Jitter != nil && r.Jitter.Max > 1:
		return "jitter", aShare
	}
	return "", ""
}

// check returns the key of the first wrong number and the right form, empty for none.
func (r *Rate) check() (key, want string) {
	switch {
	case r == nil:
	case r.Max < 1:
		return "max", "the largest number of requests, 1 or more"
	case r.PerS < 0 || r.PerS > 1e9:
		return "per_s", aboveZero
	case r.PerS == 0:
		r.PerS = 1
	}
	return "", ""
}

// check returns the key of the first wrong number and the right form, empty for none.
func (v *Interval) check() (key, want string) {
	switch {
	case v == nil:
	case v.EveryS <= 0 || v.EveryS > 1e9:
		return "every_s", aboveZero
	case !share(v.Tolerance):
		return "tolerance", aShare
	}
	return "", ""
}

// Title is what messages call the expectation.
func (e *Expectation) Title() string {
	if e.Name != "" {
		return e.Name
	}
	var words []string
	for _, w := range []string{e.Request, strings.Join(e.Order, " then ")} {
		if w != "" {
			words = append(words, w)
		}
	}
	if len(words) == 0 {
		words = append(words, "all requests")
	}
	for _, w := range []struct{ before, value string }{{"on ", e.Host}, {"by ", e.Client}, {"with the filter ", e.Filter}} {
		if w.value != "" {
			words = append(words, w.before+w.value)
		}
	}
	if len(e.Status) > 0 {
		words = append(words, "answered "+strings.Trim(strings.ReplaceAll(fmt.Sprint([]int(e.Status)), " ", " or "), "[]"))
	}
	if e.Match.Kind != 0 {
		words = append(words, "that match the conditions")
	}
	return strings.Join(words, " ")
}

// Place is where the expectation stands: file:line:column.
func (e *Expectation) Place() string { return fmt.Sprintf("%s:%d:%d", e.file, e.at.Line, e.at.Column) }

func seconds(d time.Duration) string { return fmt.Sprintf("%.3g s", d.Seconds()) }
