package view

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"iter"

	"starproxy/driver/capture"
	"starproxy/driver/filter"
)

// Budget bounds the bodies and messages of a record, in bytes. A value of 0 means the
// default.
type Budget struct {
	// Body is how much of one body or message is kept. Default 256 KiB.
	Body int64
	// All is how much of all of them together is kept, of the newest exchanges first.
	// Default 16 MiB.
	All int64
	// Laid is how much of one body or message is laid out, and AllLaid how much of all of
	// them. Defaults 64 KiB and 4 MiB.
	Laid, AllLaid int64
}

// resolve fills in the defaults.
func (b *Budget) resolve() {
	for _, d := range []struct {
		n         *int64
		otherwise int64
	}{{&b.Body, 256 << 10}, {&b.All, 16 << 20}, {&b.Laid, 64 << 10}, {&b.AllLaid, 4 << 20}} {
		if *d.n <= 0 {
			*d.n = d.otherwise
		}
	}
}

// maxMessages bounds the messages of one socket in a record: the first ones are kept.
const maxMessages = 1000

// Record is all that the page shows of one exchange.
type Record struct {
	Row    Row
	Detail map[string]json.RawMessage // the result of get_capture
	// Request and Response are results of get_capture_body for the whole body, without
	// its data, which RequestData and ResponseData have.
	Request, Response         any
	RequestData, ResponseData []byte
	// RequestViews and ResponseViews are results of render_body, nil for none.
	RequestViews, ResponseViews json.RawMessage
	// Messages are items of watch_messages, without their data, which MessageData has.
	Messages    []Message
	MessageData [][]byte
	// MessageViews are results of render_body for the messages, nil for none.
	MessageViews []json.RawMessage
	// Subjects are for filters.
	Subjects *filter.Subjects
	// Short says that bodies or messages are left out or cut, so that filters do not see
	// all of them.
	Short bool
}

// Records yields the records of all exchanges, the newest first.
func (s *Session) Records(ctx context.Context, b Budget) iter.Seq2[*Record, error] {
	b.resolve()
	return func(yield func(*Record, error) bool) {
		found := messages{all: s.Sockets.Journal, until: s.Journal.Last()}
		for e := range s.Journal.Backward(nil) {
			r, err := s.record(ctx, e, &found, &b)
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// record makes the record of e, and takes what its bodies need from the budget.
func (s *Session) record(ctx context.Context, e *capture.Entry, found *messages, b *Budget) (*Record, error) {
	r := &Record{Row: (&viewer{Service: s.Service}).row(e)}
	room := min(b.Body, b.All)
	var err error
	if r.Detail, err = s.detail(ctx, int(e.Seq)); err != nil {
		return nil, err
	}
	if r.Request, r.RequestData, err = s.recordBody(ctx, r, "request", b); err != nil {
		return nil, err
	}
	if r.Response, r.ResponseData, err = s.recordBody(ctx, r, "response", b); err != nil {
		return nil, err
	}
	r.RequestViews = s.laid(ctx, e, false, b)
	r.ResponseViews = s.laid(ctx, e, true, b)
	if r.Row.WebSocket || e.Kind == capture.TCP {
		s.recordSocket(ctx, r, found, b)
	}
	first := func(seq uint64, yield func(*capture.Entry) bool) {
		n := 0
		found.of(seq, func(m *capture.Entry) bool {
			n++
			return n <= maxMessages && yield(m)
		})
	}
	r.Subjects = filter.SubjectsOf(e, first, s.notes(), max(room, 1))
	if room <= 0 && r.Short {
		clear(r.Subjects.Bodies)
	}
	return r, nil
}

// recordBody returns the body of one side, as much of it as the budget has.
func (s *Session) recordBody(ctx context.Context, r *Record, side string, b *Budget) (any, []byte, error) {
	room := min(b.Body, b.All)
	p, err := s.body(ctx, int(r.Row.Seq), side, 0, int(max(room, 1)))
	if err != nil {
		return nil, nil, err
	}
	data, err := base64.StdEncoding.DecodeString(p.Data)
	if err != nil {
		return nil, nil, err
	}
	p.Data = ""
	if room <= 0 && len(data) > 0 {
		r.Short, p.More, p.Error = true, false, "The report has no room for this body: the recording beside it has it."
		return p, nil, nil
	}
	if p.More {
		r.Short, p.More = true, false
		p.Error = fmt.Sprintf("The report has the first %s of this body.", size(len(data)))
	}
	b.All -= int64(len(data))
	return p, data, nil
}

// laid returns the views of one side of an exchange or of a message, nil for none. It takes
// the size of what is laid out from the budget.
func (s *Session) laid(ctx context.Context, e *capture.Entry, response bool, b *Budget) json.RawMessage {
	header, body := e.RequestHeader, e.RequestBody
	if response {
		header, body = e.ResponseHeader, e.ResponseBody
	}
	room := min(b.Laid, b.AllLaid)
	if room <= 0 || body.Size == 0 && response {
		return nil
	}
	r := s.render(ctx, e, response, header, body, room)
	if len(r.Views) == 0 {
		return nil
	}
	b.AllLaid -= min(body.Size, room)
	text, err := json.Marshal(r)
	if err != nil {
		return nil
	}
	return text
}

// recordSocket adds the messages of a socket and its end to r.
func (s *Session) recordSocket(ctx context.Context, r *Record, found *messages, b *Budget) {
	found.of(r.Row.Seq, func(m *capture.Entry) bool {
		if len(r.Messages) == maxMessages {
			r.Short = true
			return false
		}
		data := m.ResponseBody.Data
		if m.FromClient {
			data = m.RequestBody.Data
		}
		keep := min(int64(len(data)), maxShown, b.Body, max(b.All, 0))
		b.All -= keep
		shown := newMessage(m)
		if shown.Data = ""; keep < int64(len(data)) {
			shown.Truncated, r.Short = true, true
		}
		shown.Index = len(r.Messages) + 1
		r.Messages, r.MessageData = append(r.Messages, shown), append(r.MessageData, data[:keep])
		r.MessageViews = append(r.MessageViews, s.laid(ctx, m, !m.FromClient, b))
		return true
	})
	ends := func(m *capture.Entry) bool { return m.Kind == capture.SocketEnd && m.Socket == r.Row.Seq }
	for end := range s.Sockets.All(ends) {
		r.Messages, r.MessageData = append(r.Messages, newMessage(end)), append(r.MessageData, nil)
		r.MessageViews = append(r.MessageViews, nil)
	}
}

// size returns a number of bytes as text.
func size(n int) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}
