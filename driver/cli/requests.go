package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"starproxy/builtins/exchange"
)

// requestRow is a captured exchange as watch_captures streams it.
type requestRow struct {
	Seq        uint64  `json:"seq"`
	Kind       string  `json:"kind"`   // http, tls_error, tcp, refused, or missed: rows that are gone
	Update     bool    `json:"update"` // news of an older row
	Missed     uint64  `json:"missed"` // how many are gone
	Start      float64 `json:"start"`  // seconds since 1970
	Method     string  `json:"method"`
	Scheme     string  `json:"scheme"`
	Host       string  `json:"host"`
	Port       int     `json:"port"`
	Path       string  `json:"path"`   // with query
	Status     int     `json:"status"` // 0: no answer from the real server
	SentStatus int     `json:"sent_status"`
	Duration   float64 `json:"duration_ms"`
	Size       int64   `json:"size"` // bytes
	Origin     string  `json:"origin"`
	Endpoint   string  `json:"endpoint"`
	Unmatched  bool    `json:"unmatched"`
	Outcome    string  `json:"outcome"`
	Error      string  `json:"error"`
	Client     string  `json:"client"`
	Open       bool    `json:"open"`  // has not ended
	Live       uint64  `json:"live"`  // the number in flight
	State      string  `json:"state"` // of an exchange in flight: what it waits for

	raw json.RawMessage // as the exporter has told it
}

// number returns a status as lines show it.
func number(status int) json.Number { return json.Number(strconv.Itoa(status)) }

// host returns the server that was meant, with the port unless it is the
// scheme's own.
func (r requestRow) host() string {
	if r.Port == 0 {
		return r.Host
	}
	return exchange.URLAuthority(r.Scheme, r.Host, r.Port)
}

// requestSink is where the requests of proxies are told of; several goroutines
// call it.
type requestSink interface {
	// request prints one request.
	request(export string, r requestRow)
	// skipped prints that n requests were not printed.
	skipped(export string, n uint64)
}

// requestLog follows the captures of proxies. A proxy never waits for it: what
// comes faster than it is told of is skipped, and counted. It is for one
// session.
type requestLog struct {
	sink   requestSink
	budget budget
}

// Bounds of what is told in a second: more than anybody reads on a terminal,
// and what a collector of logs takes without costing the proxies noticeably.
const (
	terminalRate = 200
	logRate      = 1000
)

// The pauses after a stream has failed, which happens when the process that a
// proxy lives in is replaced.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// place is how far the requests of a proxy were told of.
type place struct {
	journal string // numbers of another one mean other requests
	seq     uint64
}

// follow prints the requests of a proxy until ctx ends.
func (l *requestLog) follow(ctx context.Context, export string, p proxy) {
	var at place
	pause, skip := firstPause, false
	for ctx.Err() == nil {
		before := at
		err := l.resume(ctx, export, p, &at, skip)
		if err == nil {
			err = l.watch(ctx, export, p, &at)
			skip = err == nil
		}
		if at != before {
			pause = firstPause
		}
		wait := l.budget.rest()
		if err != nil {
			wait, pause = max(wait, pause), min(2*pause, lastPause)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// resume goes to the oldest request of a journal that is new, and, if it is to
// skip, to the newest of one that is known.
func (l *requestLog) resume(ctx context.Context, export string, p proxy, at *place, skip bool) error {
	var now struct {
		Journal string `json:"journal"`
		Last    uint64 `json:"last"`
	}
	if err := p.document(ctx, &now, "list_captures", "", "", 0, 1); err != nil {
		return err
	}
	switch {
	case at.journal != now.Journal:
		*at = place{journal: now.Journal}
	case skip && now.Last > at.seq:
		l.sink.skipped(export, now.Last-at.seq)
		at.seq = now.Last
	}
	return nil
}

// watch tells of requests as they come, until there are too many, which is no
// error, or the stream ends.
func (l *requestLog) watch(ctx context.Context, export string, p proxy, at *place) error {
	for text, err := range p.strings(ctx, "watch_captures", "", "", at.seq, "") {
		if err != nil {
			return err
		}
		var r requestRow
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			return fmt.Errorf("watch_captures: a row is not the JSON expected: %w", err)
		}
		switch {
		case r.Kind == "missed":
			l.sink.skipped(export, r.Missed)
			at.seq += r.Missed
		case r.Update || r.Seq <= at.seq:
		case !l.budget.take():
			return nil
		default:
			at.seq = r.Seq
			l.sink.request(export, r)
		}
	}
	return cmp.Or(ctx.Err(), errNoStream)
}

// errNoStream is the end of a stream that should go on.
var errNoStream = fmt.Errorf("watch_captures: the stream has ended")

// budget is how many requests may be told of in a second, by all followers.
type budget struct {
	rate int

	mu    sync.Mutex
	began time.Time
	used  int
}

// take takes one; it reports whether there was one.
func (b *budget) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := time.Now(); now.Sub(b.began) >= time.Second {
		b.began, b.used = now, 0
	}
	if b.used == b.rate {
		return false
	}
	b.used++
	return true
}

// rest returns the time until there is one.
func (b *budget) rest() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used < b.rate {
		return 0
	}
	return max(0, time.Until(b.began.Add(time.Second)))
}

