package compare

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/exchange"
	"starproxy/driver/document"
	"starproxy/driver/filter"
)

// Rules say what is known about a device and can't be learned from two sessions. The zero
// value has none.
type Rules struct {
	// Paths are templates of paths, such as "/vehicles/{vin}/state": a segment in
	// braces, or "*", stands for any one. They count before those that are learned.
	Paths []PathRule `yaml:"paths"`
	// Volatile names parts of requests whose values are not compared.
	Volatile []FieldRule `yaml:"volatile"`
	// Ignore names differences that are not reported.
	Ignore []IgnoreRule `yaml:"ignore"`
	// Tolerances are those within which numbers count as equal.
	Tolerances Tolerances `yaml:"tolerances"`

	globs map[string]func(string) bool // the patterns of endpoints, compiled
}

// ready returns a copy of the rules, which may be nil, for one comparison.
func (r *Rules) ready() *Rules {
	ready := Rules{}
	if r != nil {
		ready = *r
	}
	ready.globs = map[string]func(string) bool{}
	for _, f := range ready.Volatile {
		ready.globs[f.Endpoint] = filter.Glob(f.Endpoint)
	}
	for _, i := range ready.Ignore {
		ready.globs[i.Endpoint] = filter.Glob(i.Endpoint)
	}
	return &ready
}

// Tolerances are shares of the old value: 0.25 is a quarter. 0 stands for the default.
type Tolerances struct {
	// Count is for endpoints that are called four times or more, default 0.25. Below
	// that, the numbers must be equal.
	Count float64 `yaml:"count"`
	// Interval is for the time between polls, default 0.1. It is 2.5 times as much where a
	// session has fewer than six polls, and more where the polls of a session vary by so
	// much that their mean is not that exact.
	Interval float64 `yaml:"interval"`
	// Retry is for the waits before retries, default 0.3.
	Retry float64 `yaml:"retry"`
	// Size is for the mean size of the bodies of requests, default 0.25; 64 bytes are
	// added.
	Size float64 `yaml:"size"`
	// Timing is for the time before the first call of an endpoint, default 0.5; one
	// second is added.
	Timing float64 `yaml:"timing"`
}

// The defaults of Tolerances.
const (
	countTolerance    = 0.25
	intervalTolerance = 0.1
	retryTolerance    = 0.3
	sizeTolerance     = 0.25
	timingTolerance   = 0.5
)

// share returns a tolerance or its default.
func share(of, byDefault float64) float64 {
	if of == 0 {
		return byDefault
	}
	return of
}

// PathRule is a template of paths.
type PathRule struct {
	text     string
	segments []string
}

// UnmarshalText reads a template.
func (p *PathRule) UnmarshalText(text []byte) error {
	p.text = string(text)
	if !strings.HasPrefix(p.text, "/") {
		return fmt.Errorf("got %s, want a path such as /vehicles/{vin}/state", quote(p.text))
	}
	p.segments = strings.Split(p.text[1:], "/")
	return nil
}

// fits reports whether the rule is a template of a path.
func (p *PathRule) fits(segments []string) bool {
	if len(segments) != len(p.segments) {
		return false
	}
	for i, want := range p.segments {
		open := want == "*" || strings.HasPrefix(want, "{") && strings.HasSuffix(want, "}")
		if !open && want != segments[i] {
			return false
		}
	}
	return true
}

// FieldRule names a part of requests. Exactly one of Header, Query and Body is set.
type FieldRule struct {
	// Endpoint is a pattern of endpoints, such as "POST api.example.com/*": * stands for
	// any text. Default all.
	Endpoint string `yaml:"endpoint"`
	Header   string `yaml:"header"`
	Query    string `yaml:"query"`
	// Body is the path of a field, such as "items[].name". What lies below is meant,
	// too.
	Body string `yaml:"body"`
}

// IgnoreRule names differences. Those that fit all that is set are left out.
type IgnoreRule struct {
	FieldRule `yaml:",inline"`
	// Kind is that of the difference. Default all.
	Kind Kind `yaml:"kind"`
}

// ReadRules reads rules from a YAML or JSON document. The error has the place of a
// mistake.
func ReadRules(filename string, data []byte) (*Rules, error) {
	n, err := document.Read(filename, data)
	if err != nil {
		return nil, err
	}
	r := &Rules{}
	if err := document.DecodeNode(filename, n, r); err != nil {
		return nil, err
	}
	return r, document.InFile(filename, r.check(n))
}

// check returns an error for rules that say nothing, or too much.
func (r *Rules) check(n *yaml.Node) error {
	for i, f := range r.Volatile {
		if f.fields() != 1 {
			return document.Errorf(item(n, "volatile", i), "volatile[%d]: got %d of header, query and body, want one", i, f.fields())
		}
	}
	for i, f := range r.Ignore {
		if f.fields() > 1 {
			return document.Errorf(item(n, "ignore", i), "ignore[%d]: got %d of header, query and body, want at most one", i, f.fields())
		}
		if f == (IgnoreRule{}) {
			return document.Errorf(item(n, "ignore", i), "ignore[%d]: got nothing, want a kind, endpoint, header, query or body", i)
		}
	}
	t := r.Tolerances
	for _, v := range []struct {
		name  string
		share float64
	}{{"count", t.Count}, {"interval", t.Interval}, {"retry", t.Retry}, {"size", t.Size}, {"timing", t.Timing}} {
		if v.share < 0 || v.share > 100 {
			return document.Errorf(item(n, "tolerances", -1), "tolerances.%s: got %v, want a share such as 0.25", v.name, v.share)
		}
	}
	return nil
}

// item returns the node of an item of a list in the document, or of the whole value.
func item(n *yaml.Node, key string, i int) *yaml.Node {
	for k, value := range document.Pairs(n) {
		if k.Value != key {
			continue
		}
		if i >= 0 && i < len(value.Content) {
			return value.Content[i]
		}
		return value
	}
	return n
}

func (f *FieldRule) fields() (n int) {
	for _, name := range []string{f.Header, f.Query, f.Body} {
		if name != "" {
			n++
		}
	}
	return n
}

// The places of fields.
const (
	inHeader = "header"
	inQuery  = "query"
	inBody   = "body"
)

// fits reports whether the rule names the field at a place.
func (f *FieldRule) fits(place, field string) bool {
	switch {
	case f.Header != "":
		return place == inHeader && exchange.EqualName(f.Header, field)
	case f.Query != "":
		return place == inQuery && f.Query == field
	case f.Body != "":
		below, ok := strings.CutPrefix(field, f.Body)
		return place == inBody && ok && (below == "" || below[0] == '.' || below[0] == '[')
	}
	return true
}

// volatile reports whether a rule says that a field is volatile.
func (r *Rules) volatile(endpoint, place, field string) bool {
	return slices.ContainsFunc(r.Volatile, func(f FieldRule) bool { return r.globs[f.Endpoint](endpoint) && f.fits(place, field) })
}

// ignores reports whether a rule says that a difference is left out.
func (r *Rules) ignores(kind Kind, endpoint, place, field string) bool {
	return slices.ContainsFunc(r.Ignore, func(i IgnoreRule) bool {
		return (i.Kind == "" || i.Kind == kind) && r.globs[i.Endpoint](endpoint) && i.fits(place, field)
	})
}
