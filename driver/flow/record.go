package flow

import (
	"errors"
	"fmt"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// oldest and newest are the format versions of mitmproxy 7 and 13. Older versions
// are refused. Newer ones are tried, because the keys of HTTP flows have been the
// same since mitmproxy 7.
const (
	oldest = 14
	newest = 21
)

// record holds the values of a flow before they are read. Their meaning depends on
// the flow's type, and "type" may be the last key of the record.
type record struct {
	version value
	kind    string

	id, err, client, server, request, response, websocket, messages,
	replayed, marked, comment, metadata, created value
}

// open finds the values of the record v.
func (s *source) open(v value) (r record, err error) {
	c := s.walk(v, tagDict)
	for c.pair() {
		switch string(c.key[:c.nkey]) {
		case "version":
			r.version = c.value
		case "type":
			r.kind = c.text()
		case "id":
			r.id = c.value
		case "error":
			r.err = c.value
		case "client_conn":
			r.client = c.value
		case "server_conn":
			r.server = c.value
		case "request":
			r.request = c.value
		case "response":
			r.response = c.value
		case "websocket":
			r.websocket = c.value
		case "messages":
			r.messages = c.value
		case "is_replay":
			r.replayed = c.value
		case "marked":
			r.marked = c.value
		case "comment":
			r.comment = c.value
		case "metadata":
			r.metadata = c.value
		case "timestamp_created":
			r.created = c.value
		}
	}
	return r, c.err
}

// format returns the format version of a record. A version before oldest is an error.
func (s *source) format(v value) (int, error) {
	var n int
	switch c := (cursor{s: s, value: v}); v.tag {
	case 0:
		return 0, errors.New("it has no version")
	case tagInt:
		if n = c.small(); c.err != nil {
			return 0, fmt.Errorf("version: %w", c.err)
		}
	case tagList: // until 2018 this key held the version of mitmproxy itself
		n = 3
	default:
		return 0, fmt.Errorf("version: %w", mismatch("an integer", v))
	}
	if n < oldest {
		return 0, fmt.Errorf("its format is older than %d, that of mitmproxy 7: expected a file that mitmproxy 7 or newer has "+
			"saved", oldest)
	}
	return n, nil
}

// flow reads an HTTP flow or a TCP stream. Between format versions, the keys of
// connections differ, and some keys may be missing. Unknown keys are skipped.
func (s *source) flow(r *record, f *Flow) error {
	var err error
	wrap := func(name string, e error) {
		if err == nil && e != nil {
			err = fmt.Errorf("%s: %w", name, e)
		}
	}
	if f.Stream = r.kind == "tcp"; f.Stream {
		list, e := s.pieces(r.messages)
		f.WebSocket = &WebSocket{Messages: list}
		wrap("messages", e)
	} else {
		err = s.http(r, f)
	}
	if !r.err.null() {
		f.Error = &Error{}
		wrap("error", s.failure(r.err, f.Error))
	}
	wrap("client_conn", s.conn(r.client, &f.Client, false))
	wrap("server_conn", s.conn(r.server, &f.Server, true))
	if !r.metadata.null() && r.metadata.n > 0 {
		m, e := s.dict(r.metadata, 1)
		f.Metadata = m
		wrap("metadata", e)
	}
	if err != nil {
		return err
	}
	text := func(name string, v value) string {
		c := s.single(name, v)
		text := c.text()
		if err == nil {
			err = c.err
		}
		return text
	}
	f.ID = text("id", r.id)
	f.Replayed = text("is_replay", r.replayed)
	f.Comment = text("comment", r.comment)
	f.Marked = text("marked", r.marked)
	c := s.single("timestamp_created", r.created)
	if f.Created = c.time(); err == nil {
		err = c.err
	}
	for _, t := range []time.Time{f.Request.Start, f.Client.Start} {
		if f.Created.IsZero() { // versions before 16 have no timestamp_created
			f.Created = t
		}
	}
	return err
}

// http reads the keys that only HTTP flows have.
func (s *source) http(r *record, f *Flow) error {
	if r.request.null() {
		return errors.New("it has no request")
	}
	if err := s.request(r.request, &f.Request); err != nil {
		return fmt.Errorf("request: %w", err)
	}
	if !r.response.null() {
		f.Response = &Response{}
		if err := s.response(r.response, f.Response); err != nil {
			return fmt.Errorf("response: %w", err)
		}
	}
	if !r.websocket.null() {
		f.WebSocket = &WebSocket{}
		if err := s.websocket(r.websocket, f.WebSocket); err != nil {
			return fmt.Errorf("websocket: %w", err)
		}
	}
	return nil
}

// pieces reads the messages of a TCP stream. Each is a list of from_client, content
// and timestamp.
func (s *source) pieces(v value) ([]Message, error) {
	var list []Message
	c := s.walk(v, tagList)
	for c.item() {
		var m Message
		p := s.walk(c.value, tagList)
		for p.item() {
			switch p.index {
			case 1:
				m.FromClient = p.bool()
			case 2:
				m.Data = p.bytes()
			case 3:
				m.Time = p.time()
			}
		}
		if p.err == nil && p.index < 3 {
			p.err = fmt.Errorf("expected 3 elements, got %d", p.index)
		}
		m.Binary = capture.IsBinary(m.Data)
		c.fail(p.err)
		c.fail(s.hold(96))
		list = append(list, m)
	}
	return list, c.err
}

func (s *source) request(v value, r *Request) error {
	c := s.walk(v, tagDict)
	for c.pair() {
		switch string(c.key[:c.nkey]) {
		case "method":
			r.Method = c.text()
		case "scheme":
			r.Scheme = c.text()
		case "host":
			r.Host = c.text()
		case "port":
			r.Port = c.small()
		case "path":
			r.Path = c.text()
		case "authority":
			r.Authority = c.text()
		case "http_version":
			r.Proto = c.text()
		case "headers":
			r.Header = c.fields()
		case "trailers":
			r.Trailer = c.fields()
		case "content":
			r.Body = c.body()
		case "timestamp_start":
			r.Start = c.time()
		case "timestamp_end":
			r.End = c.time()
		}
	}
	return c.err
}

func (s *source) response(v value, r *Response) error {
	c := s.walk(v, tagDict)
	for c.pair() {
		switch string(c.key[:c.nkey]) {
		case "status_code":
			r.Status = c.small()
		case "reason":
			r.Reason = c.text()
		case "http_version":
			r.Proto = c.text()
		case "headers":
			r.Header = c.fields()
		case "trailers":
			r.Trailer = c.fields()
		case "content":
			r.Body = c.body()
		case "timestamp_start":
			r.Start = c.time()
		case "timestamp_end":
			r.End = c.time()
		}
	}
	return c.err
}

// fields reads a header. It returns nil for an empty one.
func (c *cursor) fields() exchange.Header {
	var fields exchange.Header
	if c.value.n > 64 {
		fields = make(exchange.Header, 0, min(c.value.n/40, 32))
	}
	inner := c.s.walk(c.value, tagList)
	for inner.item() {
		pair := c.s.walk(inner.value, tagList)
		var f exchange.Field
		if pair.item() {
			f.Name = pair.text()
		}
		if pair.item() {
			f.Value = pair.text()
		}
		if pair.err == nil && (pair.index != 2 || pair.off != pair.end) {
			pair.err = errors.New("expected a name and a value")
		}
		inner.fail(pair.err)
		inner.fail(c.s.hold(32))
		fields = append(fields, f)
	}
	c.fail(inner.err)
	return fields
}

// body reads a body. A large one stays in the file.
func (c *cursor) body() Body {
	v := c.value
	if v.tag == tagNull {
		return Body{Missing: true}
	}
	if v.n >= onDisk && (v.tag == tagBytes || v.tag == tagText) {
		return Body{Blob: capture.Blob{Size: v.n, Path: c.s.path, Off: v.off}}
	}
	data := c.bytes()
	return Body{Blob: capture.Blob{Size: int64(len(data)), Data: data}}
}

func (s *source) websocket(v value, w *WebSocket) error {
	c := s.walk(v, tagDict)
	for c.pair() {
		switch string(c.key[:c.nkey]) {
		case "messages":
			w.Messages = c.messages()
		case "closed_by_client":
			if c.value.tag != tagNull {
				by := c.bool()
				w.ClosedByClient = &by
			}
		case "close_code":
			w.CloseCode = c.small()
		case "close_reason":
			w.CloseReason = c.text()
		case "timestamp_end":
			w.End = c.time()
		}
	}
	return c.err
}

func (c *cursor) messages() []Message {
	var list []Message
	inner := c.s.walk(c.value, tagList)
	for inner.item() {
		m, err := c.s.message(inner.value)
		inner.fail(err)
		inner.fail(c.s.hold(96))
		list = append(list, m)
	}
	c.fail(inner.err)
	return list
}

// message reads a WebSocket message: a list of opcode, from_client, content,
// timestamp, dropped and, since format 15, injected.
func (s *source) message(v value) (m Message, err error) {
	c := s.walk(v, tagList)
	for c.item() {
		switch c.index {
		case 1:
			m.Binary = c.int() != 1
		case 2:
			m.FromClient = c.bool()
		case 3:
			m.Data = c.bytes()
		case 4:
			m.Time = c.time()
		case 5:
			m.Dropped = c.bool()
		case 6:
			m.Injected = c.bool()
		}
	}
	if c.err == nil && c.index < 5 {
		return m, fmt.Errorf("expected 5 or 6 elements, got %d", c.index)
	}
	return m, c.err
}

func (s *source) failure(v value, e *Error) error {
	c := s.walk(v, tagDict)
	for c.pair() {
		switch string(c.key[:c.nkey]) {
		case "msg":
			e.Message = c.text()
		case "timestamp":
			e.Time = c.time()
		}
	}
	return c.err
}
