package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"starproxy/builtins/disk"
	"starproxy/builtins/jsonvalue"
	"starproxy/driver/bundle"
	"starproxy/driver/compare"
	"starproxy/driver/document"
	"starproxy/driver/flow"
)

type sessionDiffCmd struct {
	Old    string   `arg:"" help:"The session to compare with: a flow file, a HAR document, a bundle, or a scenario."`
	New    string   `arg:"" help:"The session to look at: a flow file, a HAR document or a bundle."`
	Rules  string   `placeholder:"FILE" help:"What is known of the device, in YAML or JSON."`
	FailOn []string `name:"fail-on" placeholder:"KIND" help:"Kinds of differences that fail, or none (default: all)."`
	output
	HTML    string `name:"html" placeholder:"FILE" help:"Write the report to FILE as a page, too."`
	JUnit   string `name:"junit" placeholder:"FILE" help:"Write the report to FILE as JUnit XML, too: a test for each kind of difference."`
	Approve bool   `help:"Make the new session the golden file OLD, once it is told what differs."`
}

// Help explains kinds, tolerances, rules and golden files.
func (sessionDiffCmd) Help() string {
	var kinds strings.Builder
	for _, k := range compare.Kinds() {
		fmt.Fprintf(&kinds, "    %-14s  %s\n", k.Kind, k.Doc)
	}
	return `The report is about the device: what it asks for, how often, when and with what. It works on files of this machine and needs no exporter. "j proxy capture save --flow" and "j proxy bundle save" write such files.

Ids, times, tokens and counters are told by their looks and by their repeats; they are listed and not compared. Where OLD is a scenario, the requests that no endpoint expects are told, and the endpoints that were never called.

Kinds of differences:

` + strings.TrimRight(kinds.String(), "\n") + `

The exit code is 1 when something of the chosen kinds differs. With --approve, OLD becomes a golden file: the new session without the bodies of answers, its secrets masked. OLD need not exist then.

docs/comparing-firmware.md tells the tolerances, and what a file of rules can say.

Examples:

    j proxy session diff v1.flow v2.flow
    starproxy session diff golden.flow new.zip --fail-on added-host,schema,tls --junit diff.xml
    starproxy session diff golden.flow new.zip --approve
    starproxy session diff scenario.yaml new.har --html diff.html`
}

// Run compares, prints the report, and replaces the golden file where that is asked for.
func (c *sessionDiffCmd) Run(sys *System) error {
	failing, err := c.failing()
	if err != nil {
		return err
	}
	rules, err := c.rules()
	if err != nil {
		return err
	}
	report, err := c.compare(sys, rules)
	if err != nil {
		return err
	}
	if report != nil {
		if err := c.print(sys, report, failing); err != nil {
			return err
		}
	}
	if c.Approve {
		n, err := c.approve()
		if err != nil {
			return err
		}
		if !c.json() {
			sys.out("%s is the golden file now (%s).", c.Old, plural(n, "request"))
		}
		return nil
	}
	if len(chosen(report, failing)) > 0 {
		return exitCode(exitFailure)
	}
	return nil
}

// failing returns the kinds of differences that fail.
func (c *sessionDiffCmd) failing() ([]compare.Kind, error) {
	var kinds []compare.Kind
	if slices.Equal(c.FailOn, []string{"none"}) {
		return nil, nil
	}
	for _, name := range c.FailOn {
		kind, err := compare.ParseKind(strings.TrimSpace(name))
		if err != nil {
			return nil, usagef("--fail-on: %w", err)
		}
		kinds = append(kinds, kind)
	}
	if kinds == nil {
		for _, k := range compare.Kinds() {
			kinds = append(kinds, k.Kind)
		}
	}
	return kinds, nil
}

// chosen returns the findings that fail.
func chosen(r *compare.Report, failing []compare.Kind) []compare.Finding {
	if len(failing) == 0 {
		return nil
	}
	return r.Chosen(failing)
}

func (c *sessionDiffCmd) rules() (*compare.Rules, error) {
	if c.Rules == "" {
		return nil, nil
	}
	data, err := disk.ReadInput(c.Rules, document.MaxBytes)
	if err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	return compare.ReadRules(c.Rules, data)
}

