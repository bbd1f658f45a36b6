package driver

import (
	"context"
	"net/url"
	"testing"
	"time"

	"starproxy/driver/capture"
)

// Each change that the status has is told by itself, without another one.
func TestWatchStatusFollows(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	real := server(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	told := make(chan *statusReport)
	over := make(chan struct{})
	go func() {
		defer close(over)
		for s := range b.d.reporter.reports(ctx, time.Millisecond) {
			select {
			case told <- s:
			case <-ctx.Done():
			}
		}
	}()
	captures := func(s *statusReport) capture.Stats { return s.Captures.(capture.Stats) }
	var proxy *url.URL
	for _, step := range []struct {
		name   string
		change func()
		told   func(*statusReport) bool
	}{
		{"the beginning", func() {}, func(s *statusReport) bool { return !s.Running }},
		{"an endpoint", func() { b.call("set_mock", "GET", "/x", 200.0, "{}") }, func(s *statusReport) bool { return s.MockCount == 1 }},
		{"a scenario", func() {
			b.write("mock-responses/s.yaml", "GET /a: {state: {scenario: door, then: open}}\n")
			b.call("load_mock_scenario", "s.yaml")
		}, func(s *statusReport) bool { return s.Scenario != nil && s.ScenarioStates["door"] == "Started" }},
		{"a state", func() { b.call("set_scenario_state", "door", "open") }, func(s *statusReport) bool { return s.ScenarioStates["door"] == "open" }},
		{"a broken file", func() { b.write("mock-responses/s.yaml", "GET /a: {") }, func(s *statusReport) bool { return s.ScenarioError != nil }},
		{"a webhook", func() { b.d.webhooks.note(webhookReport{Method: "GET", URL: "http://hook.test/"}) }, func(s *statusReport) bool { return s.Webhooks.Sent == 1 }},
		{"a start", func() { b.call("start", "record") }, func(s *statusReport) bool { return s.Mode == "record" && s.Recording.Flows == 0 }},
		{"an exchange", func() {
			proxy = &url.URL{Scheme: "http", Host: b.status()["proxy_address"].(string)}
			b.get(proxy, real.URL+"/x")
		}, func(s *statusReport) bool { return captures(s).Total == 1 && s.Recording.Flows == 1 }},
		{"a clearing", func() { b.call("clear_captured_requests") }, func(s *statusReport) bool { return captures(s).Entries == 0 }},
		{"a page", func() { b.call("restart", "", true) }, func(s *statusReport) bool { return s.WebUIEnabled }},
		{"a stop", func() { b.call("stop") }, func(s *statusReport) bool { return !s.Running && !s.WebUIEnabled }},
	} {
		step.change()
		limit := time.After(10 * time.Second)
		for done := false; !done; {
			select {
			case s := <-told:
				done = step.told(s)
			case <-limit:
				t.Fatalf("%s is not told; the status is %s", step.name, b.call("status"))
			}
		}
	}
	stop()
	<-over
}
