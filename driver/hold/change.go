package hold

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"starproxy/builtins/exchange"
	"starproxy/builtins/value"
)

// Change is a change of a held message. It fits the Held for which it was parsed.
type Change struct {
	method, url string // as it goes on
	status      int
	header      exchange.Header
	body        []byte // without a content encoding
	bodied      bool   // the body is another one
}

// ParseChange reads a change of a held exchange, a JSON object. All of its keys may be
// left out:
//
//	method, url   of a request; url is a full URL or a path
//	status        of a response
//	headers       a list of [name, value] in place of all lines, or an object of the lines
//	              that change, in which null removes one
//	body          a text without content encoding, or another value, which is sent as JSON
//	body_base64   bytes in its place
func ParseChange(text string, h *Held) (*Change, error) {
	m, keys := h.held(), []string{"method", "url", "headers", "body", "body_base64"}
	if h.Side == Response {
		keys = []string{"status", "headers", "body", "body_base64"}
	}
	d, err := parseDraft(text, keys...)
	if err != nil {
		return nil, err
	}
	c := &Change{method: m.Method, url: m.URL, status: m.Status}
	if d.method != nil {
		c.method = *d.method
	}
	if d.url != nil {
		c.url = *d.url
		if err := value.SetURL(&exchange.Request{Scheme: "http", Host: "localhost", Port: 80}, c.url); err != nil {
			return nil, fmt.Errorf("url: %w", err)
		}
	}
	if d.status != nil {
		c.status = *d.status
	}
	if c.header, err = d.header(m.Header); err != nil {
		return nil, err
	}
	if err := c.setBody(d.body, m); err != nil {
		return nil, err
	}
	if len(c.body) > 0 && h.Side == Response && exchange.Bodiless(h.Request.Method, c.status) {
		return nil, fmt.Errorf("body: a response with the status %d has none", c.status)
	}
	return c, nil
}

// setBody sets the body, if it is another one than that of m.
func (c *Change) setBody(b *content, m *Message) error {
	if b == nil {
		return nil
	}
	if b.text {
		if text, ok := m.Text(); ok && text == string(b.data) {
			return nil
		}
	} else if bytes.Equal(b.data, m.plain) {
		return nil
	}
	if m.Fixed != "" {
		return errors.New("body: it can't be edited: " + m.Fixed)
	}
	if b.kind != "" && !c.header.Has("Content-Type") {
		c.header.Add("Content-Type", b.kind)
	}
	data, err := b.bytes(c.header)
	c.body, c.bodied = data, true
	return err
}

// framed returns the header with lines that fit the body. Size is the length of the body,
// -1 for that of before.
func framed(h, before exchange.Header, size int) exchange.Header {
	if size < 0 {
		lengths := before.Values("Content-Length")
		if slices.Equal(lengths, h.Values("Content-Length")) {
			return h
		}
		if len(lengths) == 0 {
			h.Del("Content-Length")
		} else {
			h.Set("Content-Length", lengths...)
		}
		return h
	}
	for _, name := range [...]string{"Content-Encoding", "Trailer"} {
		h.Del(name)
	}
	if h.Has("Content-Length") {
		h.Set("Content-Length", strconv.Itoa(size))
	}
	return h
}

// apply changes a request, and returns what it changed.
func (c *Change) apply(q *exchange.Request, h *Held) []exchange.Edit {
	m := &h.Request
	q.Method = c.method
	size := -1
	if c.bodied {
		size = len(c.body)
		q.Trailer, q.ContentLength, q.Body = nil, int64(size), nil
		if size > 0 {
			q.Body = exchange.NewReplacement(c.body)
		}
	}
	header := framed(c.header, m.Header, size)
	if size > 0 && !header.Has("Content-Length") {
		header.Add("Content-Length", strconv.Itoa(size))
	}
	value.ChangeHeader(q, func(h *exchange.Header) { *h = header })
	if c.url != m.URL {
		host := q.Header.Get("Host")
		_ = value.SetURL(q, c.target(q)) // it was tried
		if host != m.Header.Get("Host") {
			value.ChangeHeader(q, func(h *exchange.Header) { h.Set("Host", host) })
		}
	}
	edits := edited(string(Request), m, q.Header, c)
	edits = append(edits, changed(string(Request), "url", m.URL, q.URL())...)
	return append(edits, changed(string(Request), "method", m.Method, q.Method)...)
}