// compare returns the report. It is nil when there is no old session yet, and the new
// one becomes the first golden file.
func (c *sessionDiffCmd) compare(sys *System, rules *compare.Rules) (*compare.Report, error) {
	fresh, err := openSession(sys, c.New)
	if err != nil {
		return nil, err
	}
	defer fresh.close()
	if _, err := os.Stat(c.Old); c.Approve && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if isScenario(c.Old) {
		if c.Approve {
			return nil, usagef("--approve: got the scenario %s, want a golden file that can be replaced", c.Old)
		}
		expected, err := expectations(c.Old)
		if err != nil {
			return nil, err
		}
		return compare.Against(c.Old, expected, c.New, fresh.flows(), rules)
	}
	old, err := openSession(sys, c.Old)
	if err != nil {
		return nil, err
	}
	defer old.close()
	if c.Approve && old.Manifest() != nil {
		return nil, usagef("--approve: got the bundle %s, want a flow file or HAR document that can be replaced", c.Old)
	}
	before, err := compare.Read(c.Old, old.flows())
	if err != nil {
		return nil, err
	}
	after, err := compare.Read(c.New, fresh.flows())
	if err != nil {
		return nil, err
	}
	return compare.Compare(before, after, rules), nil
}

// sessionFile is an open file of a session, whose bad records are told and left out.
type sessionFile struct {
	*bundle.Session
	sys  *System
	told map[string]bool
}

func openSession(sys *System, path string) (*sessionFile, error) {
	s, err := bundle.Open(path)
	if err != nil {
		return nil, err
	}
	return &sessionFile{s, sys, map[string]bool{}}, nil
}

// flows yields the flows of the file that can be read.
func (f *sessionFile) flows() iter.Seq2[*flow.Flow, error] {
	return func(yield func(*flow.Flow, error) bool) {
		for fl, err := range f.Flows() {
			if bad := (*flow.RecordError)(nil); errors.As(err, &bad) {
				f.warn(err.Error())
				continue
			}
			if !yield(fl, err) {
				return
			}
		}
	}
}

// warn prints a warning once.
func (f *sessionFile) warn(text string) {
	if !f.told[text] {
		f.told[text] = true
		f.sys.note("warning: %s", text)
	}
}

func (f *sessionFile) close() {
	for _, w := range f.Warnings() {
		f.warn(w)
	}
	f.Close()
}

// approve makes the new session the golden file, and returns the number of its requests.
func (c *sessionDiffCmd) approve() (n int, err error) {
	s, err := bundle.Open(c.New)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	f := &sessionFile{s, &System{Stderr: io.Discard}, map[string]bool{}} // warnings were told before
	counted := func(yield func(*flow.Flow, error) bool) {
		for fl, err := range compare.Golden(f.flows()) {
			if err == nil {
				n++
			}
			if !yield(fl, err) {
				return
			}
		}
	}
	err = saveFile(c.Old, private, func(w io.Writer) error {
		write := flow.WriteFlows
		if strings.EqualFold(filepath.Ext(c.Old), ".har") {
			write = func(w io.Writer, flows iter.Seq2[*flow.Flow, error]) error { return flow.WriteHAR(w, flows, "") }
		}
		if err := write(w, counted); err != nil {
			return err
		}
		if n == 0 { // the old golden file is better than an empty one
			return fmt.Errorf("--approve: got no requests in %s, want a session", c.New)
		}
		return nil
	})
	return n, err
}

// print writes the report in all forms that are asked for.
func (c *sessionDiffCmd) print(sys *System, r *compare.Report, failing []compare.Kind) error {
	if c.HTML != "" {
		if err := saveFile(c.HTML, private, func(w io.Writer) error { return r.WriteHTML(w, failing) }); err != nil {
			return err
		}
	}
	if c.JUnit != "" {
		if err := saveJUnit(c.JUnit, diffJUnit(r, failing)); err != nil {
			return err
		}
	}
	if c.json() {
		text, err := jsonvalue.Append(nil, r)
		if err != nil {
			return err
		}
		sys.out("%s", text)
		return nil
	}
	sys.out("%s", diffText(r, palette(sys.colours()), failing))
	return nil
}

// shownPlaces is how many endpoints of a difference are printed.
const shownPlaces = 3

