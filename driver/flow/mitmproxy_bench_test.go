package flow

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// timed has mitmproxy read a recording and write it again, and print the seconds
// that each took.
const timed = `
import sys, time
from mitmproxy import io
start = time.perf_counter()
with open(sys.argv[1], "rb") as f:
    flows = list(io.FlowReader(f).stream())
read = time.perf_counter() - start
start = time.perf_counter()
with open(sys.argv[2], "wb") as f:
    w = io.FlowWriter(f)
    for x in flows:
        w.add(x)
print(read, time.perf_counter() - start, len(flows))
`

// TestBenchFlows compares reading and writing with mitmproxy's, on the same
// file, by turns. It runs when STARPROXY_BENCH is set.
func TestBenchFlows(t *testing.T) {
	if os.Getenv("STARPROXY_BENCH") == "" {
		t.Skip("STARPROXY_BENCH is not set")
	}
	const count, rounds = 20_000, 3
	dir := t.TempDir()
	path, out := filepath.Join(dir, "bench.flow"), filepath.Join(dir, "out.flow")
	data := encoded(t, typical(count)...)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	size := float64(len(data)) / 1e6
	data = nil
	best := map[string]float64{}
	note := func(name string, seconds float64) {
		if b, ok := best[name]; !ok || seconds < b {
			best[name] = seconds
		}
	}
	for range rounds {
		file, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		flows := all(t, file.Flows())
		note("read", time.Since(start).Seconds())
		// mitmproxy writes through a buffer. A recorder here does not, so that what
		// is recorded is in the file at once; a conversion does.
		for _, name := range []string{"write", "write buffered"} {
			start = time.Now()
			to, err := os.Create(out)
			if err != nil {
				t.Fatal(err)
			}
			buffered := bufio.NewWriterSize(to, window)
			w := NewWriter(to)
			if name != "write" {
				w = NewWriter(buffered)
			}
			for _, f := range flows {
				if err := w.Write(f); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(buffered.Flush(), to.Close()); err != nil {
				t.Fatal(err)
			}
			note(name, time.Since(start).Seconds())
		}
		if err := file.Close(); err != nil || len(flows) != count {
			t.Fatalf("%d flows, %v", len(flows), err)
		}
		fields := strings.Fields(string(run(t, timed, path, filepath.Join(dir, "theirs.flow"))))
		for i, name := range []string{"read by mitmproxy", "write by mitmproxy"} {
			seconds, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				t.Fatal(err)
			}
			note(name, seconds)
		}
		if fields[2] != strconv.Itoa(count) {
			t.Fatalf("mitmproxy read %s flows", fields[2])
		}
	}
	fmt.Printf("%d flows, %.0f MB, best of %d rounds\n%-14s %12s %10s %12s %10s %8s\n", count, size, rounds, "", "flows/s", "MB/s", "mitmproxy/s", "MB/s", "ratio")
	for _, name := range []string{"read", "write", "write buffered"} {
		verb, _, _ := strings.Cut(name, " ")
		ours, theirs := best[name], best[verb+" by mitmproxy"]
		fmt.Printf("%-14s %12.0f %10.0f %12.0f %10.0f %7.0fx\n", name, count/ours, size/ours, count/theirs, size/theirs, theirs/ours)
	}
}
