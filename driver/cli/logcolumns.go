package cli

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
)

// columnLog writes a log for a terminal: time, level and message in columns, then the
// attributes, which go on in further lines where the terminal is too narrow. A value of
// several lines, such as a backtrace, is on lines of its own.
type columnLog struct {
	palette
	mu    *sync.Mutex
	out   io.Writer
	width func() int // columns of the terminal now
	attrs []slog.Attr
	group string // before names of attributes, with its dot
}

// newColumnLog returns a log on w.
func newColumnLog(w io.Writer, width func() int, colours bool) slog.Handler {
	return &columnLog{palette: palette(colours), mu: new(sync.Mutex), out: w, width: width}
}

// logIndent is where further lines of a record begin: below its message.
const logIndent = 8 + 1 + 5 + 1

// Enabled reports true: who has this log chooses the levels.
func (*columnLog) Enabled(context.Context, slog.Level) bool { return true }

// Handle writes a record.
func (h *columnLog) Handle(_ context.Context, r slog.Record) error {
	attrs := append([]slog.Attr{}, h.attrs...)
	r.Attrs(func(a slog.Attr) bool {
		attrs = h.flat(attrs, h.group, a)
		return true
	})
	var b bytes.Buffer
	when := r.Time
	if when.IsZero() {
		when = time.Now()
	}
	colour := grey
	switch {
	case r.Level >= slog.LevelError:
		colour = red
	case r.Level >= slog.LevelWarn:
		colour = yellow
	case r.Level >= slog.LevelInfo:
		colour = green
	}
	b.WriteString(h.paint(when.Local().Format(time.TimeOnly), grey) + " " + h.bold(left(r.Level.String(), 5), colour) + " ")
	message := printable(r.Message)
	b.WriteString(message)
	column, width := logIndent+textWidth(message), h.width()
	var blocks []slog.Attr
	for _, a := range attrs {
		text := a.Value.String()
		if strings.Contains(text, "\n") {
			blocks = append(blocks, a)
			continue
		}
		if text == "" || strings.ContainsAny(text, " =\"") {
			text = strconv.Quote(text)
		}
		name := printable(a.Key) + "="
		text = printable(text)
		if n := 2 + textWidth(name+text); column+n > width && column > logIndent {
			b.WriteString("\n" + strings.Repeat(" ", logIndent-2))
			column = logIndent - 2 + n
		} else {
			column += n
		}
		b.WriteString("  " + h.paint(name, grey) + text)
	}
	b.WriteByte('\n')
	for _, a := range blocks {
		b.WriteString(strings.Repeat(" ", logIndent) + h.paint(printable(a.Key)+":", grey) + "\n")
		for _, line := range textLines(a.Value.String()) {
			b.WriteString(strings.TrimRight(strings.Repeat(" ", logIndent+2)+line, " ") + "\n")
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := h.out.Write(b.Bytes())
	return err
}

// flat adds an attribute to a list. Those in a group are added with its name before theirs.
func (h *columnLog) flat(list []slog.Attr, prefix string, a slog.Attr) []slog.Attr {
	a.Value = a.Value.Resolve()
	if a.Equal(slog.Attr{}) {
		return list
	}
	if a.Value.Kind() != slog.KindGroup {
		return append(list, slog.Attr{Key: prefix + a.Key, Value: a.Value})
	}
	if a.Key != "" {
		prefix += a.Key + "."
	}
	for _, member := range a.Value.Group() {
		list = h.flat(list, prefix, member)
	}
	return list
}

// WithAttrs returns the log with more attributes.
func (h *columnLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	more := *h
	more.attrs = append([]slog.Attr{}, h.attrs...)
	for _, a := range attrs {
		more.attrs = h.flat(more.attrs, h.group, a)
	}
	return &more
}

// WithGroup returns the log with a name before those of further attributes.
func (h *columnLog) WithGroup(name string) slog.Handler {
	more := *h
	if name != "" {
		more.group += name + "."
	}
	return &more
}

var _ slog.Handler = (*columnLog)(nil)