// target returns the URL of the change, but a path alone if it names the same server: the
// connection still leads to the address that the device meant.
func (c *Change) target(q *exchange.Request) string {
	server := strings.TrimSuffix(q.URL(), q.Target)
	if rest, same := strings.CutPrefix(c.url, server); same && strings.HasPrefix(rest, "/") {
		return rest
	}
	return c.url
}

// respond returns the response that res becomes, and what is changed in it. A body that
// is replaced is closed.
func (c *Change) respond(res *exchange.Response, m *Message) (*exchange.Response, []exchange.Edit) {
	size := -1
	if c.bodied {
		size = len(c.body)
	}
	out := res.Clone()
	out.Header = framed(c.header, m.Header, size)
	if c.bodied {
		closeBody(res)
		out.Body, out.Trailer = exchange.Bytes(c.body), nil
	}
	if out.Status = c.status; c.status != m.Status {
		out.Reason = ""
	}
	edits := edited(string(Response), m, out.Header, c)
	edits = append(edits, changed(string(Response), "status", strconv.Itoa(m.Status), strconv.Itoa(c.status))...)
	if len(edits) > 0 {
		out.Origin = res.Origin.Changed()
	}
	return out, edits
}

// edited returns the edits of header and body.
func edited(side string, m *Message, header exchange.Header, c *Change) []exchange.Edit {
	edits := exchange.EditedHeader(byHand, side, m.Header, header)
	if c.bodied {
		after := Message{Header: header, plain: c.body, Whole: true}
		edits = append(edits, changed(side, "body", m.told(), after.told())...)
	}
	return edits
}

// changed returns the edit of a part, none if it is as before.
func changed(side, part, before, after string) []exchange.Edit {
	return exchange.EditOf(byHand, side, part, before, after)
}

// byHand is who makes the edits of this package.
const byHand = "hand"

// told returns the body as text, or its size.
func (m *Message) told() string {
	if text, ok := m.Text(); ok {
		return text
	}
	return fmt.Sprintf("%d bytes that are no text", len(m.plain))
}

// Answer is a response by hand.
type Answer struct {
	status int
	header exchange.Header
	body   []byte
}

// ParseAnswer reads a response by hand, a JSON object with the keys status (200 without
// it), headers, body and body_base64, see [ParseChange].
func ParseAnswer(text string) (*Answer, error) {
	d, err := parseDraft(text, "status", "headers", "body", "body_base64")
	if err != nil {
		return nil, err
	}
	a := &Answer{status: 200}
	if d.status != nil {
		a.status = *d.status
	}
	if a.header, err = d.header(nil); err != nil || d.body == nil {
		return a, err
	}
	if !a.header.Has("Content-Type") {
		kind := d.body.kind
		if kind == "" && d.body.text {
			kind = "text/plain; charset=utf-8"
		}
		if kind != "" {
			a.header.Add("Content-Type", kind)
		}
	}
	a.body, err = d.body.bytes(a.header)
	return a, err
}

// response returns the answer to a request.
func (a *Answer) response(method string) *exchange.Response {
	res := &exchange.Response{Status: a.status, Header: a.header.Clone(), Origin: exchange.FromMock}
	res.Header.Del("Content-Length")
	if !exchange.Bodiless(method, a.status) {
		res.Body = exchange.Bytes(a.body)
	}
	return res
}

// replaced returns what is different in a response by hand.
func replaced(m *Message, res *exchange.Response) []exchange.Edit {
	side := string(Response)
	edits := changed(side, "status", strconv.Itoa(m.Status), strconv.Itoa(res.Status))
	edits = append(edits, exchange.EditedHeader(byHand, side, m.Header, res.Header)...)
	body, _ := res.Body.(exchange.Bytes)
	after := Message{Header: res.Header, plain: body, Whole: true}
	return append(edits, changed(side, "body", m.told(), after.told())...)
}
