package driver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/follow"
)

// The bounds of the log that is kept for bundles: its records, and the bytes of one.
const (
	maxLogged  = 2000
	maxLogLine = 8 << 10
)

// logRing is a [slog.Handler] that keeps the newest records as lines of JSON, from Info
// up, and passes all on.
type logRing struct {
	next, keep slog.Handler
}

// logLines keeps what a handler writes.
type logLines struct{ *follow.Log[json.RawMessage] }

// newLogRing returns a logger that writes to log, and the records that it keeps.
func newLogRing(log *slog.Logger) (*slog.Logger, logLines) {
	lines := logLines{follow.NewLog[json.RawMessage](maxLogged)}
	return slog.New(&logRing{log.Handler(), slog.NewJSONHandler(lines, nil)}), lines
}

// Write keeps a line.
func (l logLines) Write(line []byte) (int, error) {
	kept := json.RawMessage(bytes.Clone(bytes.TrimSpace(line)))
	if len(line) > maxLogLine {
		text, err := json.Marshal(map[string]string{"cut": excerpt.Cut(string(line), maxLogLine/4)})
		if err != nil {
			return 0, err
		}
		kept = text
	}
	l.Add(kept)
	return len(line), nil
}

// Enabled accepts what the next handler accepts, and never less than Info.
func (r *logRing) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || r.next.Enabled(ctx, level)
}

func (r *logRing) Handle(ctx context.Context, record slog.Record) error {
	var err error
	if record.Level >= slog.LevelInfo {
		err = r.keep.Handle(ctx, record)
	}
	if r.next.Enabled(ctx, record.Level) {
		err = errors.Join(err, r.next.Handle(ctx, record))
	}
	return err
}

func (r *logRing) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logRing{r.next.WithAttrs(attrs), r.keep.WithAttrs(attrs)}
}

func (r *logRing) WithGroup(name string) slog.Handler {
	return &logRing{r.next.WithGroup(name), r.keep.WithGroup(name)}
}

// Interface guards.
var _ slog.Handler = (*logRing)(nil)
