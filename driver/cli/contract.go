package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"starproxy/driver/contract"
)

// contractCommands is the grammar of "contract".
type contractCommands struct {
	Report contractReportCmd `cmd:"" default:"withargs" help:"Tell how the exchanges kept to the OpenAPI document of the scenario (the default)."`
}

type contractReportCmd struct {
	output
	JUnit string `name:"junit" placeholder:"FILE" help:"Write a JUnit XML file with a case for each operation."`
}

// Help explains the exit code.
func (contractReportCmd) Help() string {
	return `A scenario names its OpenAPI document with the key "contract". Each breach has the operation, how often it came, the part of the request or answer, and the place in the document. Operations that no exchange has met are listed. The exit code is 1 if there are breaches or if there is no contract.

The counts begin when a contract is loaded, and go on while scenarios name the same document.

Examples:

    j proxy contract report
    j proxy contract report --junit contract.xml
    j proxy contract report --json | jq -r '.never_met[]'`
}

// Run prints the report.
func (c *contractReportCmd) Run(ctx context.Context, sys *System, p proxy) error {
	var raw json.RawMessage
	if err := p.document(ctx, &raw, "contract_report"); err != nil {
		return err
	}
	var r contract.Report
	if err := json.Unmarshal(raw, &r); err != nil {
		return fmt.Errorf("contract_report: %w", err)
	}
	if r.Contract == "" {
		return errors.New("no contract: the scenario names no OpenAPI document with the key contract")
	}
	if c.json() {
		sys.out("%s", raw)
	} else {
		fmt.Fprint(sys.Stdout, contractText(&r))
	}
	if c.JUnit != "" {
		if err := saveJUnit(c.JUnit, contractJUnit(&r)); err != nil {
			return err
		}
	}
	if len(r.Breaches) > 0 {
		return exitCode(exitFailure)
	}
	return nil
}

// contractText returns the report for people.
func contractText(r *contract.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s checked, %d with breaches", r.Contract, plural(int(r.Checked), "exchange"), r.Broken)
	for _, part := range []struct {
		n    uint64
		text string
	}{{r.Unchecked, "with a body that was not checked"}, {r.Overload, "not checked because too many came at once"},
		{r.Outside, "outside of the contract"}} {
		if part.n > 0 {
			fmt.Fprintf(&b, ", %d %s", part.n, part.text)
		}
	}
	b.WriteString("\n")
	operation := ""
	for _, g := range r.Breaches {
		if g.Operation != operation {
			operation = g.Operation
			fmt.Fprintf(&b, "%s\n", operation)
		}
		fmt.Fprintf(&b, "  %dx %s\n", g.Count, breachText(g.Breach))
	}
	if len(r.NeverMet) > 0 {
		fmt.Fprintf(&b, "Never met (%d of %s):\n", len(r.NeverMet), plural(len(r.Operations), "operation"))
		for _, name := range r.NeverMet {
			fmt.Fprintf(&b, "  %s\n", name)
		}
	}
	return b.String()
}

// breachText returns a breach without the word that begins its note.
func breachText(g contract.Breach) string { return strings.TrimPrefix(g.String(), "contract: ") }

// contractJUnit returns the report as a suite with a case for each operation, and one for
// each request that no operation is for.
func contractJUnit(r *contract.Report) junitSuites {
	suite := junitSuite{Name: r.Contract, Time: seconds(0)}
	broken := map[string][]string{}
	for _, g := range r.Breaches {
		broken[g.Operation] = append(broken[g.Operation], fmt.Sprintf("%dx %s", g.Count, breachText(g.Breach)))
	}
	add := func(name string, met bool) {
		one := junitCase{Class: r.File, Name: name, Time: seconds(0)}
		if lines := broken[name]; lines != nil {
			one.Failure = &junitFailure{Message: lines[0], Text: strings.Join(lines, "\n")}
			suite.Failures++
		} else if !met {
			one.Skipped = &junitSkipped{Message: "no exchange has met it"}
			suite.Skipped++
		}
		delete(broken, name)
		suite.Tests++
		suite.Cases = append(suite.Cases, one)
	}
	for _, op := range r.Operations {
		add(op.Name, op.Exchanges > 0)
	}
	for _, g := range r.Breaches {
		if broken[g.Operation] != nil {
			add(g.Operation, true)
		}
	}
	return junitSuites{Tests: suite.Tests, Failures: suite.Failures, Time: seconds(0), Suites: []junitSuite{suite}}
}
