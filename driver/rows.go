package driver

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"sync"
	"unicode/utf8"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/rpc"
)

// captureRow is a captured exchange in one line, as the web UI lists it.
type captureRow struct {
	Seq        uint64  `json:"seq"`
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
	Open       bool    `json:"open"` // a WebSocket or stream that has not ended
	Mark       string  `json:"mark"`
	Comment    string  `json:"comment"`
	Level      string  `json:"level"` // the worst note: warning or error
	Highlight  bool    `json:"highlight"`
	Client     string  `json:"client,omitempty"`
}

// view is how somebody looks at the captures.
type view struct {
	d         *Driver
	filter    capture.Filter
	highlight capture.Filter
}

// view compiles the expressions of a viewer, for one goroutine.
func (d *Driver) view(ctx context.Context, method, filter, highlight string) (*view, error) {
	v := &view{d: d}
	var err error
	if v.filter, err = d.filter(ctx, method, filter); err != nil {
		return nil, err
	}
	if highlight != "" {
		if v.highlight, err = d.filter(ctx, method, highlight); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (v *view) shows(e *capture.Entry) bool { return v.filter == nil || v.filter(e) }

func (v *view) row(e *capture.Entry) captureRow {
	r := captureRow{
		Seq: e.Seq, Kind: "http", Start: seconds64(e.Start.UnixMicro()), Method: e.Method, Scheme: e.Scheme, Host: e.Host, Port: e.Port,
		Path: e.Target, Status: e.Status, Duration: float64(e.Duration.Microseconds()) / 1000, Size: e.ResponseBody.Size,
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
	case e.Unreachable() || e.Origin == exchange.FromProxy && e.Status == 0 && e.Error != "":
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
		lasted, over := v.d.sockets.Over(e.Seq)
		if r.Open = !over; over {
			r.Duration = float64(lasted.Microseconds()) / 1000
		}
		if end := v.d.sockets.StreamEnd(e.Seq); end != nil {
			r.Size = end.ResponseBody.Size
			r.Error = cmp.Or(end.Error, r.Error)
		}
	}
	r.Mark, r.Comment = v.d.notes.Mark(e.Seq)
	r.Highlight = v.highlight != nil && v.highlight(e)
	return r
}

func seconds64(micros int64) float64 { return float64(micros) / 1e6 }

// maxRows bounds what list_captures gives at once.
const maxRows = 5000

func (d *Driver) listCaptures(ctx context.Context, filter, highlight string, before, limit int) (string, error) {
	v, err := d.view(ctx, "list_captures", filter, highlight)
	if err != nil {
		return "", err
	}
	list := struct {
		Journal string       `json:"journal"` // numbers of another one mean other exchanges
		Since   string       `json:"since"`   // what watch_captures goes on from
		Rows    []captureRow `json:"rows"`
		Total   uint64       `json:"total"`
		First   uint64       `json:"first"`
		Last    uint64       `json:"last"`
		Dropped uint64       `json:"dropped"`
	}{Journal: d.journal.ID(), Since: d.news().String(), Rows: []captureRow{}}
	s := d.journal.Stats()
	list.Total, list.Last, list.Dropped = uint64(s.Entries), d.journal.Last(), s.Dropped
	limit = min(max(limit, 1), maxRows)
	picks := func(e *capture.Entry) bool { return (before <= 0 || e.Seq < uint64(before)) && v.shows(e) }
	for e := range d.journal.Backward(picks) {
		list.Rows = append(list.Rows, v.row(e))
		if len(list.Rows) == limit {
			break
		}
	}
	for i, j := 0, len(list.Rows)-1; i < j; i, j = i+1, j-1 {
		list.Rows[i], list.Rows[j] = list.Rows[j], list.Rows[i]
	}
	if len(list.Rows) > 0 {
		list.First = list.Rows[0].Seq
	}
	return rpc.JSON(list)
}

// news is how far somebody knows what happened to exchanges after they were
// captured: how many annotations were changed, and the last entry of sockets.
type news struct {
	changes uint64
	sockets uint64
}

func (d *Driver) news() news { return news{d.notes.changes.Next(), d.sockets.Last()} }

func (n news) String() string { return fmt.Sprintf("%d.%d", n.changes, n.sockets) }

// watchCaptures streams the rows after a number, and news of all since what
// list_captures gave; without that, since now.
func (d *Driver) watchCaptures(ctx context.Context, filter, highlight string, after int, since string) (iter.Seq2[any, error], error) {
	if _, err := d.view(ctx, "watch_captures", filter, highlight); err != nil {
		return nil, err
	}
	known := d.news()
	if since != "" {
		if _, err := fmt.Sscanf(since, "%d.%d", &known.changes, &known.sockets); err != nil || known.String() != since {
			return nil, rpc.Refuse(rpc.InvalidArgument, "watch_captures: argument since: expected what list_captures gave, found %q", since)
		}
	}
	return func(yield func(any, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		fresh, _ := d.view(ctx, "", filter, highlight) // they were compiled before
		old, _ := d.view(ctx, "", filter, highlight)
		var updates sync.Mutex
		var all sync.WaitGroup
		defer all.Wait()
		defer cancel()
		rows := make(chan any, 256)
		send := func(r any) bool {
			select {
			case rows <- r:
				return true
			case <-ctx.Done():
				return false
			}
		}
		update := func(seq uint64) bool {
			e, ok := d.journal.Get(seq)
			if !ok {
				return true
			}
			updates.Lock()
			shown := old.shows(e)
			r := old.row(e)
			updates.Unlock()
			if !shown {
				return send(map[string]any{"kind": "gone", "seq": seq, "update": true})
			}
			r.Update = true
			return send(r)
		}
		all.Go(func() {
			defer cancel()
			for e, err := range d.journal.Follow(ctx, fresh.filter, uint64(max(after, 0))) {
				var missed *capture.MissedError
				switch {
				case errors.As(err, &missed):
					if !send(map[string]any{"kind": "missed", "missed": missed.Entries}) {
						return
					}
				case err != nil || !send(fresh.row(e)):
					return
				}
			}
		})
		all.Go(func() {
			ends := func(e *capture.Entry) bool { return e.Kind == capture.SocketEnd }
			for e, err := range d.sockets.Follow(ctx, ends, known.sockets) {
				if err == nil && !update(e.Socket) {
					return
				}
			}
		})
		all.Go(func() {
			for seq := range d.notes.changes.Follow(ctx, known.changes) {
				if !update(seq) {
					return
				}
			}
		})
		for {
			select {
			case r := <-rows:
				text, err := rpc.JSON(r)
				if !yield(text, err) || err != nil {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}, nil
}

// entry gives a captured exchange, or the error that it is gone.
func (d *Driver) entry(method string, seq int) (*capture.Entry, error) {
	if seq > 0 {
		if e, ok := d.journal.Get(uint64(seq)); ok {
			return e, nil
		}
	}
	return nil, rpc.Refuse(rpc.NotFound, "%s: no captured request %d: it was cleared, or has left the budget", method, seq)
}

// maxPiece bounds how much of a body one call gives, and maxSkip how far into
// an encoded body calls reach.
const (
	maxPiece = 2 << 20
	maxSkip  = 256 << 20
)

func (d *Driver) getCaptureBody(_ context.Context, seq int, side string, offset, limit int) (string, error) {
	e, err := d.entry("get_capture_body", seq)
	if err != nil {
		return "", err
	}
	header, body := e.ResponseHeader, e.ResponseBody
	switch side {
	case "response":
	case "request":
		header, body = e.RequestHeader, e.RequestBody
	default:
		return "", rpc.Refuse(rpc.InvalidArgument, "get_capture_body: argument side: expected request or response, found %q", side)
	}
	if e.Kind == capture.TCP {
		pieces, _ := d.sockets.Stream(e.Seq)
		body = capture.Bytes(pieces, side == "request", maxSkip)
	}
	piece := struct {
		Data      string `json:"data"` // base64
		Offset    int    `json:"offset"`
		Size      int64  `json:"size"` // with the content encoding undone; -1 when not known yet
		More      bool   `json:"more"`
		Type      string `json:"type"`
		Charset   string `json:"charset"` // of a text, empty for UTF-8
		Binary    bool   `json:"binary"`
		Truncated bool   `json:"truncated"`
		Error     string `json:"error"`
	}{Offset: max(offset, 0), Size: body.Size, Type: capture.ContentType(header), Truncated: body.Truncated}
	if len(exchange.Encodings(header)) > 0 {
		piece.Size = -1
	}
	limit = min(max(limit, 1), maxPiece)
	data, more, err := readPiece(header, body, int64(piece.Offset), limit)
	if err != nil {
		piece.Error = err.Error()
		if errors.Is(err, capture.ErrNotKept) {
			piece.Truncated = true
		}
	}
	if piece.More = more; !more && err == nil {
		piece.Size = int64(piece.Offset + len(data))
	}
	piece.Data = base64.StdEncoding.EncodeToString(data)
	whole := trimRune(data)
	_, charset, readable := capture.ReadText(whole, header)
	piece.Charset, piece.Binary = charset, !readable && !utf8.Valid(whole)
	return rpc.JSON(piece)
}

// trimRune takes an incomplete character off the end.
func trimRune(b []byte) []byte {
	for n := 1; n <= 3 && n <= len(b); n++ {
		if c := b[len(b)-n]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-n:]) {
				return b[:len(b)-n]
			}
			return b
		}
	}
	return b
}

func readPiece(h exchange.Header, b capture.Blob, offset int64, limit int) (data []byte, more bool, err error) {
	if offset > maxSkip {
		return nil, false, errors.New("the rest is too far in to be shown: save the exchange instead")
	}
	r, err := capture.OpenDecoded(h, b)
	if err != nil {
		return nil, false, err
	}
	defer r.Close()
	if _, err := io.CopyN(io.Discard, r, offset); err != nil {
		if err == io.EOF {
			err = nil
		}
		return nil, false, err
	}
	data, err = io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if len(data) > limit {
		return data[:limit], true, nil
	}
	return data, false, err
}