// diffText returns a report as people read it.
func diffText(r *compare.Report, p palette, failing []compare.Kind) string {
	var b strings.Builder
	for _, s := range []struct {
		name string
		compare.Side
	}{{"old", r.Old}, {"new", r.New}} {
		fmt.Fprintf(&b, "%s: %s\n", s.name, sideText(s.Side))
	}
	for _, g := range r.Groups() {
		heading := fmt.Sprintf("%s (%d)", g.Kind, len(g.Findings))
		if slices.Contains(failing, g.Kind) {
			heading = p.bold(heading, red)
		}
		fmt.Fprintf(&b, "\n%s\n", heading)
		last := ""
		for _, f := range g.Findings {
			if at := placesText(f); at != last {
				fmt.Fprintf(&b, "  %s\n", at)
				last = at
			}
			fmt.Fprintf(&b, "    %s\n", strings.TrimSpace(f.Field+" "+f.Text))
		}
	}
	if len(r.Volatile) > 0 {
		b.WriteString("\nNot compared, for the values are others each time:\n")
	}
	for _, v := range r.Volatile {
		fmt.Fprintf(&b, "  %s (%s), at %s\n", v.Where, v.Why, plural(len(v.Endpoints), "endpoint"))
	}
	fmt.Fprintf(&b, "\n%s", p.bold(verdictText(r, failing), map[bool]colour{true: red, false: green}[len(chosen(r, failing)) > 0]))
	return b.String()
}

func sideText(s compare.Side) string {
	text := fmt.Sprintf("%s (%s, %s", s.Name, plural(s.Exchanges, "request"), plural(s.Endpoints, "endpoint"))
	if s.Exchanges == 0 {
		text = fmt.Sprintf("%s (%s", s.Name, plural(s.Endpoints, "endpoint"))
	}
	if s.Seconds > 0 {
		text += fmt.Sprintf(", %s", time.Duration(s.Seconds*float64(time.Second)).Round(10*time.Millisecond))
	}
	if s.LeftOut > 0 {
		text += fmt.Sprintf("; %d more were not looked at", s.LeftOut)
	}
	return text + ")"
}

// placesText tells where a difference was seen.
func placesText(f compare.Finding) string {
	switch {
	case f.Everywhere && len(f.Hosts) > 0:
		return fmt.Sprintf("all %d hosts of both sessions", len(f.Hosts))
	case f.Everywhere:
		return fmt.Sprintf("all %d endpoints of both sessions", len(f.Endpoints))
	}
	places, more := f.Places(shownPlaces)
	text := strings.Join(places, ", ")
	if more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// verdictText sums a report up.
func verdictText(r *compare.Report, failing []compare.Kind) string {
	all, bad := len(r.Findings), len(chosen(r, failing))
	switch {
	case all == 0:
		return "Nothing differs."
	case bad == all:
		return plural(all, "difference") + "."
	}
	return fmt.Sprintf("%s, %d of them of the kinds that fail.", plural(all, "difference"), bad)
}

// diffJUnit returns a report as a test for each kind of difference.
func diffJUnit(r *compare.Report, failing []compare.Kind) junitSuites {
	suite := junitSuite{Name: "session diff", Time: seconds(0)}
	groups := map[compare.Kind]compare.Group{}
	for _, g := range r.Groups() {
		groups[g.Kind] = g
	}
	for _, k := range compare.Kinds() {
		c := junitCase{Class: "session_diff", Name: string(k.Kind), Time: seconds(0)}
		var lines []string
		for _, f := range groups[k.Kind].Findings {
			lines = append(lines, placesText(f)+": "+strings.TrimSpace(f.Field+" "+f.Text))
		}
		text := strings.Join(lines, "\n")
		switch {
		case lines == nil:
		case slices.Contains(failing, k.Kind):
			c.Failure = &junitFailure{plural(len(lines), "difference"), text}
			suite.Failures++
		default:
			c.Output = text
		}
		suite.Cases = append(suite.Cases, c)
	}
	suite.Tests = len(suite.Cases)
	return junitSuites{Tests: suite.Tests, Failures: suite.Failures, Time: suite.Time, Suites: []junitSuite{suite}}
}
