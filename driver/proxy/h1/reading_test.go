package h1

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"starproxy/builtins/exchange"
)

// reading is how a reader understands a message, without what they spell in ways
// of their own: the order of lines with different names, and the case of names.
type reading struct {
	Line    []string    `json:"line"`
	Host    string      `json:"host"` // that the request is for
	Header  [][2]string `json:"header"`
	Body    string      `json:"body"`
	Trailer [][2]string `json:"trailer"`
	Rest    string      `json:"rest"` // bytes behind the message
	Keep    bool        `json:"keep"` // whether the connection persists
	Error   string      `json:"error"`
}

// clean leaves out the lines that each reader takes for itself.
func (r reading) clean() reading {
	if r.Error != "" {
		return reading{Error: r.Error}
	}
	c := r
	c.Header, c.Trailer = sorted(r.Header), sorted(r.Trailer)
	c.Line = slices.Clone(r.Line)
	for i, word := range c.Line {
		switch before, rest, absolute := strings.Cut(word, "://"); {
		case i != 1 && strings.HasPrefix(word, "HTTP/1.") && word != "HTTP/1.0" && len(word) == len("HTTP/1.1"):
			c.Line[i] = "HTTP/1.1"
		case i == 1 && absolute && !strings.Contains(before, "/") && !strings.Contains(rest, "/"):
			c.Line[i] += "/"
		case i == 2:
			c.Line[i] = strings.TrimSpace(word)
		}
	}
	return c
}

func sorted(fields [][2]string) (kept [][2]string) {
	for _, f := range fields {
		f[0] = strings.ToLower(f[0])
		if !slices.Contains([]string{"host", "content-length", "transfer-encoding", "connection", "trailer"}, f[0]) {
			kept = append(kept, f)
		}
	}
	slices.SortStableFunc(kept, func(a, b [2]string) int { return cmp.Compare(a[0], b[0]) })
	return kept
}

// String is one line.
func (r reading) String() string {
	if r.Error != "" {
		return "refused: " + r.Error
	}
	var b strings.Builder
	fmt.Fprint(&b, short(strings.Join(r.Line, " ")))
	part := func(name, s string) {
		if s != "" {
			fmt.Fprintf(&b, ", %s %s", name, short(s))
		}
	}
	list := func(name string, fields [][2]string) {
		for i, f := range fields {
			if i == 3 {
				fmt.Fprintf(&b, ", %d more", len(fields)-3)
				break
			}
			part(name, f[0]+": "+f[1])
		}
	}
	part("host", r.Host)
	list("has", r.Header)
	part("body", r.Body)
	list("trailer", r.Trailer)
	part("rest", r.Rest)
	if !r.Keep {
		b.WriteString(", closes")
	}
	return b.String()
}

func short(s string) string {
	if len(s) > 90 {
		return strconv.QuoteToASCII(s[:20]) + fmt.Sprintf("… of %d bytes", len(s))
	}
	return strconv.QuoteToASCII(s)
}

func refusal(err error) reading {
	var e *Error
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return reading{Error: "incomplete"}
	case errors.As(err, &e):
		reason := e.Reason
		if before, _, ok := strings.Cut(reason, "it begins with "); ok {
			reason = before + "it begins in another way" // of which it tells what has come
		}
		return reading{Error: fmt.Sprintf("%d %s", e.Status, reason)}
	}
	return reading{Error: err.Error()}
}

// parsed is a message that was read whole by our reader.
type parsed struct {
	request  *Request
	response *Response
	target   Target
	body     string
	trailer  exchange.Header
	rest     string
}

func parse(method string, br *bufio.Reader) (*parsed, error) {
	r, p := NewReader(br), &parsed{}
	var f Framing
	if method == "" {
		p.request = new(Request)
		if err := r.Request(p.request); err != nil {
			return nil, err
		}
		f = p.request.Body
		var err error
		if p.target, err = ParseTarget(p.request.Method, p.request.Target); err != nil {
			return nil, err
		}
	} else {
		p.response = new(Response)
		if err := r.Response(p.response, method); err != nil {
			return nil, err
		}
		f = p.response.Body
	}
	body, err := io.ReadAll(r.Body(f, func(h exchange.Header) { p.trailer = h }))
	if err != nil {
		return nil, err
	}
	p.body = string(body)
	rest, err := io.ReadAll(br)
	p.rest = string(rest)
	return p, err
}

// read is the message as we understand it.
func (m message) read() reading {
	p, err := parse(m.method, bufio.NewReaderSize(strings.NewReader(m.text), 16<<10))
	if err != nil {
		return refusal(err)
	}
	return p.reading()
}

func (p *parsed) reading() reading {
	r := reading{Body: p.body, Trailer: pairs(p.trailer), Rest: p.rest}
	if q := p.request; q != nil {
		r.Line, r.Header = []string{q.Method, q.Target, q.Proto}, pairs(q.Header)
		r.Host = cmp.Or(p.target.Authority, q.Header.Get("Host"))
		r.Keep = Persists(q.Proto, q.Header, q.Body)
		return r
	}
	s := p.response
	r.Line, r.Header = []string{s.Proto, strconv.Itoa(s.Status), s.Reason}, pairs(s.Header)
	r.Keep = Persists(s.Proto, s.Header, s.Body)
	return r
}

func pairs(h exchange.Header) (all [][2]string) {
	for _, f := range h {
		all = append(all, [2]string{f.Name, f.Value})
	}
	return all
}

// readByStandard is the message as net/http understands it.
func (m message) readByStandard() reading {
	br := bufio.NewReader(strings.NewReader(m.text))
	var r reading
	var body io.Reader
	var trailer func() http.Header
	var h http.Header
	if m.method == "" {
		q, err := http.ReadRequest(br)
		if err != nil {
			return refusal(err)
		}
		r.Line, r.Host, r.Keep = []string{q.Method, q.RequestURI, q.Proto}, q.Host, !q.Close
		h, body, trailer = q.Header, q.Body, func() http.Header { return q.Trailer }
	} else {
		s, err := http.ReadResponse(br, &http.Request{Method: m.method})
		if err != nil {
			return refusal(err)
		}
		_, reason, _ := strings.Cut(s.Status, " ")
		r.Line, r.Keep = []string{s.Proto, strconv.Itoa(s.StatusCode), reason}, !s.Close
		h, body, trailer = s.Header, s.Body, func() http.Header { return s.Trailer }
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return refusal(err)
	}
	rest, _ := io.ReadAll(br)
	r.Body, r.Rest = string(data), string(rest)
	r.Header, r.Trailer = ofStandard(h), ofStandard(trailer())
	return r
}

func ofStandard(h http.Header) (all [][2]string) {
	for name, values := range h {
		for _, v := range values {
			all = append(all, [2]string{name, v})
		}
	}
	return all
}
