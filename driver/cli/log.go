package cli

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"
)

// logHandler writes the log of the exporter to standard error. While it is
// quiet, errors are left out: the command that is running gets them as its own
// failure and prints them in its own words.
type logHandler struct {
	slog.Handler
	quiet *atomic.Bool
}

func newLogHandler(w io.Writer, level slog.Level) logHandler {
	return logHandler{slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}), new(atomic.Bool)}
}

// Handle writes a record unless it has to be quiet about it.
func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError && h.quiet.Load() {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs is the handler with more attributes, quiet when this one is.
func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{h.Handler.WithAttrs(attrs), h.quiet}
}

// WithGroup is the handler with a group, quiet when this one is.
func (h logHandler) WithGroup(name string) slog.Handler {
	return logHandler{h.Handler.WithGroup(name), h.quiet}
}

var _ slog.Handler = logHandler{}
