package compare

import (
	"iter"
	"slices"

	"starproxy/driver/flow"
)

// Expectation is a kind of request that a scenario expects of the device.
type Expectation struct {
	// Name is the endpoint's key, such as "GET /api/status".
	Name string
	// Fits reports whether a request is of this kind.
	Fits func(*flow.Flow) bool
}

// Against reports which expectations of a scenario no request of the session flows
// fits, and which requests are not expected. Several kinds of requests may have one name,
// and a request may fit several. A TCP stream is never expected.
func Against(scenario string, expected []Expectation, name string, flows iter.Seq2[*flow.Flow, error], rules *Rules) (*Report, error) {
	rules = rules.ready()
	met := map[string]int{}
	var fits []bool
	now, err := Read(name, func(yield func(*flow.Flow, error) bool) {
		for f, err := range flows {
			if err == nil && len(fits) < MaxExchanges {
				fits = append(fits, isExpected(f, expected, met))
			}
			if !yield(f, err) {
				return
			}
		}
	})
	if err != nil {
		return nil, err
	}
	for _, c := range now.calls { // they are in the order of their times
		c.expected = fits[c.number]
	}
	learn(rules, now)
	profiles := profilesOf(now)
	c := &comparison{rules: rules, old: map[string]*profile{}, now: profiles, volatile: map[part][]string{}}
	names := map[string]bool{}
	for _, e := range expected {
		if !names[e.Name] && met[e.Name] == 0 {
			c.found(Finding{Kind: GoneEndpoint, Text: "is in the scenario, and never called"}, e.Name, "")
		}
		names[e.Name] = true
	}
	c.unexpected()
	return &Report{
		Old: Side{Name: scenario, Endpoints: len(names)}, New: side(now, len(profiles)),
		Findings: merged(c.findings, nil), Volatile: c.listed(),
	}, nil
}

// isExpected reports whether a flow fits an expectation, and counts all that it fits in
// met.
func isExpected(f *flow.Flow, expected []Expectation, met map[string]int) (ok bool) {
	for i := range expected {
		if e := &expected[i]; !f.Stream && e.Fits(f) {
			met[e.Name]++
			ok = true
		}
	}
	return ok
}

// unexpected tells the endpoints with requests that the scenario does not expect, and
// the hosts that have no others.
func (c *comparison) unexpected() {
	known := map[string]bool{}
	odd := map[string]*profile{}
	for name, p := range c.now {
		if slices.ContainsFunc(p.calls, func(c *call) bool { return c.expected }) {
			known[p.host] = true
		}
		if calls := slices.DeleteFunc(slices.Clone(p.calls), func(c *call) bool { return c.expected }); len(calls) > 0 {
			odd[name] = &profile{name: p.name, host: p.host, calls: calls}
		}
	}
	c.only(odd, nil, known, AddedHost, AddedEndpoint)
}
