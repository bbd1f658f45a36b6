package scenario

import (
	"context"
	"log/slog"
)

// Warnings collects the warnings about documents, for [Env.Log]. It is for one
// goroutine.
type Warnings []string

// Enabled takes warnings only.
func (w *Warnings) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

// Handle keeps the text of a warning, which begins with its place.
func (w *Warnings) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "warning" {
			text = a.Value.String()
		}
		return true
	})
	*w = append(*w, text)
	return nil
}

// WithAttrs keeps no attributes.
func (w *Warnings) WithAttrs([]slog.Attr) slog.Handler { return w }

// WithGroup keeps no groups.
func (w *Warnings) WithGroup(string) slog.Handler { return w }

// Interface guard.
var _ slog.Handler = (*Warnings)(nil)
