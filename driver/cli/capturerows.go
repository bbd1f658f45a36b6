package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"starproxy/builtins/clock"
	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// captureChoice says which captured exchanges are wanted.
type captureChoice struct {
	FilterExpr filterExpr `name:"filter-expr" placeholder:"EXPR" help:"Only requests that a filter expression picks, for instance '~c 5xx & ~m POST'."`
	Limit      int        `placeholder:"N" help:"Only the last N of those that are captured (default: all)."`
	Since      since      `placeholder:"WHEN" help:"Only those behind a number (17), of the last 10m, or from a time on (15:04, 2026-01-31T15:04:05Z)."`
}

// check returns what is wrong with the flags.
func (c *captureChoice) check() error {
	if c.Limit < 0 {
		return usagef("--limit: got %d, want a number from 0 on (0 is no limit)", c.Limit)
	}
	return nil
}

// since is where a list begins: behind a number, or at a time.
type since struct {
	after uint64
	start float64 // seconds since 1970
}

// UnmarshalText reads a number, a duration, a time of today or a time in RFC 3339.
func (s *since) UnmarshalText(text []byte) error {
	word, now := string(text), time.Now()
	if n, err := strconv.ParseUint(word, 10, 64); err == nil {
		*s = since{after: n}
		return nil
	}
	if d, err := clock.ParseDuration(word); err == nil && d >= 0 {
		*s = since{start: capture.Seconds(now.Add(-d))}
		return nil
	}
	for _, layout := range []string{time.RFC3339Nano, "15:04:05", "15:04"} {
		at, err := time.ParseInLocation(layout, word, time.Local)
		if err != nil {
			continue
		}
		if layout != time.RFC3339Nano {
			at = time.Date(now.Year(), now.Month(), now.Day(), at.Hour(), at.Minute(), at.Second(), 0, time.Local)
		}
		*s = since{start: capture.Seconds(at)}
		return nil
	}
	return fmt.Errorf("got %q, want the number of a request, a duration such as 10m, or a time such as 15:04", word)
}

// holds reports whether a row is not before the place.
func (s since) holds(r requestRow) bool { return (r.Seq == 0 || r.Seq > s.after) && r.Start >= s.start }

// captured are the exchanges that were chosen of those that are captured.
type captured struct {
	rows []requestRow // oldest first
	last uint64       // number of the last one of all

	hidden
}

// hidden counts the captured exchanges that a list does not show.
type hidden struct {
	// Dropped have left the journal, since it has a limit.
	Dropped uint64 `json:"dropped"`
	// Filtered are not picked by the filter.
	Filtered uint64 `json:"filtered"`
	// Before are older than --since has it, Beyond are more than --limit has it.
	Before uint64 `json:"before_since"`
	Beyond uint64 `json:"beyond_limit"`
	// Unsent were too much for one message of an exporter that has no pages.
	Unsent uint64 `json:"unsent"`
}

// text tells what is not shown and why; empty when all is.
func (h hidden) text() string {
	var reasons []string
	total := uint64(0)
	for _, part := range []struct {
		n   uint64
		why string
	}{
		{h.Dropped, "dropped from the journal, which has a limit"}, {h.Filtered, "not picked by the filter"},
		{h.Before, "before --since"}, {h.Beyond, "beyond --limit"}, {h.Unsent, "too much for one answer of this exporter"},
	} {
		if total += part.n; part.n > 0 {
			reasons = append(reasons, fmt.Sprintf("%d %s", part.n, part.why))
		}
	}
	switch len(reasons) {
	case 0:
		return ""
	case 1:
		return "not shown: " + reasons[0]
	}
	return fmt.Sprintf("not shown: %d: %s", total, strings.Join(reasons, ", "))
}

// pageOfRows is how many rows are asked for at once.
const pageOfRows = 5000

