package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"starproxy/driver/scenario"
	"starproxy/script"
)

type scriptTestCmd struct {
	Paths   []string `arg:"" optional:"" name:"path" help:"Files with tests, or directories with *_test.star below them; default the current one."`
	Only    string   `name:"run" placeholder:"REGEXP" help:"Only the tests whose name it matches."`
	JUnit   string   `name:"junit" placeholder:"FILE" help:"Write the results as JUnit XML, too."`
	Verbose bool     `short:"v" help:"Show every test, and what it logs."`
	scriptDirs
}

// Help shows a test.
func (scriptTestCmd) Help() string {
	return `A test is a function test_* of a file *_test.star. It asks the scenario of the same name, without a socket:

    # auth_test.star, beside auth.star or auth.yaml
    def test_login():
        r = call("POST /api/auth", body = {"user": "admin"})
        assert.eq(r.status, 401)

Each test begins with an empty state, the seed 1 and a clock that stands still until clock.advance("30s"). "starproxy script doc assert" and "starproxy script doc call" tell the rest.

The exit code is 1 when a test fails.`
}

// Run runs the tests and prints one line a file, and what failed.
func (c *scriptTestCmd) Run(ctx context.Context, sys *System) error {
	only, err := regexp.Compile(c.Only)
	if err != nil {
		return usagef("--run: %w", err)
	}
	paths := c.Paths
	if len(paths) == 0 {
		paths = []string{"."}
	}
	files, err := sources(paths, isTest)
	if err != nil {
		return err
	}
	p := testPrinter{sys: sys, palette: palette(sys.colours()), verbose: c.Verbose}
	start := time.Now()
	var suites []testSuite
	for _, f := range files {
		o := script.TestOptions{Options: scriptOptions(), Only: only, Table: scenario.Table(c.env(filepath.Dir(f.path())))}
		s := testSuite{name: filepath.ToSlash(f.path()), results: script.RunTestFile(ctx, o, f.root, filepath.ToSlash(f.file))}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if len(s.results) > 0 { // else --run left none
			p.suite(s)
			suites = append(suites, s)
		}
	}
	if c.JUnit != "" {
		if err := writeJUnit(c.JUnit, suites); err != nil {
			return err
		}
	}
	passed, failed := count(suites)
	switch {
	case passed+failed == 0 && c.Only != "":
		return fmt.Errorf("no test matches %q", c.Only)
	case passed+failed == 0:
		return fmt.Errorf("no files *_test.star below %s", strings.Join(paths, ", "))
	}
	p.total(passed, failed, time.Since(start))
	if failed > 0 {
		return exitCode(exitFailure)
	}
	return nil
}

// isTest reports whether a file has tests.
func isTest(path string) bool { return strings.HasSuffix(path, "_test"+script.Ext) }

// testSuite is the tests of one file.
type testSuite struct {
	name    string
	results []script.TestResult
}

// duration returns how long all tests took.
func (s testSuite) duration() (sum time.Duration) {
	for _, r := range s.results {
		sum += r.Duration
	}
	return sum
}

// count returns how many tests passed and failed.
func count(suites []testSuite) (passed, failed int) {
	for _, s := range suites {
		for _, r := range s.results {
			if r.Err == nil {
				passed++
			} else {
				failed++
			}
		}
	}
	return passed, failed
}

// testPrinter prints results as they come.
type testPrinter struct {
	sys *System
	palette
	verbose bool
}

func (p testPrinter) suite(s testSuite) {
	passed, failed := count([]testSuite{s})
	if failed == 0 {
		p.sys.out("%s    %s  %s  %s", p.paint("ok", green), s.name, plural(passed, "test"), short(s.duration()))
	} else {
		p.sys.out("%s  %s  %d of %s failed  %s", p.bold("FAIL", red), s.name, failed, plural(passed+failed, "test"), short(s.duration()))
	}
	for _, r := range s.results {
		if r.Err != nil {
			name := r.Name
			if name == "" {
				name = "not loaded"
			}
			p.sys.out("    %s %s", p.paint("FAIL", red), name)
			p.lines(explain(r.Err))
		} else if p.verbose {
			p.sys.out("    %s   %s  %s", p.paint("ok", green), r.Name, short(r.Duration))
		}
		if r.Output != "" && (r.Err != nil || p.verbose) {
			p.lines(r.Output)
		}
	}
}

// lines prints a text below the name of a test.
func (p testPrinter) lines(text string) {
	for line := range strings.Lines(text) {
		p.sys.out("         %s", strings.TrimRight(line, "\n"))
	}
}

func (p testPrinter) total(passed, failed int, took time.Duration) {
	if failed > 0 {
		p.sys.out("%s", p.bold(fmt.Sprintf("%d passed, %d failed in %s", passed, failed, short(took)), red))
		return
	}
	p.sys.out("%s", p.bold(fmt.Sprintf("%d passed in %s", passed, short(took)), green))
}

// explain returns the reason why a test failed, with the calls that led there.
func explain(err error) string {
	var e *script.Error
	if errors.As(err, &e) {
		if len(e.Frames) < 2 {
			return e.Error()
		}
		return e.Backtrace()
	}
	return err.Error()
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// short returns a duration as people read it.
func short(d time.Duration) string { return d.Round(100 * time.Microsecond).String() }
