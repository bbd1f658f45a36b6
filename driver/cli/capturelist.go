package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// captureOutput are the flags for the form of captured exchanges.
type captureOutput struct {
	Output string `short:"o" name:"output" enum:"auto,text,table,json" default:"auto" placeholder:"FORMAT" help:"Form of what is printed: table, text (the lines of Python's j, and more behind them) or json (default: table on a terminal, else text)."`
	JSON   bool   `name:"json" help:"The same as --output json."`
}

// json reports whether JSON is wanted.
func (o captureOutput) json() bool { return o.JSON || o.Output == "json" }

// printer returns what prints exchanges as text. Their numbers are up to last.
func (o captureOutput) printer(sys *System, last uint64) func(requestRow) {
	if o.Output == "table" || o.Output == "auto" && terminal(sys.Stdout) {
		return func(r requestRow) {
			number := max(minNumber, len(strconv.FormatUint(max(last, r.Seq), 10)))
			for _, line := range (captureLines{sys.lines(), number}).lines(r) {
				sys.out("%s", line)
			}
		}
	}
	return func(r requestRow) { sys.out("%s%s", sys.lines().line(r.stock()), r.more()) }
}

type captureListCmd struct {
	Live bool `help:"Print the exchanges in flight, too, behind the captured ones."`
	captureChoice
	captureOutput
}

// Help explains the columns and the filter expressions.
func (captureListCmd) Help() string {
	return `On a terminal each request is a line: number, time, method, status, duration, size of the answer on the wire, host and path, and who answered: [mocked], [replayed], [patched] (the real answer, changed), [passthrough] (the real answer), [unmatched] (nobody, as the configuration has it), or why nobody did, such as [real server: connection refused]. A narrow terminal has no duration, a very narrow one two lines for each request.

Into a pipe or a file go the lines of Python's j (time, method, path, status, duration, size, who answered), and behind them the number, the host, and why nobody answered. --output chooses.

What is not shown is told on standard error, with the reason. "capture show NUMBER" tells all of one request.

A request that has no answer yet is not captured yet. With --live it is a line, too, with its number in flight behind @ and what it waits for, see "capture watch --help". "capture cut" cuts it off by that number.

Examples:

    j proxy capture list --limit 20
    j proxy capture list --since 10m --filter-expr '~d api.example.com & ~c 4xx,5xx'
    j proxy capture list --filter-expr '~e | ~tls | ~refused | ~c 4xx,5xx' # all that failed
    j proxy capture list --filter-expr '~mock "GET /api" | ~slow 500'
    j proxy capture list --json | jq -r '.rows[] | select(.error) | .host'

` + operatorHelp
}

// capturedJSON is the answer of "capture list --json".
type capturedJSON struct {
	Rows   []json.RawMessage `json:"rows"`
	Open   []json.RawMessage `json:"open,omitempty"` // in flight; with --live only
	Hidden hidden            `json:"not_shown"`
}

// Run prints the captured requests, oldest first.
func (c *captureListCmd) Run(ctx context.Context, sys *System, p proxy) error {
	if err := c.check(); err != nil {
		return err
	}
	all, err := p.captured(ctx, &c.captureChoice)
	if unknownMethod(err) {
		all, err = p.capturedEvents(ctx, &c.captureChoice)
	}
	if err != nil {
		return err
	}
	open, err := c.inFlight(ctx, p)
	switch {
	case err != nil:
		return err
	case c.json():
		told := capturedJSON{[]json.RawMessage{}, nil, all.hidden}
		for _, r := range all.rows {
			told.Rows = append(told.Rows, r.raw)
		}
		for _, r := range open {
			told.Open = append(told.Open, r.raw)
		}
		return sys.tell(told)
	case len(all.rows) == 0 && len(open) > 0: // the lines that follow say all
	case len(all.rows) == 0 && (c.FilterExpr != "" || c.Since != since{}):
		sys.out("No captured requests match.")
	case len(all.rows) == 0:
		sys.out("No captured requests.")
	default:
		sys.out("%d captured request(s):", len(all.rows))
	}
	show := c.printer(sys, all.last)
	for _, r := range all.rows {
		show(r)
	}
	if len(open) > 0 {
		sys.out("%d in flight:", len(open))
	}
	for _, r := range open {
		show(r)
	}
	all.note(sys)
	if !c.Live && strings.Contains(string(c.FilterExpr), "~open") {
		sys.note("exchanges in flight are left out: --live lists them")
	}
	return nil
}

// inFlight asks for the exchanges in flight that the filter picks, if they are wanted.
func (c *captureListCmd) inFlight(ctx context.Context, p proxy) ([]requestRow, error) {
	if !c.Live {
		return nil, nil
	}
	var page struct {
		Open []json.RawMessage `json:"open"`
	}
	err := p.document(ctx, &page, "list_captures", string(c.FilterExpr), "", 0, 1, false, true)
	if unknownMethod(err) {
		return nil, errNoLive
	}
	var open []requestRow
	for _, raw := range page.Open {
		r := requestRow{raw: raw}
		if err := json.Unmarshal(raw, &r); err != nil {
			return nil, fmt.Errorf("list_captures: a row is not the JSON expected: %w", err)
		}
		open = append(open, r)
	}
	return open, err
}

// errNoLive tells that an exporter knows nothing of exchanges in flight.
var errNoLive = errors.New("this exporter can't tell exchanges in flight (--live): it is the stock one or an old starproxy")

// note tells what is not shown.
func (h hidden) note(sys *System) {
	if text := h.text(); text != "" {
		sys.note("%s", text)
	}
}

// lines returns how capture lines look on this standard output now: a terminal
// may change its width while they are printed.
func (s *System) lines() lineFormat {
	return lineFormat{palette: palette(s.colours()), width: s.width(), zone: time.Local}
}
