package view

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// Row is a captured exchange in one line, as the page lists it.
type Row struct {
	Seq        uint64  `json:"seq"`              // 0 for an exchange in flight
	Live       uint64  `json:"live,omitempty"`   // the number that it has, or had, in flight
	Kind       string  `json:"kind"`             // http, tls_error, tcp or refused; gone for one that the filter no longer shows
	Update     bool    `json:"update,omitempty"` // news of an older row
	Start      float64 `json:"start"`
	Method     string  `json:"method"`
	Scheme     string  `json:"scheme"`
	Host       string  `json:"host"`
	Port       int     `json:"port"`
	Path       string  `json:"path"` // with the query
	Status     int     `json:"status"`
	SentStatus int     `json:"sent_status,omitempty"`
	Duration   float64 `json:"duration_ms"`
	Size       int64   `json:"size"`
	Type       string  `json:"type"`
	Origin     string  `json:"origin"`
	Fault      bool    `json:"fault,omitempty"`
	Endpoint   string  `json:"endpoint,omitempty"`
	Unmatched  bool    `json:"unmatched,omitempty"` // no mock, or no recording, answers it
	Outcome    string  `json:"outcome,omitempty"`   // of a request, see capture.Outcome
	Error      string  `json:"error,omitempty"`
	WebSocket  bool    `json:"websocket,omitempty"`
	Open       bool    `json:"open"`               // it has not ended: an exchange in flight, a WebSocket or a stream
	State      string  `json:"state,omitempty"`    // of an exchange in flight, see capture.State
	Received   int64   `json:"received,omitempty"` // bytes of the request so far, of an exchange in flight
	Mark       string  `json:"mark"`
	Comment    string  `json:"comment"`
	Level      string  `json:"level"` // the worst note: warning or error
	Highlight  bool    `json:"highlight"`
	Client     string  `json:"client,omitempty"`
}

// Number returns the number after which watch_captures is resumed. It is 0 for an
// update, which says nothing about the rows between.
func (r Row) Number() uint64 {
	if r.Update {
		return 0
	}
	return r.Seq
}

// viewer makes rows with the filter and the highlighting of one caller. It is for one
// goroutine.
type viewer struct {
	*Service
	filter    capture.Filter // nil shows all
	highlight capture.Filter // nil highlights none
}

// viewer compiles the expressions of a caller of method. Messages of sockets up to
// the handshake with the number sorted are sorted once, see [messages].
func (s *Service) viewer(ctx context.Context, method, filter, highlight string, sorted uint64) (*viewer, error) {
	v := &viewer{Service: s}
	var err error
	if v.filter, err = s.filter(ctx, method, filter, sorted); err != nil {
		return nil, err
	}
	if highlight != "" {
		if v.highlight, err = s.filter(ctx, method, highlight, sorted); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (v *viewer) shows(e *capture.Entry) bool { return v.filter == nil || v.filter(e) }

func (v *viewer) row(e *capture.Entry) Row {
	r := Row{
		Seq: e.Seq, Live: e.Live, Kind: "http", Start: capture.Seconds(e.Start), Method: e.Method, Scheme: e.Scheme, Host: e.Host,
		Port: e.Port, Path: e.Target, Status: e.Status, Duration: float64(e.Duration.Microseconds()) / 1000, Size: e.ResponseBody.Size,
		Type: capture.ContentType(e.ResponseHeader), Origin: e.Origin.String(), Endpoint: e.Endpoint, Error: e.Error,
		Fault: strings.HasPrefix(e.Error, exchange.ErrFault.Error()), WebSocket: e.Status == http.StatusSwitchingProtocols,
	}
	switch e.Kind {
	case capture.HTTP:
		r.Unmatched, r.Outcome = e.Unmatched, e.Outcome().String()
	case capture.TLSError:
		r.Kind = "tls_error"
	case capture.TCP:
		r.Kind = "tcp"
	case capture.Refused:
		r.Kind = "refused"
	}
	switch {
	case e.Kind == capture.Refused:
		r.Status, r.SentStatus = 0, e.Status
	case e.Abandoned():
		r.Status, r.Size = 0, 0
	case e.Unreachable() || e.Origin == exchange.FromProxy && e.Status == 0 && e.Error != "" && e.Error != capture.CutOff:
		r.Status, r.SentStatus = 0, http.StatusBadGateway
	}
	if e.Client.IsValid() {
		r.Client = e.Client.String()
	}
	for _, n := range e.Notes {
		if n.Level == "error" || n.Level == "warning" && r.Level == "" {
			r.Level = n.Level
		}
	}
	if r.WebSocket || e.Kind == capture.TCP {
		lasted, over := v.Sockets.Over(e.Seq)
		if r.Open = !over; over {
			r.Duration = float64(lasted.Microseconds()) / 1000
		}
		if end := v.Sockets.StreamEnd(e.Seq); end != nil {
			r.Size = end.ResponseBody.Size
			r.Error = cmp.Or(end.Error, r.Error)
		}
	}
	r.Mark, r.Comment = v.marks.Mark(e.Seq)
	r.Highlight = v.highlight != nil && v.highlight(e)
	return r
}

// maxRows bounds how many rows list_captures gives at once.
const maxRows = 5000

// rows is the answer of list_captures.
type rows struct {
	Journal string `json:"journal"` // numbers in another journal mean other exchanges
	Since   string `json:"since"`   // where watch_captures goes on
	Rows    []Row  `json:"rows"`
	Total   uint64 `json:"total"`
	First   uint64 `json:"first"`
	Last    uint64 `json:"last"`
	Dropped uint64 `json:"dropped"`
	// Matched is how many of the exchanges that are kept the filter picks. It is nil unless it
	// was asked for: all of them have to be looked at.
	Matched *uint64 `json:"matched,omitempty"`
	// Open are the exchanges in flight, in the order in which they began. It is nil unless
	// they were asked for.
	Open []Row `json:"open,omitempty"`
}

func (s *Service) list(ctx context.Context, filter, highlight string, before, limit int, count, live bool) (*rows, error) {
	v, err := s.viewer(ctx, "list_captures", filter, highlight, s.Journal.Last())
	if err != nil {
		return nil, err
	}
	list := &rows{Journal: s.Journal.ID(), Since: s.cursor().String(), Rows: []Row{}}
	stats := s.Journal.Stats()
	list.Total, list.Last, list.Dropped = uint64(stats.Entries), s.Journal.Last(), stats.Dropped
	limit = min(max(limit, 1), maxRows)
	picks := func(e *capture.Entry) bool { return (before <= 0 || e.Seq < uint64(before)) && v.shows(e) }
	matched := uint64(0)
	for e := range s.Journal.Backward(picks) {
		if matched++; len(list.Rows) < limit {
			list.Rows = append(list.Rows, v.row(e))
		} else if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if len(list.Rows) == limit && !count {
			break
		}
	}
	if count {
		list.Matched = &matched
	}
	slices.Reverse(list.Rows)
	if live {
		list.Open = v.openRows()
	}
	if len(list.Rows) > 0 {
		list.First = list.Rows[0].Seq
	}
	return list, nil
}
