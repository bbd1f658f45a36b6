package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

type tlsAuditCmd struct {
	Host    string        `arg:"" help:"The host that the device connects to: a name or an address, *.domain or *."`
	Kinds   string        `placeholder:"K,…" help:"Kinds of faults, or all (default: those that a good device refuses)."`
	Timeout time.Duration `default:"5m" placeholder:"TIME" help:"How long the audit may take (default: 5m)."`
	output
	JUnit string `name:"junit" placeholder:"FILE" help:"Write the results to FILE as JUnit XML, too."`
}

// Help explains verdicts and exit codes.
func (tlsAuditCmd) Help() string {
	return `Each next connection of the device to the host meets another fault. One with a good certificate comes before and after: it tells that the device talks to the proxy at all. Have the device connect meanwhile. What was set before is in force again at the end.

Verdicts:

    refused     the device ended the connection and sent no data over it
    accepted    the device sent data: whoever forges such a certificate reads them
    never met   the device did not connect in time

Exits with 1 if the device accepted a fault that a good device refuses, or if nothing can be told because it refuses the good certificate or does not connect. "j proxy tls set --help" explains the faults.

Examples:

    j proxy tls audit api.example.com
    j proxy tls audit '*.example.com' --timeout 20m --junit audit.xml
    j proxy tls audit api.example.com --kinds expired,wrong_host,unknown_ca --json`
}

// auditStep is an item of tls_audit: a handshake of the audit.
type auditStep struct {
	Step    int     `json:"step"`
	Steps   int     `json:"steps"`
	Kind    string  `json:"kind"`
	Doc     string  `json:"doc"`
	Verdict string  `json:"verdict"`
	Finding bool    `json:"finding"`
	Detail  string  `json:"detail"`
	Client  string  `json:"client"`
	Seconds float64 `json:"seconds"`
}

// auditResult is the last item of tls_audit.
type auditResult struct {
	Done     bool     `json:"done"`
	Host     string   `json:"host"`
	Accepted []string `json:"accepted"`
	Refused  []string `json:"refused"`
	NeverMet []string `json:"never_met"`
	Findings []string `json:"findings"`
	Problem  string   `json:"problem"`
	// Steps are ours: the handshakes with their verdicts, in their order.
	Steps []auditStep `json:"handshakes"`
}

// Run follows an audit to its end.
func (c *tlsAuditCmd) Run(ctx context.Context, sys *System, p proxy) error {
	r, err := c.follow(ctx, sys, p)
	if err != nil {
		return err
	}
	if c.json() {
		if err := sys.tell(r); err != nil {
			return err
		}
	}
	if c.JUnit != "" {
		if err := saveJUnit(c.JUnit, r.junit()); err != nil {
			return err
		}
	}
	return r.failure(sys, c.json())
}

// follow collects the audit, and prints verdicts as they come.
func (c *tlsAuditCmd) follow(ctx context.Context, sys *System, p proxy) (*auditResult, error) {
	r := &auditResult{}
	for text, err := range p.strings(ctx, "tls_audit", c.Host, c.Kinds, c.Timeout.Seconds()) {
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(text), r); err != nil {
			return nil, fmt.Errorf("tls_audit: an item is not the JSON expected: %w", err)
		}
		if r.Done {
			return r, nil
		}
		var s auditStep
		if err := json.Unmarshal([]byte(text), &s); err != nil || s.Step < 1 {
			return nil, fmt.Errorf("tls_audit: an item is not the JSON expected: %s", text)
		}
		if !c.json() && s.Step == 1 && s.Verdict == "waiting" {
			sys.out("%d connections of the device to %s are looked at (Ctrl+C to stop)...", s.Steps, c.Host)
		}
		if s.Step > len(r.Steps) {
			r.Steps = append(r.Steps, s)
		}
		if r.Steps[s.Step-1] = s; !c.json() && s.Verdict != "waiting" {
			sys.out("%s", s.line(palette(sys.colours())))
		}
	}
	return nil, fmt.Errorf("tls_audit: the exporter ended it early")
}

// line describes a verdict.
func (s auditStep) line(p palette) string {
	verdict := fmt.Sprintf("%-9s", s.Verdict)
	switch {
	case s.Finding:
		verdict = p.bold("ACCEPTED ", red)
	case s.Verdict == "refused" && s.Kind != "control":
		verdict = p.paint(verdict, green)
	}
	return strings.TrimRight(fmt.Sprintf("  %-20s  %s  %s", s.Kind, verdict, s.Detail), " ")
}

// failure sums the audit up, and returns the reason for an exit code of 1.
func (r *auditResult) failure(sys *System, quiet bool) error {
	if len(r.NeverMet) > 0 && r.Problem == "" && !quiet {
		sys.out("Never met: %s", strings.Join(r.NeverMet, ", "))
	}
	switch {
	case len(r.Findings) > 0:
		return fmt.Errorf("the device accepted %s: %s", plural(len(r.Findings), "fault"), strings.Join(r.Findings, ", "))
	case r.Problem != "":
		return fmt.Errorf("%s", r.Problem)
	}
	if !quiet {
		sys.out("The device refused %s.", plural(len(r.Refused), "fault"))
	}
	return nil
}

// junit returns the result as a test for each handshake.
func (r *auditResult) junit() junitSuites {
	suite := junitSuite{Name: "TLS audit of " + r.Host}
	var all time.Duration
	for _, s := range r.Steps {
		took := time.Duration(s.Seconds * float64(time.Second))
		c := junitCase{Class: "tls_audit", Name: s.Kind, Time: seconds(took), Output: s.Verdict + ": " + s.Detail}
		switch {
		case s.Finding:
			c.Failure = &junitFailure{"the device accepted the fault " + s.Kind, s.Doc + "; " + s.Detail}
		case s.Kind == "control" && r.Problem != "" && s.Verdict != "accepted":
			c.Failure = &junitFailure{r.Problem, s.Detail}
		case s.Verdict == "never met":
			c.Skipped = &junitSkipped{"the device never met it"}
			suite.Skipped++
		}
		if c.Failure != nil {
			suite.Failures++
		}
		suite.Cases = append(suite.Cases, c)
		all += took
	}
	suite.Tests, suite.Time = len(suite.Cases), seconds(all)
	return junitSuites{Tests: suite.Tests, Failures: suite.Failures, Time: suite.Time, Suites: []junitSuite{suite}}
}
