package hold

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
	"starproxy/driver/capture"
)

// Held is an exchange that is held on one side. It is a copy, which is not changed.
type Held struct {
	// ID is the number of the exchange: the one that it has among those in flight.
	ID   uint64
	Side Side
	// Since is when it began, Until when it goes on by itself.
	Since, Until time.Time
	Client       string
	Proto        string
	Request      Message
	// Response is nil on the side of the request.
	Response *Message
	// Endpoint is the key of the mock that answered; empty for none.
	Endpoint string

	decided chan decision // has room for the one decision
	full    bool          // too many others are held
}

// Message is a request or a response that is held.
type Message struct {
	Method, URL string // of a request
	Status      int    // of a response
	Header      exchange.Header
	// Body is the body as it came, or its beginning.
	Body []byte
	// Size is the announced length of the body in bytes, -1 if it is unknown.
	Size int64
	// Whole says that Body is all of the body.
	Whole bool
	// Fixed is the reason why the body can't be edited; empty if it can.
	Fixed string

	plain []byte // Body without its content encoding
}

// settle fills in what follows from the body.
func (m *Message) settle() {
	plain, err := exchange.Decode(m.Body, exchange.Encodings(m.Header), MaxBody)
	m.plain = plain
	switch {
	case !m.Whole: // of a part no decoder can find the end
	case errors.Is(err, exchange.ErrBodyTooLarge):
		m.Fixed = "it is larger than 1 MiB when its content encoding is undone"
	case err != nil:
		m.Fixed, m.plain = "its content encoding can't be undone: "+err.Error(), m.Body
	}
}

// Text returns the body as text, or reports false for one that is no text.
func (m *Message) Text() (string, bool) {
	whole := m.plain
	if !m.Whole {
		whole = trimRune(whole)
	}
	text, _, ok := capture.ReadText(whole, m.Header)
	return string(text), ok && utf8.Valid(text)
}

// trimRune returns b without an incomplete character at its end.
func trimRune(b []byte) []byte {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if c := b[len(b)-n]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-n:]) {
				return b[:len(b)-n]
			}
			break
		}
	}
	return b
}

// Row is a held exchange in one line, for JSON.
type Row struct {
	ID   uint64 `json:"id"`
	Side Side   `json:"side"`
	// Since is when it began to be held and Until when it goes on by itself, in seconds
	// since 1970.
	Since    float64 `json:"since"`
	Until    float64 `json:"until"`
	Client   string  `json:"client"`
	Protocol string  `json:"protocol"`
	Method   string  `json:"method"`
	URL      string  `json:"url"`
	Status   int     `json:"status,omitempty"` // of a response
	// Endpoint is the key of the mock that answered.
	Endpoint string `json:"endpoint,omitempty"`
}

// Row returns the row of a held exchange.
func (h *Held) Row() Row {
	r := Row{
		ID: h.ID, Side: h.Side, Since: capture.Seconds(h.Since), Until: capture.Seconds(h.Until), Client: h.Client, Protocol: h.Proto,
		Method: h.Request.Method, URL: h.Request.URL, Endpoint: h.Endpoint,
	}
	if h.Response != nil {
		r.Status = h.Response.Status
	}
	return r
}

// Detail is a held exchange with its messages, for JSON.
type Detail struct {
	Row
	Request  Shown  `json:"request"`
	Response *Shown `json:"response"` // null on the side of the request
}

// Shown is a message, for JSON.
type Shown struct {
	Method  string      `json:"method,omitempty"`
	URL     string      `json:"url,omitempty"`
	Status  int         `json:"status,omitempty"`
	Reason  string      `json:"reason,omitempty"` // the usual one of the status
	Headers [][2]string `json:"headers"`
	// Body is the body as text, with its content encoding undone. One that is no text is in
	// Base64.
	Body   string `json:"body"`
	Base64 string `json:"body_base64,omitempty"`
	// Size is the announced length of the body in bytes, -1 if it is unknown.
	Size int64 `json:"body_size"`
	// Fixed is the reason why the body can't be edited.
	Fixed string `json:"body_fixed,omitempty"`
}

// Detail returns a held exchange with its messages.
func (h *Held) Detail() Detail {
	d := Detail{Row: h.Row(), Request: h.Request.shown()}
	if h.Response != nil {
		s := h.Response.shown()
		d.Response = &s
	}
	return d
}

// held returns the message that is held.
func (h *Held) held() *Message {
	if h.Response != nil {
		return h.Response
	}
	return &h.Request
}

// maxShown is the largest text that is shown as one, in bytes of JSON. A text with so many
// control characters that it is larger is shown in Base64: clients refuse answers of 4 MiB.
const maxShown = MaxBody * 3 / 2

func (m *Message) shown() Shown {
	s := Shown{Method: m.Method, URL: strings.ToValidUTF8(m.URL, "\ufffd"), Status: m.Status, Reason: http.StatusText(m.Status),
		Headers: capture.Lines(m.Header), Size: m.Size, Fixed: m.Fixed}
	if text, ok := m.Text(); ok && len(jsonvalue.AppendText(nil, text)) <= maxShown {
		s.Body = text
	} else {
		s.Base64 = base64.StdEncoding.EncodeToString(m.plain)
	}
	return s
}
