package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
)

type mockCoverageCmd struct {
	FailUnder float64 `name:"fail-under" placeholder:"PERCENT" help:"Exit with 1 when fewer were met."`
	All       bool    `help:"Also endpoints that were in force before and are no longer."`
	Reset     bool    `help:"Let the counts begin again, and print none."`
	output
}

// Help explains the counts.
func (mockCoverageCmd) Help() string {
	return `One line for each endpoint, rule, step of a sequence and operation of the contract that no request has met since the exporter began or the last --reset, with its place; then the sums. Counts go on when a scenario is loaded again. A disabled endpoint does not count.

Examples:

    j proxy mock coverage
    j proxy mock coverage --fail-under 80
    j proxy mock coverage --reset`
}

// mockCoverage is the answer of mock_coverage.
type mockCoverage struct {
	Percent    float64 `json:"percent"`
	Met        int     `json:"met"`
	Total      int     `json:"total"`
	Endpoints  metOf   `json:"endpoints"`
	Rules      metOf   `json:"rules"`
	Steps      metOf   `json:"steps"`
	Operations metOf   `json:"operations"`
	Parts      []struct {
		Kind    string `json:"kind"`
		Key     string `json:"key"`
		Part    string `json:"part"`
		Source  string `json:"source"`
		Hits    uint64 `json:"hits"`
		Enabled bool   `json:"enabled"`
	} `json:"parts"`
}

// metOf is a sum of mockCoverage.
type metOf struct {
	Met   int `json:"met"`
	Total int `json:"total"`
}

// Run prints the coverage, and fails when it is too low.
func (c *mockCoverageCmd) Run(ctx context.Context, sys *System, p proxy) error {
	if c.FailUnder < 0 || c.FailUnder > 100 {
		return usagef("--fail-under: got %g, want a number from 0 to 100", c.FailUnder)
	}
	if c.Reset {
		return p.say(ctx, sys, "reset_coverage")
	}
	var raw json.RawMessage
	if err := p.document(ctx, &raw, "mock_coverage", c.All); err != nil {
		return err
	}
	var r mockCoverage
	if err := json.Unmarshal(raw, &r); err != nil {
		return fmt.Errorf("mock_coverage: %w", err)
	}
	if c.json() {
		sys.out("%s", raw)
	} else {
		fmt.Fprint(sys.Stdout, r.text())
	}
	if r.Percent < c.FailUnder {
		fmt.Fprintf(sys.Stderr, "mock coverage: got %g %%, want %g %% or more\n", r.Percent, c.FailUnder)
		return exitCode(1)
	}
	return nil
}

// text lists the parts that were not met, and the sums.
func (r *mockCoverage) text() string {
	if r.Total == 0 {
		return "No mocks configured.\n"
	}
	var out strings.Builder
	if r.Met < r.Total {
		out.WriteString("Never met:\n")
	}
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	for _, p := range r.Parts {
		if p.Hits > 0 || !p.Enabled {
			continue
		}
		line := strings.TrimSpace(p.Key + " " + p.Part)
		if p.Kind == "operation" {
			line = "operation " + line
		}
		if p.Source != "" {
			line += "\t" + p.Source
		}
		fmt.Fprintf(table, "  %s\n", line)
	}
	_ = table.Flush()
	fmt.Fprintf(&out, "%d of %d met, %g %%:", r.Met, r.Total, r.Percent)
	sep := " "
	for _, sum := range []struct {
		name string
		of   metOf
	}{{"endpoints", r.Endpoints}, {"rules", r.Rules}, {"steps", r.Steps}, {"operations", r.Operations}} {
		if sum.of.Total > 0 {
			fmt.Fprintf(&out, "%s%s %d of %d", sep, sum.name, sum.of.Met, sum.of.Total)
			sep = ", "
		}
	}
	out.WriteString("\n")
	return out.String()
}
