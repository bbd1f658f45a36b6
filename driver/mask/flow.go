package mask

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/flow"
)

// maxBody bounds how much of a body is looked through, in bytes, with its encodings
// undone. A larger body is left out of what Flow returns.
const maxBody = 32 << 20

// Learn finds the secrets of a flow. An error means that a body could not be read.
func (m *Masker) Learn(f *flow.Flow) error {
	r := &f.Request
	m.seek([]byte(r.Path), inURL, func(s span) { m.learnSpan(s) })
	m.learnHeader(r.Header, r.Trailer)
	if err := m.learnBody(r.Header, r.Body); err != nil {
		return err
	}
	if s := f.Response; s != nil {
		m.learnHeader(s.Header, s.Trailer)
		if err := m.learnBody(s.Header, s.Body); err != nil {
			return err
		}
	}
	if f.WebSocket != nil {
		for i := range f.WebSocket.Messages {
			m.LearnText(f.WebSocket.Messages[i].Data)
		}
		if f.Stream {
			for _, fromClient := range []bool{false, true} {
				m.LearnText(joined(f.WebSocket.Messages, fromClient))
			}
		}
	}
	m.LearnText([]byte(f.Comment))
	m.learnValue(f.Metadata)
	return nil
}

func (m *Masker) learnHeader(headers ...exchange.Header) {
	for _, h := range headers {
		for _, f := range h {
			m.headerField(f, true)
		}
	}
}

func (m *Masker) learnBody(h exchange.Header, b flow.Body) error {
	if b.Missing || b.Size == 0 {
		return nil
	}
	plain, _, err := capture.Decoded(h, b.Blob, maxBody)
	if err != nil && plain == nil && len(exchange.Encodings(h)) == 0 {
		return err
	}
	m.LearnText(plain)
	return nil
}

func (m *Masker) learnValue(v any) {
	switch v := v.(type) {
	case string:
		m.LearnText([]byte(v))
	case []byte:
		m.LearnText(v)
	case []any:
		for _, one := range v {
			m.learnValue(one)
		}
	case map[string]any:
		for k, one := range v {
			if text, ok := one.(string); ok && m.secretName(k, false) {
				m.learn(text)
			}
			m.learnValue(one)
		}
	}
}

// Flow returns a copy of f in which all secrets are replaced. It shares with f all that
// has none. An error means that a body could not be read.
func (m *Masker) Flow(f *flow.Flow) (*flow.Flow, error) {
	out := *f
	r := &out.Request
	r.Path = m.text(r.Path, "url", inURL)
	r.Host, r.Authority = m.text(r.Host, "url", inText), m.text(r.Authority, "url", inText)
	var err error
	if err = m.message(&r.Header, &r.Trailer, &r.Body); err != nil {
		return nil, err
	}
	if f.Response != nil {
		s := *f.Response
		s.Reason = m.text(s.Reason, "text", inText)
		if err = m.message(&s.Header, &s.Trailer, &s.Body); err != nil {
			return nil, err
		}
		out.Response = &s
	}
	if f.WebSocket != nil {
		ws := *f.WebSocket
		ws.Messages = m.messages(ws.Messages, f.Stream)
		ws.CloseReason = m.text(ws.CloseReason, "message", inText)
		out.WebSocket = &ws
	}
	if f.Error != nil {
		e := *f.Error
		e.Message = m.text(e.Message, "text", inText)
		out.Error = &e
	}
	for _, c := range []*flow.Conn{&out.Client, &out.Server} {
		c.Address, c.SNI, c.Error = m.text(c.Address, "text", inText), m.text(c.SNI, "text", inText), m.text(c.Error, "text", inText)
	}
	out.Comment = m.text(f.Comment, "text", inText)
	out.Metadata, _ = m.value(f.Metadata).(map[string]any)
	return &out, nil
}

// message replaces the secrets of a request's or response's header, trailer and body.
func (m *Masker) message(h, trailer *exchange.Header, b *flow.Body) error {
	before := *h
	*h, *trailer = m.header(*h), m.header(*trailer)
	return m.body(before, h, b)
}

func (m *Masker) header(h exchange.Header) exchange.Header {
	var out exchange.Header
	for i, f := range h {
		if v := m.headerField(f, false); v != f.Value {
			if out == nil {
				out = h.Clone()
			}
			out[i].Value = v
		}
	}
	if out == nil {
		return h
	}
	return out
}

