package cli

import (
	"context"
	"log/slog"
	"sync/atomic"

	"starproxy/driver/rpc"
)

// logHandler writes the log of the exporter to standard error. While it is
// quiet, errors and failed calls are left out: the command that is running gets
// them as its own failure and prints them in its own words.
type logHandler struct {
	slog.Handler
	level slog.Level
	quiet *atomic.Bool
}

// newLogHandler writes the records of a level and above to standard error: as text or JSON, or
// where no format is asked for in columns on a terminal and as text elsewhere.
func newLogHandler(sys *System, level slog.Level, format string) logHandler {
	o := &slog.HandlerOptions{Level: slog.LevelDebug}
	var h slog.Handler
	switch {
	case format == "json":
		h = slog.NewJSONHandler(sys.Stderr, o)
	case format == "" && terminal(sys.Stderr):
		h = newColumnLog(sys.Stderr, func() int { return sys.widthOf(sys.Stderr) }, sys.coloursOn(sys.Stderr))
	default:
		h = slog.NewTextHandler(sys.Stderr, o)
	}
	return logHandler{h, level, new(atomic.Bool)}
}

// all returns the handler that writes records of every level.
func (h logHandler) all() slog.Handler { return h.Handler }

// Enabled reports whether records of a level are written.
func (h logHandler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

// Handle writes a record unless it has to be quiet about it.
func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	if (r.Level >= slog.LevelError || r.Message == rpc.CallFailed) && h.quiet.Load() {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs returns the handler with more attributes, quiet when this one is.
func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{h.Handler.WithAttrs(attrs), h.level, h.quiet}
}

// WithGroup returns the handler with a group, quiet when this one is.
func (h logHandler) WithGroup(name string) slog.Handler {
	return logHandler{h.Handler.WithGroup(name), h.level, h.quiet}
}

var _ slog.Handler = logHandler{}
