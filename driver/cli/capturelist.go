package cli

import (
	"context"
	"time"
)

type captureListCmd struct {
	FilterExpr filterExpr `name:"filter-expr" placeholder:"EXPR" help:"Only requests that a filter expression picks, for instance '~c 5xx & ~m POST'."`
}

// Help explains the columns and the filter expressions.
func (captureListCmd) Help() string {
	return `One line for each request: time, method, path, status, duration, size of the answer, and where it came from: [mocked], [replayed], [patched] (the real answer, changed), [passthrough] (the real answer) or [proxy] (nobody answered: a script failed, the server is out of reach, the request was refused).

Examples:

    j proxy capture list
    j proxy capture list --filter-expr '~d api.example.com & ~c 4xx,5xx'
    j proxy capture list --filter-expr '~mock "GET /api" | ~slow 500'

` + operatorHelp
}

// Run prints the captured requests, oldest first.
func (c *captureListCmd) Run(ctx context.Context, sys *System, p proxy) error {
	var events []event
	if c.FilterExpr == "" {
		if err := p.document(ctx, &events, "get_captured_requests"); err != nil {
			return err
		}
	} else if err := p.document(ctx, &events, "list_captured_requests", string(c.FilterExpr)); err != nil {
		return c.FilterExpr.refused(err)
	}
	switch {
	case len(events) == 0 && c.FilterExpr != "":
		sys.out("No captured requests match.")
		return nil
	case len(events) == 0:
		sys.out("No captured requests.")
		return nil
	}
	sys.out("%d captured request(s):", len(events))
	for _, e := range events {
		sys.out("%s", sys.lines().line(e))
	}
	return nil
}

// lines returns how capture lines look on this standard output now: a terminal
// may change its width while they are printed.
func (s *System) lines() lineFormat {
	return lineFormat{palette: palette(s.colours()), width: s.width(), zone: time.Local}
}
