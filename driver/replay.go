package driver

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/flow"
	"starproxy/driver/mock"
)

// Replay says how recordings answer in replay mode.
type Replay struct {
	// Which answer a request gets that was recorded more than once: order (one
	// after the other, then the last one again), first or last. Default order.
	Repeat flow.Repeat `yaml:"repeat"`
	// What of a request does not count when its recording is looked for.
	Ignore ReplayIgnore `yaml:"ignore"`
	// Headers that count, too. Default none.
	MatchHeaders []string `yaml:"match_headers"`
	// Move the times in Date, Expires, Last-Modified and of cookies on by as
	// much as has passed since the recording. Default true.
	Refresh bool `yaml:"refresh"`
	// What answers a request that was not recorded: reject (501 with the nearest
	// recordings, without any connection), passthrough (the real server), or a
	// status from 200 to 599. Default reject.
	Misses Misses `yaml:"misses"`
	// How long answers take: none (no time) or recorded. Default none.
	Timing Timing `yaml:"timing"`
}

// ReplayIgnore is what of a request does not count.
type ReplayIgnore struct {
	// The host that was asked. Default false.
	Host bool `yaml:"host"`
	// Its port. Default false.
	Port bool `yaml:"port"`
	// The body. Default false.
	Body bool `yaml:"body"`
	// Parameters of the query. Default none.
	Query []string `yaml:"query"`
	// Fields of form bodies. Default none.
	Form []string `yaml:"form"`
}

// Misses is what answers a request that was not recorded: one of the words of
// Unmatched, or a status.
type Misses string

// UnmarshalText accepts the two words and numbers from 200 to 599.
func (m *Misses) UnmarshalText(text []byte) error {
	*m = Misses(text)
	if *m == Misses(Reject) || *m == Misses(Passthrough) || m.status() != 0 {
		return nil
	}
	return fmt.Errorf("got %q, want reject, passthrough or a status from 200 to 599", text)
}

// status returns the status, 0 when m is a word.
func (m Misses) status() int {
	n := 0
	if len(m) != 3 || strings.Trim(string(m), "0123456789") != "" {
		return 0
	}
	fmt.Sscan(string(m), &n)
	if n < 200 || n > 599 {
		return 0
	}
	return n
}

// Timing is how long replayed answers take.
type Timing string

// The values of Timing.
const (
	NoTime   Timing = "none"
	Recorded Timing = "recorded"
)

// resolve checks the values and fills in those that are empty.
func (r *Replay) resolve() error {
	if r.Repeat == "" {
		r.Repeat = flow.InOrder
	}
	if r.Misses == "" {
		r.Misses = Misses(Reject)
	}
	if r.Timing == "" {
		r.Timing = NoTime
	}
	if all := []flow.Repeat{flow.InOrder, flow.First, flow.Last}; !slices.Contains(all, r.Repeat) {
		return fmt.Errorf("replay.repeat: got %q, want order, first or last", r.Repeat)
	}
	if err := r.Misses.UnmarshalText([]byte(r.Misses)); err != nil {
		return fmt.Errorf("replay.misses: %w", err)
	}
	if r.Timing != NoTime && r.Timing != Recorded {
		return fmt.Errorf("replay.timing: got %q, want none or recorded", r.Timing)
	}
	return nil
}

// open opens a recording to answer from.
func (r *Replay) open(path string, now func() time.Time) (*flow.Replay, error) {
	o := flow.ReplayOptions{
		Matching: flow.Matching{
			IgnoreHost: r.Ignore.Host, IgnorePort: r.Ignore.Port, IgnoreBody: r.Ignore.Body,
			IgnoreQuery: r.Ignore.Query, IgnoreForm: r.Ignore.Form, Headers: r.MatchHeaders,
		},
		Repeat: r.Repeat, Refresh: r.Refresh, Timing: r.Timing == Recorded, Now: now,
	}
	switch status := r.Misses.status(); {
	case status != 0:
		answer := &exchange.Response{Status: status, Origin: exchange.FromReplay}
		o.Missed = exchange.HandlerFunc(func(context.Context, *exchange.Exchange) (*exchange.Response, error) { return answer, nil })
	case r.Misses == Misses(Passthrough):
		o.Missed = mock.Forward
	}
	return flow.OpenReplay(path, o)
}

// isolated reports whether no request in replay mode may reach a real server.
func (r *Replay) isolated() bool { return r.Misses != Misses(Passthrough) }
