package script_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"starproxy/builtins/clock"
	"starproxy/builtins/exchange"
	"starproxy/driver/mock"
	"starproxy/script"
)

// answer makes a handler with a status of its own.
func answer(status int) exchange.Handler {
	return mock.NewStatic(status, nil, nil, 0)
}

// status asks a handler and gives the status; 0 is the real server.
func status(t testing.TB, h exchange.Handler, x *exchange.Exchange) int {
	t.Helper()
	res, err := h.Respond(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	if res == nil {
		return 0
	}
	return res.Status
}

func TestConditional(t *testing.T) {
	t.Parallel()
	h := newHost(script.Options{})
	device := func(d string) func(*exchange.Exchange) bool {
		return func(x *exchange.Exchange) bool { return x.Request.Header.Get("X-Device") == d }
	}
	seq, err := h.Sequence([]script.Step{{Handler: answer(201), Repeat: 1}, {Handler: answer(202)}})
	if err != nil {
		t.Fatal(err)
	}
	rules, err := h.Conditional([]script.Rule{{device("a"), answer(210)}, {device("a"), answer(211)}, {device("b"), seq}})
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		device string
		want   int
	}{{"a", 210}, {"b", 201}, {"c", 0}, {"b", 202}, {"a", 210}, {"b", 202}} {
		x := newExchange("GET", "/", "")
		x.Request.Header.Set("X-Device", c.device)
		if got := status(t, rules, x); got != c.want {
			t.Errorf("request %d by %s: %d, want %d", i, c.device, got, c.want)
		}
	}
	always, err := h.Conditional([]script.Rule{{device("a"), answer(210)}, {nil, answer(404)}})
	if err != nil {
		t.Fatal(err)
	}
	if got := status(t, always, newExchange("GET", "/", "")); got != 404 {
		t.Errorf("a rule without a condition gives %d, want 404", got)
	}
}

func TestRulesAndSequencesRefused(t *testing.T) {
	t.Parallel()
	h := newHost(script.Options{})
	if _, err := h.Conditional(nil); err == nil || !strings.Contains(err.Error(), "no rules") {
		t.Errorf("no rules: %v", err)
	}
	if _, err := h.Conditional([]script.Rule{{}}); err == nil || !strings.Contains(err.Error(), "rule 1 has no answer") {
		t.Errorf("no answer: %v", err)
	}
	if _, err := h.Sequence(nil); err == nil || !strings.Contains(err.Error(), "no steps") {
		t.Errorf("no steps: %v", err)
	}
	if _, err := h.Sequence([]script.Step{{Handler: answer(200), Repeat: -1}}); err == nil || !strings.Contains(err.Error(), "step 1") {
		t.Errorf("negative repeat: %v", err)
	}
}

// TestConditionPanics checks that a panic in a condition is an error with the
// place in the standard library.
func TestConditionPanics(t *testing.T) {
	t.Parallel()
	h := newHost(script.Options{})
	rules, err := h.Conditional([]script.Rule{{func(*exchange.Exchange) bool { panic("oops") }, answer(200)}})
	if err != nil {
		t.Fatal(err)
	}
	x := newExchange("GET", "/", "")
	_, err = rules.Respond(t.Context(), x)
	var e *script.Error
	if !errors.As(err, &e) || !strings.Contains(err.Error(), "@stdlib//rules.star:") || !strings.Contains(err.Error(), "internal error: oops") {
		t.Errorf("error is %v", err)
	}
	if notes := x.Notes.List(); len(notes) != 1 || !strings.Contains(notes[0].Text, "in choose") {
		t.Errorf("notes are %v", notes)
	}
}

func TestSequence(t *testing.T) {
	t.Parallel()
	h := newHost(script.Options{})
	for name, c := range map[string]struct {
		steps []script.Step
		want  []int
	}{
		"counted":         {[]script.Step{{Handler: answer(201), Repeat: 2}, {Handler: answer(202), Repeat: 1}, {Handler: answer(203)}}, []int{201, 201, 202, 203, 203}},
		"past the end":    {[]script.Step{{Handler: answer(201), Repeat: 1}, {Handler: answer(202), Repeat: 1}}, []int{201, 202, 202, 202}},
		"one for ever":    {[]script.Step{{Handler: answer(201)}}, []int{201, 201}},
		"for ever early":  {[]script.Step{{Handler: answer(201)}, {Handler: answer(202), Repeat: 1}}, []int{201, 201, 201}},
		"one, some times": {[]script.Step{{Handler: answer(201), Repeat: 2}}, []int{201, 201, 201}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seq, err := h.Sequence(c.steps)
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range c.want {
				if got := status(t, seq, newExchange("GET", "/", "")); got != want {
					t.Errorf("request %d: %d, want %d", i+1, got, want)
				}
			}
		})
	}
}

