package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"starproxy/driver/filter"
)

type captureWatchCmd struct {
	Filter     string     `short:"f" placeholder:"GLOB" help:"Only requests whose path matches, for instance '/api/v1/*'."`
	FilterExpr filterExpr `name:"filter-expr" placeholder:"EXPR" help:"Only requests that a filter expression picks, for instance '~c 5xx & ~m POST'."`
}

// Help explains the filters.
func (captureWatchCmd) Help() string {
	return `Requests captured before are printed first, then each one the moment it is answered. Ctrl+C stops.

--filter sees the path without its query; "*" matches slashes too. --filter-expr takes mitmproxy's filter expressions: "j proxy capture list --help" has the operators. They see a request the moment it is captured, a WebSocket the moment it opens.

Examples:

    j proxy capture
    j proxy capture -f '/api/*/status'
    j proxy capture --filter-expr '!~passthrough & ~b token'
    j proxy capture | grep -v passthrough`
}

// Run prints requests until it is interrupted.
func (c *captureWatchCmd) Run(ctx context.Context, sys *System, p proxy) error {
	matches := filter.Glob(c.Filter)
	var args []any
	if c.FilterExpr != "" {
		args = append(args, string(c.FilterExpr))
	}
	sys.out("Watching captured requests (Ctrl+C to stop)...")
	if err := sys.loss.fault(); err != nil {
		return err // nobody sees the requests that come
	}
	for text, err := range p.strings(ctx, "watch_captured_requests", args...) {
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return c.FilterExpr.refused(err)
		}
		var e event
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			return fmt.Errorf("watch_captured_requests: an event is not the JSON expected: %w", err)
		}
		if path, _, _ := strings.Cut(e.Path, "?"); matches(path) {
			sys.out("%s", sys.lines().line(e))
		}
		if err := sys.loss.fault(); err != nil {
			return err
		}
	}
	return nil
}
