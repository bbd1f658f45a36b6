package exporter

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/timestamppb"

	"starproxy/builtins/follow"
	"starproxy/driver/pb"
)

// logKept is how many records a new reader of the log is given.
const logKept = 256

// maxLogText bounds a message, in bytes, far below the size of a gRPC message.
const maxLogText = 64 << 10

// logRing keeps the newest records for the readers of LogStream.
type logRing struct {
	*follow.Log[*pb.LogStreamResponse]

	mu   sync.Mutex                  // keeps the records in order for also
	also func(*pb.LogStreamResponse) // is called with each record, unless nil
}

func newLogRing() *logRing {
	return &logRing{Log: follow.NewLog[*pb.LogStreamResponse](logKept)}
}

func (l *logRing) add(r *pb.LogStreamResponse) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Add(r)
	if l.also != nil {
		l.also(r)
	}
}

// logHandler is the slog.Handler that feeds the ring and passes records on.
// The attribute "operation" has a field of its own on the wire; all others
// become structured fields.
type logHandler struct {
	ring       *logRing
	source     pb.LogSource
	driverType string
	next       slog.Handler
	attrs      []slog.Attr // of With, with their groups in the keys
	group      string      // prefix of the keys to come, ends in a dot
}

// Enabled accepts what the next handler accepts, and never less than Info.
func (h *logHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || h.next.Enabled(ctx, level)
}

func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	h.ring.add(h.record(r))
	if !h.next.Enabled(ctx, r.Level) {
		return nil
	}
	return h.next.Handle(ctx, r)
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.attrs = append(h.attrs[:len(h.attrs):len(h.attrs)], prefixed(h.group, attrs)...)
	c.next = h.next.WithAttrs(attrs)
	return &c
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	c := *h
	if name != "" {
		c.group += name + "."
	}
	c.next = h.next.WithGroup(name)
	return &c
}

func prefixed(group string, attrs []slog.Attr) []slog.Attr {
	out := make([]slog.Attr, 0, len(attrs))
	for _, a := range attrs {
		v := a.Value.Resolve()
		if v.Kind() == slog.KindGroup {
			inner := group
			if a.Key != "" {
				inner += a.Key + "."
			}
			out = append(out, prefixed(inner, v.Group())...)
		} else if a.Key != "" {
			out = append(out, slog.Attr{Key: group + a.Key, Value: v})
		}
	}
	return out
}

func (h *logHandler) record(r slog.Record) *pb.LogStreamResponse {
	at := r.Time
	if at.IsZero() {
		at = time.Now()
	}
	out := &pb.LogStreamResponse{
		Severity:         severity(r.Level),
		Message:          text(r.Message),
		Source:           h.source.Enum(),
		Timestamp:        timestamppb.New(at),
		StructuredFields: map[string]string{},
	}
	if h.driverType != "" {
		out.DriverType = &h.driverType
	}
	put := func(a slog.Attr) {
		value := text(a.Value.String())
		if a.Key == "operation" {
			out.Operation = &value
			return
		}
		out.StructuredFields[text(a.Key)] = value
	}
	for _, a := range h.attrs {
		put(a)
	}
	r.Attrs(func(a slog.Attr) bool {
		for _, a := range prefixed(h.group, []slog.Attr{a}) {
			put(a)
		}
		return true
	})
	return out
}

// relay takes over a record of another process: the ring gets it as it is, the
// log beside the ring with its fields as attributes.
func (s *Session) relay(ctx context.Context, r *pb.LogStreamResponse) {
	s.ring.add(r)
	level := levelOf(r.GetSeverity())
	if !s.next.Enabled(ctx, level) {
		return
	}
	at := time.Now()
	if r.GetTimestamp() != nil { // Python before 0.10 sends none
		at = r.GetTimestamp().AsTime()
	}
	out := slog.NewRecord(at, level, r.GetMessage(), 0)
	for _, key := range slices.Sorted(maps.Keys(r.GetStructuredFields())) {
		out.AddAttrs(slog.String(key, r.GetStructuredFields()[key]))
	}
	_ = s.next.Handle(ctx, out) // a log that cannot be written has nobody to tell
}

// relayRecord takes over a record that the process of the proxies has written.
func (s *Session) relayRecord(data []byte) {
	r := new(pb.LogStreamResponse)
	if err := protojson.Unmarshal(data, r); err != nil {
		s.log.Warn("a record of the process of the proxies cannot be read", "error", err)
		return
	}
	s.relay(context.Background(), r)
}

// levelOf returns the level that severity names.
func levelOf(severity string) slog.Level {
	switch severity {
	case "DEBUG":
		return slog.LevelDebug
	case "WARNING":
		return slog.LevelWarn
	case "ERROR":
		return slog.LevelError
	case "CRITICAL":
		return slog.LevelError + 4
	}
	return slog.LevelInfo
}

// severity returns the name of Python's level: clients look it up in their
// logging module.
func severity(l slog.Level) string {
	switch {
	case l < slog.LevelInfo:
		return "DEBUG"
	case l < slog.LevelWarn:
		return "INFO"
	case l < slog.LevelError:
		return "WARNING"
	case l < slog.LevelError+4:
		return "ERROR"
	}
	return "CRITICAL"
}

// text makes s fit for a protobuf string.
func text(s string) string {
	if len(s) > maxLogText {
		s = s[:maxLogText]
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return s
}

var _ slog.Handler = (*logHandler)(nil)
