package script

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"sort"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"starproxy/builtins"
	"starproxy/builtins/call"
	"starproxy/builtins/clock"
	"starproxy/builtins/exchange"
	"starproxy/builtins/value"
)

// TestOptions configure a run of tests.
type TestOptions struct {
	// Options are those of the host of each test. State, Seed, Clock and Log are
	// not used.
	Options
	// Only matches the names of the tests to run; nil means all.
	Only *regexp.Regexp
	// Table makes the handler of a test's requests: from the scenario in the file
	// path or, if path is empty, from endpoints. If Table is nil, call() is an
	// error.
	Table func(h *Host, path string, endpoints starlark.Value) (exchange.Handler, error)
}

// TestResult is the outcome of one test function.
type TestResult struct {
	// File is the path of the function's file, Name the name of the function.
	File, Name string
	// Err tells why the test failed; nil if it passed.
	Err      error
	Duration time.Duration
	// Output is the log of the test and of the handlers that it called.
	Output string
}

// testStart is the time of the clock when a test begins.
var testStart = time.Date(2024, time.May, 6, 7, 8, 9, 0, time.UTC)

// RunTests runs the functions test_* of a script in alphabetical order. Each has a
// host of its own, made from o, with an empty store, the seed 1 and a clock that
// stands still unless it is moved or a script sleeps. For a script that can't be
// loaded RunTests returns one failed result.
func RunTests(ctx context.Context, o TestOptions, file string, src []byte) []TestResult {
	return runTests(ctx, o, file, func(h *Host) (starlark.StringDict, error) {
		s, err := h.LoadText(file, src)
		return s.Globals, err
	})
}

// RunTestFile runs the tests in a file below the directory root. Its load statements
// can name files below root.
func RunTestFile(ctx context.Context, o TestOptions, root, file string) []TestResult {
	return runTests(ctx, o, filepath.Join(root, filepath.FromSlash(file)), func(h *Host) (starlark.StringDict, error) {
		s, err := h.Load(root, path.Clean(file))
		return s.Globals, err
	})
}

// CheckTestFile loads a file with tests, but does not run them.
func CheckTestFile(o Options, root, file string) error {
	h := testHost(o, nil)
	s, err := h.Load(root, path.Clean(file))
	if err == nil {
		_, err = testNames(h, s.File, func(*Host) (starlark.StringDict, error) { return s.Globals, nil })
	}
	return err
}

func runTests(ctx context.Context, o TestOptions, file string, load func(*Host) (starlark.StringDict, error)) []TestResult {
	var out bytes.Buffer
	names, err := testNames(newTest(o, file, &out).host, file, load)
	if err != nil {
		return []TestResult{{File: file, Err: err, Output: out.String()}}
	}
	var results []TestResult
	for _, name := range names {
		if o.Only != nil && !o.Only.MatchString(name) {
			continue
		}
		start := time.Now()
		out.Reset()
		err := newTest(o, file, &out).run(ctx, name, load)
		results = append(results, TestResult{File: file, Name: name, Err: err, Duration: time.Since(start), Output: out.String()})
	}
	return results
}