// captured asks for the exchanges that are chosen. Stock exporters don't know the method, see
// [unknownMethod].
func (p proxy) captured(ctx context.Context, c *captureChoice) (*captured, error) {
	all := &captured{}
	before, matched := uint64(0), uint64(0)
	for full := false; !full; {
		var page struct {
			Rows    []json.RawMessage `json:"rows"`
			Total   uint64            `json:"total"`
			Last    uint64            `json:"last"`
			Dropped uint64            `json:"dropped"`
			Matched uint64            `json:"matched"`
		}
		first := before == 0
		err := p.document(ctx, &page, "list_captures", string(c.FilterExpr), "", before, pageOfRows, first)
		if err != nil {
			return nil, err
		}
		if first {
			matched, all.last = page.Matched, page.Last
			all.Dropped, all.Filtered = page.Dropped, page.Total-min(page.Matched, page.Total)
		}
		var rows []requestRow
		for _, raw := range slices.Backward(page.Rows) {
			r := requestRow{raw: raw}
			if err := json.Unmarshal(raw, &r); err != nil {
				return nil, fmt.Errorf("list_captures: a row is not the JSON expected: %w", err)
			}
			if r.Seq != 0 { // an exchange that has not ended has no number yet
				rows = append(rows, r)
			}
		}
		if len(rows) == 0 {
			break
		}
		full, before = all.take(rows, c), rows[len(rows)-1].Seq
	}
	if c.Limit > 0 && len(all.rows) == c.Limit {
		all.Beyond = matched - min(matched, uint64(len(all.rows)))
	} else {
		all.Before = matched - min(matched, uint64(len(all.rows)))
	}
	slices.Reverse(all.rows)
	return all, nil
}

// take adds rows, the newest first, and reports whether no more are wanted.
func (a *captured) take(rows []requestRow, c *captureChoice) (full bool) {
	for _, r := range rows {
		if c.Limit > 0 && len(a.rows) == c.Limit || !c.Since.holds(r) {
			return true
		}
		a.rows = append(a.rows, r)
	}
	return c.Limit > 0 && len(a.rows) == c.Limit
}

// capturedEvents asks an exporter for them that knows no rows: it sends all events in one
// message, or as many as fit.
func (p proxy) capturedEvents(ctx context.Context, c *captureChoice) (*captured, error) {
	method, args := "get_captured_requests", []any{}
	if c.FilterExpr != "" {
		method, args = "list_captured_requests", []any{string(c.FilterExpr)}
	}
	var events []json.RawMessage
	if err := p.document(ctx, &events, method, args...); err != nil {
		return nil, c.FilterExpr.refused(err)
	}
	all := &captured{}
	var rows []requestRow
	for _, raw := range slices.Backward(events) {
		var e event
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, fmt.Errorf("%s: an event is not the JSON expected: %w", method, err)
		}
		all.Unsent += e.EarlierOmitted
		rows = append(rows, e.row(raw))
	}
	full := all.take(rows, c)
	if more := uint64(len(rows) - len(all.rows)); c.Limit > 0 && full && len(all.rows) == c.Limit {
		all.Beyond = more
	} else {
		all.Before = more
	}
	slices.Reverse(all.rows)
	return all, nil
}

// row returns what a list shows of an event, whose JSON is raw.
func (e event) row(raw json.RawMessage) requestRow {
	r := requestRow{
		raw: raw, Seq: e.Seq, Kind: cmp.Or(e.Kind, "http"), Start: e.Timestamp - e.Duration/1000, Method: e.Method, Path: e.Path,
		Duration: e.Duration, Size: int64(e.Size), Origin: e.Origin, Error: cmp.Or(e.Alert, e.Failure), Endpoint: e.Endpoint,
	}
	if n, err := e.Status.Int64(); err == nil {
		r.Status = int(n)
	}
	if e.Timestamp == 0 {
		r.Start = 0
	}
	switch {
	case r.Origin != "":
	case e.Patched:
		r.Origin = "patched"
	case e.Mocked:
		r.Origin = "mocked"
	default:
		r.Origin = "passthrough"
	}
	if u, err := url.Parse(e.URL); err == nil {
		r.Host = u.Host
	}
	return r
}

// stock returns the row as lines of Python's j show it: without the host.
func (r requestRow) stock() event {
	e := r.event()
	e.Path, e.failed, e.unmatched = r.Path, "", ""
	e.Status = number(r.Status)
	e.Duration = math.Round(r.Duration)
	if r.Status == 0 && r.SentStatus != 0 {
		e.Size = 0 // the real server has sent none
	}
	if r.Start != 0 {
		e.Timestamp = r.Start + r.Duration/1000
	}
	switch r.Kind {
	case "tls_error":
		e.Method, e.Path = cmp.Or(r.Method, "CONNECT"), cmp.Or(r.Path, r.address())
	case "tcp":
		e.Path = cmp.Or(r.Path, r.address())
	}
	return e
}

// address returns host and port.
func (r requestRow) address() string {
	if r.Port == 0 {
		return r.Host
	}
	return exchange.JoinAuthority(r.Host, r.Port)
}
