package script

import (
	"context"
	"errors"
	"sort"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"starproxy/builtins"
)

// TestResult is the outcome of one test function.
type TestResult struct {
	// File and Name are where the function stands and what it is called.
	File, Name string
	// Err is why the test failed; nil when it passed.
	Err      error
	Duration time.Duration
}

// testStart is what the clock shows when a test begins.
var testStart = time.Date(2024, time.May, 6, 7, 8, 9, 0, time.UTC)

// RunTests runs the functions test_* of a file, in alphabetical order, each in
// a host of its own made from o: with an empty store, the seed 1 and a clock
// that stands still. A file that can't be loaded is one failed result.
func RunTests(ctx context.Context, o Options, file string, src []byte) []TestResult {
	names, err := testNames(o, file, src)
	if err != nil {
		return []TestResult{{File: file, Err: err}}
	}
	results := make([]TestResult, len(names))
	for i, name := range names {
		start := time.Now()
		results[i] = TestResult{File: file, Name: name, Err: runTest(ctx, o, file, src, name)}
		results[i].Duration = time.Since(start)
	}
	return results
}

// testNames loads a file only to see what is in it.
func testNames(o Options, file string, src []byte) ([]string, error) {
	globals, err := testHost(o).execTest(file, src)
	if err != nil {
		return nil, err
	}
	var names []string
	for name, v := range globals {
		if _, ok := v.(*starlark.Function); ok && strings.HasPrefix(name, "test_") {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, &Error{Pos: Position{File: file}, Message: "no functions test_*", Err: errors.New("no tests")}
	}
	sort.Strings(names)
	return names, nil
}

func runTest(ctx context.Context, o Options, file string, src []byte, name string) error {
	h := testHost(o)
	globals, err := h.execTest(file, src)
	if err != nil {
		return err
	}
	_, err = h.Call(ctx, globals[name])
	return err
}

// testHost makes a host for one test.
func testHost(o Options) *Host {
	seed := uint64(1)
	o.State, o.Seed = nil, &seed
	h := New(o)
	h.env.Manual = builtins.NewClock(testStart)
	h.env.Clock = h.env.Manual.Now
	return h
}

// execTest runs the top level of a test file.
func (h *Host) execTest(file string, src []byte) (starlark.StringDict, error) {
	return h.exec(file, src, builtins.Names(builtins.Tests), h.load)
}