func TestSequenceReset(t *testing.T) {
	t.Parallel()
	h := newHost(script.Options{})
	steps := []script.Step{{Handler: answer(201), Repeat: 1}, {Handler: answer(202)}}
	a, err := h.Sequence(steps)
	if err != nil {
		t.Fatal(err)
	}
	b, err := h.Sequence(steps)
	if err != nil {
		t.Fatal(err)
	}
	x := newExchange("GET", "/", "")
	if got := []int{status(t, a, x), status(t, a, x), status(t, b, x)}; fmt.Sprint(got) != "[201 202 201]" {
		t.Errorf("each sequence counts its own requests: got %v", got)
	}
	h.Reset()
	if got := []int{status(t, a, x), status(t, a, x), status(t, b, x)}; fmt.Sprint(got) != "[201 202 201]" {
		t.Errorf("after Reset: got %v", got)
	}
}

func TestTimedSequence(t *testing.T) {
	t.Parallel()
	now := clock.Frozen(time.Unix(100, 0))
	h := newHost(script.Options{Clock: now})
	seq, err := h.Sequence([]script.Step{
		{Handler: answer(201), Timed: true, Delay: 50 * time.Millisecond},
		{Handler: answer(202), Timed: true, Delay: 100 * time.Millisecond},
		{Handler: answer(203), Timed: true, Delay: 3 * time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	now.Advance(time.Hour) // the first request starts the time
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{0, 201}, {60 * time.Millisecond, 201}, {100 * time.Millisecond, 202}, {2999 * time.Millisecond, 202}, {3 * time.Second, 203}, {time.Hour, 203}} {
		now.Set(time.Unix(100, 0).Add(time.Hour+c.after), true)
		if got := status(t, seq, newExchange("GET", "/", "")); got != c.want {
			t.Errorf("after %s: %d, want %d", c.after, got, c.want)
		}
	}
}

// TestSequenceClients has 64 clients draw from one sequence: every step must
// be given out exactly as often as it says.
func TestSequenceClients(t *testing.T) {
	t.Parallel()
	const clients, each, steps = 64, 50, 32
	h := newHost(script.Options{})
	var list []script.Step
	for i := range steps {
		list = append(list, script.Step{Handler: answer(200 + i), Repeat: clients * each / steps})
	}
	list = append(list, script.Step{Handler: answer(500)})
	seq, err := h.Sequence(list)
	if err != nil {
		t.Fatal(err)
	}
	var counts [600]atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range each {
				res, err := seq.Respond(context.Background(), newExchange("GET", "/", ""))
				if err != nil {
					t.Error(err)
					return
				}
				counts[res.Status].Add(1)
			}
		})
	}
	wg.Wait()
	for i := range steps {
		if n := counts[200+i].Load(); n != clients*each/steps {
			t.Errorf("step %d answered %d times, want %d", i, n, clients*each/steps)
		}
	}
	if got := status(t, seq, newExchange("GET", "/", "")); got != 500 {
		t.Errorf("past the counted steps: %d, want 500", got)
	}
}

func BenchmarkStatic(b *testing.B)      { benchmark(b, answer(200)) }
func BenchmarkConditional(b *testing.B) { benchmark(b, threeRules(b)) }

func threeRules(b *testing.B) exchange.Handler {
	is := func(v string) func(*exchange.Exchange) bool {
		return func(x *exchange.Exchange) bool { return x.Request.Header.Get("X-Device") == v }
	}
	h, err := newHost(script.Options{}).Conditional([]script.Rule{{is("x"), answer(201)}, {is("y"), answer(202)}, {nil, answer(200)}})
	if err != nil {
		b.Fatal(err)
	}
	return h
}

func BenchmarkSequence(b *testing.B) {
	h, err := newHost(script.Options{}).Sequence([]script.Step{{Handler: answer(201), Repeat: 1 << 40}, {Handler: answer(202)}})
	if err != nil {
		b.Fatal(err)
	}
	benchmark(b, h)
}

func BenchmarkTemplate(b *testing.B) {
	h := newHost(script.Options{})
	tm, err := h.Template(map[string]any{
		"id": "{{uuid}}", "at": "{{now_iso}}", "n": "{{counter(n)}}", "who": "hello {{request_header(User-Agent)}}", "t": "{{random_int(1, 100)}}",
	}, script.Position{})
	if err != nil {
		b.Fatal(err)
	}
	header := exchange.HeaderOf("Content-Type", "application/json")
	b.Run("json", func(b *testing.B) {
		benchmark(b, exchange.HandlerFunc(func(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
			body, err := tm.JSON(ctx, x)
			return &exchange.Response{Status: 200, Header: header, Body: exchange.Bytes(body)}, err
		}))
	})
	b.Run("value", func(b *testing.B) {
		benchmark(b, exchange.HandlerFunc(func(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
			v, err := tm.Render(ctx, x)
			if err != nil {
				return nil, err
			}
			return exchange.JSON(200, v), nil
		}))
	})
}

func benchmark(b *testing.B, h exchange.Handler) {
	b.ReportAllocs()
	x := newExchange("GET", "/", "")
	for b.Loop() {
		if _, err := h.Respond(b.Context(), x); err != nil {
			b.Fatal(err)
		}
	}
}