// testNames loads a file and returns the names of its tests.
func testNames(h *Host, file string, load func(*Host) (starlark.StringDict, error)) ([]string, error) {
	globals, err := load(h)
	if err != nil {
		return nil, err
	}
	var names []string
	for name, v := range globals {
		if fn, ok := v.(*starlark.Function); ok && strings.HasPrefix(name, "test_") {
			if fn.NumParams() > 0 {
				return nil, &Error{Pos: position(fn.Position()), Message: name + " has parameters: a test has none"}
			}
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, &Error{Pos: Position{File: file}, Message: "no functions test_*", Err: errors.New("no tests")}
	}
	sort.Strings(names)
	return names, nil
}

// test is one run of a test function.
type test struct {
	o    TestOptions
	file string
	host *Host

	table    exchange.Handler
	upstream exchange.Handler // answers in the place of the real server; may be nil
}

func newTest(o TestOptions, file string, out io.Writer) *test {
	t := &test{o: o, file: file, host: testHost(o.Options, out)}
	t.host.env.Test = t
	return t
}

// testHost makes a host for one test or example, whose log goes to out.
func testHost(o Options, out io.Writer) *Host {
	seed := uint64(1)
	o.State, o.Seed = nil, &seed
	if o.Log = nil; out != nil {
		o.Log = slog.New(&lineLog{out: out})
	}
	h := New(o)
	h.tests = h.names(builtins.Tests)
	h.env.Clock, h.env.Manual = clock.Frozen(testStart), true
	h.env.Tasks = call.NewTasks(h.env.Clock, true)
	return h
}

func (t *test) run(ctx context.Context, name string, load func(*Host) (starlark.StringDict, error)) error {
	globals, err := load(t.host)
	if err != nil {
		return err
	}
	r := t.host.get(ctx, nil)
	defer t.host.put(r)
	return t.host.within(r, func() error {
		_, err := starlark.Call(&r.thread, globals[name], nil, nil)
		return err
	})
}

// within runs a part of a test. The error of a handler that it calls keeps the
// frames of the test.
func (h *Host) within(r *runner, fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			r.failed = &call.PanicError{Func: "starlark", Value: p, Stack: debug.Stack()}
			err = h.explain(r, r.failed)
		}
	}()
	if err := fn(); err != nil {
		return h.loadError(r, err)
	}
	return nil
}

// Serve sets the endpoints that Respond asks from now on. scenario is a map of
// endpoints, or the path of a scenario from the directory of the test file.
func (t *test) Serve(scenario starlark.Value, upstream starlark.Callable) error {
	if t.o.Table == nil {
		return errors.New("serve: there are no endpoints here, only in starproxy script test")
	}
	if upstream != nil {
		h, err := t.host.Handler(upstream)
		if err != nil {
			return err
		}
		t.upstream = h
	}
	var table exchange.Handler
	var err error
	switch v := scenario.(type) {
	case starlark.String:
		file := filepath.FromSlash(string(v))
		if !filepath.IsAbs(file) {
			file = filepath.Join(filepath.Dir(t.file), file)
		}
		table, err = t.o.Table(t.host, file, nil)
	case starlark.IterableMapping:
		// Other threads use the values in it.
		if err = value.Freeze(v); err == nil {
			table, err = t.o.Table(t.host, "", v)
		}
	default:
		return fmt.Errorf("serve: argument \"scenario\": got %s, want a dict of endpoints or the path of a scenario", v.Type())
	}
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	t.table = table
	return nil
}

// subject returns the path of the scenario that the tests in a file are about: the
// scenario of the same name, else scenario.star and so on in the same directory. It
// returns "" if there is none.
func subject(file string) string {
	for _, name := range []string{strings.TrimSuffix(filepath.Base(file), testSuffix), "scenario"} {
		for _, ext := range []string{Ext, ".yaml", ".yml", ".json"} {
			path := filepath.Join(filepath.Dir(file), name+ext)
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				return path
			}
		}
	}
	return ""
}

// Respond answers an exchange by the endpoints of the last Serve. Before the first
// one, it uses the scenario that the test file is about.
func (t *test) Respond(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	if t.table == nil {
		file := subject(t.file)
		if file == "" || t.o.Table == nil {
			return nil, fmt.Errorf("no scenario to call: put %s beside the test, or serve({...}) or serve(\"FILE\") first",
				strings.TrimSuffix(filepath.Base(t.file), testSuffix)+".star or .yaml")
		}
		table, err := t.o.Table(t.host, file, nil)
		if err != nil {
			return nil, err
		}
		t.table = table
	}
	x.Forward = func(ctx context.Context) (*exchange.Response, error) {
		if t.upstream == nil {
			return nil, errors.New("it goes to the real server, which a test has none of: serve(..., upstream=fn) stands in for it")
		}
		res, err := t.upstream.Respond(ctx, x)
		if err != nil {
			return nil, err
		}
		if res == nil {
			return nil, errors.New("the upstream function gave no answer")
		}
		res = res.Clone()
		res.Origin = exchange.FromServer
		return res, nil
	}
	return t.table.Respond(ctx, x)
}

// Interface guard.
var _ call.Tester = (*test)(nil)
