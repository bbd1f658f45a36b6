package driver

import (
	"context"
	"math"
	"sync"

	"starproxy/driver/contract"
	"starproxy/driver/mock"
	"starproxy/driver/rpc"
)

// coverage tells which mocks were met, and which operations of the contract.
type coverage struct {
	table     *mock.Table
	contracts *contract.Table

	mu sync.Mutex
	// before are the exchanges at the last reset, by the name of the operation, and file is
	// the contract that they are of.
	before map[string]uint64
	file   string
}

// rows are for the table of methods.
func (c *coverage) rows() []rpc.Row {
	return []rpc.Row{
		rpc.New("mock_coverage", "Tell as JSON which endpoints, rules and steps of sequences requests have met, and which "+
			"operations of the contract, since the start or reset_coverage; all adds the endpoints that were in force before "+
			"and are no longer.", c.show, rpc.With("all", false)),
		rpc.New("reset_coverage", "Let the counts of mock_coverage begin again.", c.reset),
	}
}

// metOf counts the parts of the mocks that were met, among all.
type metOf struct {
	Met   int `json:"met"`
	Total int `json:"total"`
}

func (m *metOf) add(hits uint64) {
	m.Total++
	if hits > 0 {
		m.Met++
	}
}

// The kinds of parts.
const (
	endpointPart = "endpoint"
	rulePart     = "rule"
	stepPart     = "step"
	// operationPart is an operation of the contract in force.
	operationPart = "operation"
)

// coveredPart is an endpoint, a rule, a step, or an operation of the contract.
type coveredPart struct {
	Kind string `json:"kind"`
	// Key is that of the endpoint, or the method and the path of an operation, and Part the place in its definition, such as
	// "rules[1]"; empty for the endpoint itself.
	Key  string `json:"key"`
	Part string `json:"part"`
	// Source is the file and the line, empty for a mock that was set by a method, and the
	// place in the OpenAPI document for an operation.
	Source string `json:"source"`
	Hits   uint64 `json:"hits"`
	// Enabled is false for an endpoint that a client has disabled, which does not count.
	Enabled bool `json:"enabled"`
	// InForce is false for an endpoint that was in force before.
	InForce bool `json:"in_force"`
}

// coverageReport is the answer of mock_coverage.
type coverageReport struct {
	// Percent is how many of all parts were met, with one digit behind the point and
	// rounded down; 100 when there are none.
	Percent float64 `json:"percent"`
	metOf
	Endpoints  metOf         `json:"endpoints"`
	Rules      metOf         `json:"rules"`
	Steps      metOf         `json:"steps"`
	Operations metOf         `json:"operations"`
	Parts      []coveredPart `json:"parts"`
}

func (c *coverage) show(_ context.Context, all bool) (coverageReport, error) {
	return c.report(all), nil
}

// report returns the coverage of the endpoints in force, and with all of those before.
func (c *coverage) report(all bool) coverageReport {
	r := coverageReport{Parts: []coveredPart{}}
	for _, e := range c.table.Coverage() {
		if !e.InForce && !all {
			continue
		}
		ep, counts := e.Endpoint, e.Enabled || !e.InForce
		r.add(&r.Endpoints, coveredPart{
			Kind: endpointPart, Key: ep.Name, Source: ep.Source.String(), Hits: e.Hits, Enabled: counts, InForce: e.InForce,
		})
		for i, b := range ep.Branches {
			part := coveredPart{
				Kind: rulePart, Key: ep.Name, Part: b.Name, Source: ep.Source.String(), Hits: e.Branches[i], Enabled: counts,
				InForce: e.InForce,
			}
			if b.Line > 0 {
				at := ep.Source
				at.Line = b.Line
				part.Source = at.String()
			}
			sum := &r.Rules
			if b.Step {
				part.Kind, sum = stepPart, &r.Steps
			}
			r.add(sum, part)
		}
	}
	c.operations(&r)
	r.Percent = 100
	if r.Total > 0 {
		r.Percent = math.Floor(float64(1000*r.Met)/float64(r.Total)) / 10
	}
	return r
}

// operations adds those of the contract in force.
func (c *coverage) operations(r *coverageReport) {
	current := c.contracts.Current()
	if current == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, op := range c.contracts.Report().Operations {
		hits := op.Exchanges
		// The counts of a contract that was out of force may have begun again.
		if before := c.before[op.Name]; c.file == current.File && before <= hits {
			hits -= before
		}
		r.add(&r.Operations, coveredPart{Kind: operationPart, Key: op.Name, Source: op.Place, Hits: hits, Enabled: true, InForce: true})
	}
}

// add adds a part, which counts for sum.
func (r *coverageReport) add(sum *metOf, part coveredPart) {
	r.Parts = append(r.Parts, part)
	if part.Enabled {
		r.metOf.add(part.Hits)
		sum.add(part.Hits)
	}
}

func (c *coverage) reset(context.Context) (string, error) {
	c.table.ResetCoverage()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.file, c.before = "", map[string]uint64{}
	if current := c.contracts.Current(); current != nil {
		c.file = current.File
	}
	for _, op := range c.contracts.Report().Operations {
		c.before[op.Name] = op.Exchanges
	}
	return sayCoverageReset, nil
}
