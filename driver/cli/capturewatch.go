package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"starproxy/driver/capture"
)

type captureWatchCmd struct {
	Filter string `short:"f" placeholder:"GLOB" help:"Only requests whose path matches, for instance '/api/v1/*'."`
}

// Help explains the filter.
func (captureWatchCmd) Help() string {
	return `Requests captured before are printed first, then each one the moment it is answered. Ctrl+C stops.

The filter sees the path without its query; "*" matches slashes too.

Examples:

    j proxy capture
    j proxy capture -f '/api/*/status'
    j proxy capture | grep -v passthrough`
}

// Run prints requests until it is interrupted.
func (c *captureWatchCmd) Run(ctx context.Context, sys *System, p proxy) error {
	matches := capture.Glob(c.Filter)
	sys.out("Watching captured requests (Ctrl+C to stop)...")
	for text, err := range p.strings(ctx, "watch_captured_requests") {
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		var e event
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			return fmt.Errorf("watch_captured_requests: an event is not the JSON expected: %w", err)
		}
		if path, _, _ := strings.Cut(e.Path, "?"); matches(path) {
			sys.out("%s", sys.lines().line(e))
		}
	}
	return nil
}
