package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"starproxy/builtins/jsonvalue"
	"starproxy/driver/bundle"
	"starproxy/driver/capture"
	"starproxy/driver/expect"
)

type expectCmd struct {
	File    string        `arg:"" help:"Expectations in YAML or JSON, - for standard input."`
	Since   string        `placeholder:"MARK" help:"Only look at what came after the exchange of that number, or after an event that was marked."`
	Timeout time.Duration `placeholder:"DURATION" help:"Wait as long for all expectations to hold."`
	In      string        `name:"in" placeholder:"SESSION" help:"Look into a bundle, a HAR document or a flow file, without an exporter."`
	output
	JUnit string `name:"junit" placeholder:"FILE" help:"Write the verdicts to FILE as JUnit XML, too."`
}

// Help shows an expectation.
func (expectCmd) Help() string {
	return `Each expectation picks exchanges and says what must be true of them: how many there are and when, in which order they come, what they carry, how failed ones are tried again. docs/when-a-test-fails.md has all keys. Exits with 1 when one does not hold, and lists the exchanges that count.

Examples:

    j proxy expect expectations.yaml
    echo '{"request": "POST /telemetry*", "count": 3, "within_s": 60}' | j proxy expect -
    j proxy expect expectations.yaml --timeout 30s --junit expect.xml
    j proxy expect expectations.yaml --in session.zip`
}

// maxExpectationFile bounds the size of a file of expectations, in bytes.
const maxExpectationFile = 16 << 20

// Run checks, prints what differs, and fails when an expectation does not hold.
func (c *expectCmd) Run(ctx context.Context, sys *System, p proxy) error {
	text, name, err := c.read(sys)
	if err != nil {
		return err
	}
	report := &expect.Report{}
	if c.In != "" {
		report, err = c.inSession(name, text)
	} else {
		err = p.document(ctx, report, "expect", string(text), c.Since, c.Timeout.Seconds(), name)
	}
	if err != nil {
		return err
	}
	return c.tell(sys, report)
}

// read returns the expectations and the name for their places.
func (c *expectCmd) read(sys *System) (text []byte, name string, err error) {
	in, name := sys.Stdin, "standard input"
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return nil, "", err
		}
		defer f.Close()
		in, name = f, c.File
	}
	text, err = io.ReadAll(io.LimitReader(in, maxExpectationFile+1))
	if err == nil && len(text) > maxExpectationFile {
		err = fmt.Errorf("%s: got more than %d bytes, want expectations", name, maxExpectationFile)
	}
	return text, name, err
}

// inSession checks the exchanges of a file.
func (c *expectCmd) inSession(name string, text []byte) (*expect.Report, error) {
	if c.Timeout > 0 {
		return nil, usagef("--timeout: got it with --in, want one of them: nothing comes any more")
	}
	after := uint64(0)
	if c.Since != "" {
		var err error
		if after, err = strconv.ParseUint(c.Since, 10, 64); err != nil {
			return nil, usagef("--since: got %q, want with --in the number of an exchange", c.Since)
		}
	}
	list, err := expect.Read(name, text)
	if err != nil {
		return nil, err
	}
	s, err := bundle.Open(c.In)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	var entries []*capture.Entry
	n := uint64(0)
	for f, err := range s.Flows() {
		if err != nil {
			return nil, err
		}
		n++
		e := f.Entry(n)
		if e.Seq = n; n > after {
			entries = append(entries, e)
		}
	}
	return list.Check(entries, nil)
}

// tell prints a report.
func (c *expectCmd) tell(sys *System, r *expect.Report) error {
	if c.JUnit != "" {
		if err := saveJUnit(c.JUnit, expectJUnit(r)); err != nil {
			return err
		}
	}
	failed := 0
	for _, v := range r.Verdicts {
		if !v.OK {
			failed++
		}
	}
	if c.json() {
		text, err := jsonvalue.Append(nil, r)
		if err != nil {
			return err
		}
		sys.out("%s", text)
	} else {
		if failed > 0 {
			sys.out("%s", strings.TrimRight(r.Text(), "\n"))
		}
		sys.out("%d of %s met, in %s", len(r.Verdicts)-failed, plural(len(r.Verdicts), "expectation"), plural(r.Checked, "exchange"))
	}
	if failed > 0 {
		return exitCode(exitFailure)
	}
	return nil
}

// expectJUnit returns a report with a test for each expectation.
func expectJUnit(r *expect.Report) junitSuites {
	suite := junitSuite{Name: "expectations", Tests: len(r.Verdicts), Time: seconds(0)}
	for _, v := range r.Verdicts {
		one := junitCase{Class: "expectations", Name: v.Name, Time: seconds(0)}
		if !v.OK {
			suite.Failures++
			text := v.Place + ": " + strings.Join(v.Failures, "\n")
			first, _, _ := strings.Cut(v.Failures[0], "\n")
			one.Failure = &junitFailure{first, text}
		}
		suite.Cases = append(suite.Cases, one)
	}
	return junitSuites{Tests: suite.Tests, Failures: suite.Failures, Time: seconds(0), Suites: []junitSuite{suite}}
}
