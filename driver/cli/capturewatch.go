package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"starproxy/driver/filter"
)

type captureWatchCmd struct {
	Filter string `short:"f" placeholder:"GLOB" help:"Only requests whose path matches, for instance '/api/v1/*'."`
	Live   bool   `help:"Print exchanges in flight, too: while they wait, and again when what they wait for changes."`
	captureChoice
	captureOutput
}

// Help explains the filters.
func (captureWatchCmd) Help() string {
	return `Requests captured before are printed first, then each one the moment it is answered. Ctrl+C stops. "capture list --help" explains the lines. JSON is one object a line.

--filter sees the path without its query; "*" matches slashes too. --filter-expr takes mitmproxy's filter expressions: "j proxy capture list --help" has the operators. They see a request the moment it is captured, a WebSocket the moment it opens. --limit and --since choose of the requests captured before.

With --live a request that has no answer yet is a line, too, with its number in flight behind @ and what it waits for: [connecting], [waiting] (for the real server), [answering] (a mock or script), [delayed], [sending], [stalled] (by a fault), [held request], [held response], or [open] (a WebSocket or tunnel). "capture cut" cuts it off by that number.

Examples:

    j proxy capture
    j proxy capture -f '/api/*/status' --limit 10
    j proxy capture watch --live --filter-expr '~d api.example.com'
    j proxy capture --filter-expr '!~passthrough & ~b token'
    j proxy capture | grep -v passthrough`
}

// Run prints requests until it is interrupted.
func (c *captureWatchCmd) Run(ctx context.Context, sys *System, p proxy) error {
	if err := c.check(); err != nil {
		return err
	}
	if !c.json() {
		sys.out("Watching captured requests (Ctrl+C to stop)...")
	}
	if err := sys.loss.fault(); err != nil {
		return err // nobody sees the requests that come
	}
	w := &captureWatch{captureWatchCmd: c, sys: sys, matches: filter.Glob(c.Filter), states: map[uint64]string{}}
	err := w.rows(ctx, p)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// captureWatch is a watch that goes on.
type captureWatch struct {
	*captureWatchCmd
	sys     *System
	matches func(path string) bool
	last    uint64            // number of the last request that is known
	states  map[uint64]string // of the exchanges in flight that were printed
}

// show prints a request that the glob picks.
func (w *captureWatch) show(r requestRow) error {
	path, _, _ := strings.Cut(r.Path, "?")
	switch {
	case !w.matches(path):
	case w.json():
		if err := w.sys.tell(r.raw); err != nil {
			return err
		}
	default:
		w.printer(w.sys, w.last)(r)
	}
	return w.sys.loss.fault()
}

// rows watches an exporter that knows rows.
func (w *captureWatch) rows(ctx context.Context, p proxy) error {
	choice := w.captureChoice
	if w.Filter != "" {
		choice.Limit = 0 // counts those that the glob picks
	}
	all, err := p.captured(ctx, &choice)
	if unknownMethod(err) {
		return w.events(ctx, p)
	}
	if err != nil {
		return err
	}
	w.last = all.last
	w.choose(all)
	all.note(w.sys)
	for _, r := range all.rows {
		if err := w.show(r); err != nil {
			return err
		}
	}
	args := []any{string(w.FilterExpr), "", w.last, ""}
	if w.Live { // older exporters don't know it
		args = append(args, true)
	}
	for text, err := range p.strings(ctx, "watch_captures", args...) {
		if err != nil {
			return err
		}
		r := requestRow{raw: json.RawMessage(text)}
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			return fmt.Errorf("watch_captures: a row is not the JSON expected: %w", err)
		}
		switch {
		case r.Kind == "open":
			if err := w.inFlight(r.raw); err != nil {
				return err
			}
		case r.Kind == "missed":
			w.sys.note("not shown: %d dropped from the journal before they could be printed", r.Missed)
		case r.Update || r.Seq <= w.last:
		default:
			w.last = r.Seq
			delete(w.states, r.Live)
			if err := w.show(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// inFlight prints the exchanges in flight that are new or wait for something else now.
func (w *captureWatch) inFlight(news json.RawMessage) error {
	var open struct {
		Rows []json.RawMessage `json:"rows"`
		Gone []uint64          `json:"gone"`
	}
	if err := json.Unmarshal(news, &open); err != nil {
		return fmt.Errorf("watch_captures: exchanges in flight are not the JSON expected: %w", err)
	}
	for _, live := range open.Gone {
		delete(w.states, live)
	}
	for _, raw := range open.Rows {
		r := requestRow{raw: raw}
		if err := json.Unmarshal(raw, &r); err != nil {
			return fmt.Errorf("watch_captures: a row is not the JSON expected: %w", err)
		}
		if r.State == "" || w.states[r.Live] == r.State {
			continue
		}
		w.states[r.Live] = r.State
		if err := w.show(r); err != nil {
			return err
		}
	}
	return nil
}

// choose leaves those of the requests captured before that the glob picks, and of them the
// last ones.
func (w *captureWatch) choose(all *captured) {
	if w.Filter == "" {
		return
	}
	var picked []requestRow
	for _, r := range all.rows {
		if path, _, _ := strings.Cut(r.Path, "?"); w.matches(path) {
			picked = append(picked, r)
		}
	}
	all.Filtered += uint64(len(all.rows) - len(picked))
	if more := len(picked) - w.Limit; w.Limit > 0 && more > 0 {
		all.Beyond, picked = uint64(more), picked[more:]
	}
	all.rows = picked
}

// events watches an exporter that sends events.
func (w *captureWatch) events(ctx context.Context, p proxy) error {
	if w.Live {
		return errNoLive
	}
	if w.Limit > 0 {
		return errors.New("this exporter can't tell the last requests (--limit): it is the stock one or an old starproxy")
	}
	var args []any
	if w.FilterExpr != "" {
		args = append(args, string(w.FilterExpr))
	}
	for text, err := range p.strings(ctx, "watch_captured_requests", args...) {
		if err != nil {
			return w.FilterExpr.refused(err)
		}
		var e event
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			return fmt.Errorf("watch_captured_requests: an event is not the JSON expected: %w", err)
		}
		if r := e.row(json.RawMessage(text)); w.Since.holds(r) {
			if err := w.show(r); err != nil {
				return err
			}
		}
	}
	return nil
}
