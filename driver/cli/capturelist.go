package cli

import (
	"context"
	"time"
)

type captureListCmd struct{}

// Help explains the columns.
func (captureListCmd) Help() string {
	return `One line for each request: time, method, path, status, duration, size of the answer, and where it came from: [mocked], [patched] (the real answer, changed) or [passthrough] (the real answer).`
}

// Run prints the captured requests, oldest first.
func (c *captureListCmd) Run(ctx context.Context, sys *System, p proxy) error {
	var events []event
	if err := p.document(ctx, &events, "get_captured_requests"); err != nil {
		return err
	}
	if len(events) == 0 {
		sys.out("No captured requests.")
		return nil
	}
	sys.out("%d captured request(s):", len(events))
	for _, e := range events {
		sys.out("%s", sys.lines().line(e))
	}
	return nil
}

// lines is how capture lines look on this standard output now: a terminal may
// change its width while they are printed.
func (s *System) lines() lineFormat {
	return lineFormat{palette: palette(s.colours()), width: s.width(), zone: time.Local}
}