// requestLines prints requests for people.
type requestLines struct {
	sys     *System
	exports int // the width of the column with the export, 0 for none
}

// endpointWidth is the width of the column that tells which mock has answered;
// a narrow terminal has none.
const (
	endpointWidth = 30
	wideTerminal  = 120
)

func (l requestLines) request(export string, r requestRow) {
	f := l.sys.lines()
	line, tail := l.export(export), ""
	if f.width -= len(line); f.width >= wideTerminal {
		f.width -= 1 + endpointWidth
		tail = " " + strings.TrimRight(fit(r.Endpoint, endpointWidth), " ")
	}
	l.sys.out("%s", strings.TrimRight(line+f.line(r.event())+f.paint(tail, grey), " "))
}

func (l requestLines) skipped(export string, n uint64) {
	f := l.sys.lines()
	l.sys.out("%s%s", l.export(export), f.paint(fmt.Sprintf("  %s not shown: they came too fast", plural(int(n), "request")), grey))
}

// export returns the column with the export.
func (l requestLines) export(name string) string {
	if l.exports == 0 {
		return ""
	}
	return "  " + fit(name, l.exports)
}

// event returns the row as capture lines show it: the path begins with the
// host.
func (r requestRow) event() event {
	e := event{
		Timestamp: r.Start, Method: r.Method, Path: r.host() + r.Path, Duration: r.Duration, Size: float64(r.Size),
		Status:  number(cmp.Or(r.Status, r.SentStatus)),
		Patched: r.Origin == "patched", Mocked: r.Origin == "mocked", Origin: r.Origin, Kind: r.Kind,
	}
	switch {
	case r.Kind == "tls_error":
		e.Alert = r.Error
	case r.Kind == "tcp":
		e.Method, e.Failure = "TCP", r.Error
	case r.Kind == "refused":
		e.Method, e.Failure = "REFUSED", r.Error
		if r.Path != "" && r.Path[0] != '/' { // no path: it may be any text
			e.Path = r.Path
		}
	case r.Error != "" && !r.Unmatched:
		e.failed = r.Error
	}
	if r.Unmatched {
		e.unmatched = cmp.Or(r.Outcome, "forwarded")
	}
	return e
}

// requestRecords puts requests into the log.
type requestRecords struct{ log slog.Handler }

func (l requestRecords) request(export string, r requestRow) {
	level := slog.LevelInfo
	if r.Unmatched || r.Outcome == "failed" || r.Kind == "tls_error" || r.Kind == "refused" {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{
		slog.String("export", export), slog.String("kind", r.Kind), slog.String("method", r.Method), slog.String("host", r.host()),
		slog.String("path", r.Path), slog.Int("status", cmp.Or(r.Status, r.SentStatus)), slog.String("outcome", r.Outcome),
		slog.Bool("unmatched", r.Unmatched), slog.String("endpoint", r.Endpoint), slog.Float64("duration_ms", r.Duration),
		slog.Int64("size", r.Size), slog.String("client", r.Client),
	}
	if r.Error != "" {
		attrs = append(attrs, slog.String("error", r.Error))
	}
	l.put(level, "request", attrs...)
}

func (l requestRecords) skipped(export string, n uint64) {
	l.put(slog.LevelWarn, "requests not logged: they came too fast", slog.String("export", export), slog.Uint64("requests", n))
}

// put writes a record, whatever the level of the log.
func (l requestRecords) put(level slog.Level, text string, attrs ...slog.Attr) {
	r := slog.NewRecord(time.Now(), level, text, 0)
	r.AddAttrs(attrs...)
	_ = l.log.Handle(context.Background(), r)
}

// Interface guards.
var (
	_ requestSink = requestLines{}
	_ requestSink = requestRecords{}
)
