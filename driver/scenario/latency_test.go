package scenario

import (
	"math"
	"slices"
	"testing"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/mock"
	"starproxy/script"
)

// seeded is an environment whose chance is repeatable.
func seeded(seed uint64) Env {
	return Env{Script: script.New(script.Options{Seed: &seed, Merge: mock.Merge})}
}

// waits are the delays of n answers of the first endpoint of a document.
func waits(t *testing.T, env Env, name, doc string, n int) []time.Duration {
	t.Helper()
	s, err := Parse(name, []byte(doc), env)
	if err != nil {
		t.Fatal(err)
	}
	var all []time.Duration
	for range n {
		res, err := s.Endpoints[0].Handler.Respond(t.Context(), &exchange.Exchange{Request: &exchange.Request{Method: "GET", Target: "/x"}})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, res.Wait())
	}
	return all
}

// TestRandomLatency checks what is drawn, wherever latency_ms may stand.
func TestRandomLatency(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file, doc       string
		min, max, about time.Duration // about is the median
	}{
		"range":     {"a.yaml", "GET /x: {latency_ms: {min: 50, max: 150}}", 50 * time.Millisecond, 150 * time.Millisecond, 100 * time.Millisecond},
		"to":        {"a.yaml", "GET /x: {latency_ms: {max: 10}}", 0, 10 * time.Millisecond, 5 * time.Millisecond},
		"none":      {"a.yaml", "GET /x: {latency_ms: {min: 7, max: 7}}", 7 * time.Millisecond, 7 * time.Millisecond, 7 * time.Millisecond},
		"uniform":   {"a.json", `{"GET /x": {"latency_ms": {"distribution": "uniform", "min": 0.5, "max": 1.5}}}`, 500 * time.Microsecond, 1500 * time.Microsecond, time.Millisecond},
		"normal":    {"a.yaml", "GET /x: {latency_ms: {distribution: normal, mean: 200, stddev: 40, min: 120, max: 300}}", 120 * time.Millisecond, 300 * time.Millisecond, 200 * time.Millisecond},
		"lognormal": {"a.yaml", "GET /x: {latency_ms: {distribution: lognormal, median: 100, sigma: 0.5, max: 1000}}", 0, time.Second, 100 * time.Millisecond},
		"default":   {"a.yaml", "config: {default_latency_ms: {min: 50, max: 150}}\nendpoints: {GET /x: {body: 1}}", 50 * time.Millisecond, 150 * time.Millisecond, 100 * time.Millisecond},
		"rule":      {"a.yaml", "GET /x: {rules: [{latency_ms: {min: 50, max: 150}}]}", 50 * time.Millisecond, 150 * time.Millisecond, 100 * time.Millisecond},
		"step":      {"a.yaml", "GET /x: {sequence: [{latency_ms: {min: 50, max: 150}}]}", 50 * time.Millisecond, 150 * time.Millisecond, 100 * time.Millisecond},
		"template":  {"a.yaml", "GET /x: {body_template: ['{{uuid}}'], latency_ms: {min: 50, max: 150}}", 50 * time.Millisecond, 150 * time.Millisecond, 100 * time.Millisecond},
		"text":      {"a.yaml", "GET /x: {body_text_template: 'id {{uuid}}', latency_ms: {min: 50, max: 150}}", 50 * time.Millisecond, 150 * time.Millisecond, 100 * time.Millisecond},
		"bytes":     {"a.yaml", "GET /x: {body_base64: 'AAEC', latency_ms: {min: 50, max: 150}}", 50 * time.Millisecond, 150 * time.Millisecond, 100 * time.Millisecond},
		"fault":     {"a.yaml", "GET /x: {fault: reset, latency_ms: {min: 50, max: 150}}", 50 * time.Millisecond, 150 * time.Millisecond, 100 * time.Millisecond},
		"truncate":  {"a.yaml", "GET /x: {fault: truncate, latency_ms: {min: 50, max: 150}}", 50 * time.Millisecond, 150 * time.Millisecond, 100 * time.Millisecond},
		"data":      {"a.star", `endpoints = {"GET /x": {"latency_ms": {"min": 50, "max": 150}}}`, 50 * time.Millisecond, 150 * time.Millisecond, 100 * time.Millisecond},
		"dict":      {"a.star", `endpoints = {"GET /x": lambda req: {"latency_ms": {"min": 50, "max": 150}}}`, 50 * time.Millisecond, 150 * time.Millisecond, 100 * time.Millisecond},
		"response":  {"a.star", `endpoints = {"GET /x": lambda req: response(latency_ms = {"min": 50, "max": 150})}`, 50 * time.Millisecond, 150 * time.Millisecond, 100 * time.Millisecond},
		"global":    {"a.star", "r = response(latency_ms = {\"min\": 50, \"max\": 150})\nendpoints = {\"GET /x\": lambda req: r}", 50 * time.Millisecond, 150 * time.Millisecond, 100 * time.Millisecond},
		"constant":  {"a.star", "d = {\"latency_ms\": {\"min\": 50, \"max\": 150}}\nendpoints = {\"GET /x\": lambda req: d}", 50 * time.Millisecond, 150 * time.Millisecond, 100 * time.Millisecond},
		"scripted default": {"a.star", "config = {\"default_latency_ms\": {\"min\": 50, \"max\": 150}}\nendpoints = {\"GET /x\": lambda req: {\"body\": 1}}",
			50 * time.Millisecond, 150 * time.Millisecond, 100 * time.Millisecond},
		"whole": {"a.yaml", "GET /x: {latency_ms: 50}", 50 * time.Millisecond, 50 * time.Millisecond, 50 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const n = 400
			got := waits(t, seeded(7), c.file, c.doc, n)
			if again := waits(t, seeded(7), c.file, c.doc, n); !slices.Equal(got, again) {
				t.Error("the same seed gave other delays")
			}
			least, most := slices.Min(got), slices.Max(got)
			slices.Sort(got)
			if median := got[n/2]; math.Abs(float64(median-c.about)) > 0.12*float64(c.about) {
				t.Errorf("the median is %s, want about %s", median, c.about)
			}
			if least < c.min || most > c.max {
				t.Errorf("got %s to %s, want %s to %s", least, most, c.min, c.max)
			}
			if c.max > c.min {
				if other := waits(t, seeded(8), c.file, c.doc, n); slices.Equal(got, other) {
					t.Error("another seed gave the same delays")
				}
				if got[0] == got[n-1] {
					t.Error("all delays are the same")
				}
			}
		})
	}
}
