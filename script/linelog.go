package script

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
)

// lineLog writes a log as plain lines, for the output of a test. It leaves out the
// errors of scripts, because the test reports them.
type lineLog struct {
	mu  sync.Mutex
	out io.Writer
}

// Enabled reports whether level is above debugging.
func (l *lineLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

// Handle writes a line.
func (l *lineLog) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	if r.Level > slog.LevelInfo {
		fmt.Fprintf(&b, "%s: ", strings.ToLower(r.Level.String()))
	}
	b.WriteString(r.Message)
	scriptError := false
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "exchange", "endpoint":
		case "backtrace":
			scriptError = true
		default:
			fmt.Fprintf(&b, " %s=%s", a.Key, a.Value)
		}
		return true
	})
	if scriptError {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := fmt.Fprintln(l.out, b.String())
	return err
}

// WithAttrs keeps no attributes.
func (l *lineLog) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup keeps no groups.
func (l *lineLog) WithGroup(string) slog.Handler { return l }

// Interface guard.
var _ slog.Handler = (*lineLog)(nil)