// body replaces the secrets of a body. The length in the header follows it.
func (m *Masker) body(before exchange.Header, h *exchange.Header, b *flow.Body) error {
	if b.Missing || b.Size == 0 {
		return nil
	}
	plain, more, err := capture.Decoded(before, b.Blob, maxBody)
	encodings := exchange.Encodings(before)
	if err != nil && len(encodings) == 0 {
		return err
	}
	as := inText
	if b.Partial || err != nil {
		as = inPart
	}
	masked := m.bytes(plain, "body", as)
	changed := len(plain) > 0 && &masked[0] != &plain[0]
	raw := !changed && len(encodings) > 0 && !more
	if raw { // secrets that stand in the encoded bytes: a header may lie about its encoding
		if plain, more, err = capture.Decoded(nil, b.Blob, maxBody); err != nil {
			return err
		}
		masked = m.bytes(plain, "body", inText)
		changed, encodings = len(plain) > 0 && &masked[0] != &plain[0], nil
	}
	switch {
	case more, changed && err != nil:
		m.LeftOut++
		*b = flow.Body{Blob: capture.Blob{Size: b.Size, Truncated: true}, Missing: true}
		return nil
	case !changed:
		return nil
	}
	if masked, err = encoded(masked, encodings); err != nil {
		return err
	}
	b.Blob = capture.Blob{Size: int64(len(masked)), Data: masked, Truncated: b.Truncated, Partial: b.Partial}
	if h.Has("Content-Length") {
		out := h.Clone()
		out.Set("Content-Length", strconv.Itoa(len(masked)))
		*h = out
	}
	return nil
}

// encoded applies content encodings, the first one first.
func encoded(data []byte, encodings []string) ([]byte, error) {
	for _, name := range encodings {
		var buf bytes.Buffer
		var w io.WriteCloser
		switch name {
		case "gzip", "x-gzip":
			w = gzip.NewWriter(&buf)
		case "deflate":
			w = zlib.NewWriter(&buf)
		case "br":
			w = brotli.NewWriterLevel(&buf, flate.DefaultCompression)
		case "zstd":
			z, err := zstd.NewWriter(&buf, zstd.WithEncoderConcurrency(1))
			if err != nil {
				return nil, err
			}
			w = z
		default:
			return nil, fmt.Errorf("content-encoding %q: expected gzip, deflate, br or zstd", name)
		}
		if _, err := w.Write(data); err != nil {
			return nil, err
		}
		if err := w.Close(); err != nil {
			return nil, err
		}
		data = buf.Bytes()
	}
	return data, nil
}

// messages replaces the secrets of messages. The pieces of a stream are looked at
// together, for a secret may begin in one and end in another.
func (m *Masker) messages(list []flow.Message, stream bool) []flow.Message {
	if len(list) == 0 {
		return list
	}
	out := slices.Clone(list)
	if !stream {
		for i := range out {
			as := inText
			if out[i].Dropped {
				as = inPart
			}
			out[i].Data = m.bytes(out[i].Data, "message", as)
		}
		return out
	}
	for _, fromClient := range []bool{false, true} {
		all := joined(list, fromClient)
		marks := m.marks(all, inText)
		if len(marks) == 0 {
			continue
		}
		m.Places["message"] += len(marks)
		at := 0
		for i := range out {
			if out[i].FromClient == fromClient {
				n := len(list[i].Data)
				out[i].Data = replace(all[at:at+n], within(marks, at, at+n))
				at += n
			}
		}
	}
	return out
}

// joined returns the bytes of all messages of one side.
func joined(list []flow.Message, fromClient bool) []byte {
	var all []byte
	for i := range list {
		if list[i].FromClient == fromClient {
			all = append(all, list[i].Data...)
		}
	}
	return all
}

// within returns the parts of marks that lie between from and to, counted from from.
func within(marks []mark, from, to int) (list []mark) {
	for _, k := range marks {
		if k.to > from && k.from < to {
			list = append(list, mark{max(k.from, from) - from, min(k.to, to) - from, k.id, false})
		}
	}
	return list
}

// value returns a value of a flow's metadata with its secrets replaced.
func (m *Masker) value(v any) any {
	switch v := v.(type) {
	case string:
		return m.text(v, "text", inText)
	case []byte:
		return m.bytes(v, "text", inText)
	case []any:
		out := slices.Clone(v)
		for i := range out {
			out[i] = m.value(out[i])
		}
		return out
	case map[string]any:
		out := maps.Clone(v)
		for k, one := range out {
			if text, ok := one.(string); ok && m.secretName(k, false) && m.id(text) > 0 {
				out[k] = fmt.Sprintf("MASKED-%d", m.id(text))
				m.Places["text"]++
				continue
			}
			out[k] = m.value(one)
		}
		return out
	}
	return v
}
