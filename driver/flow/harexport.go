package flow

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
	"starproxy/driver/capture"
)

// maxForm is the largest form whose fields are exported, in bytes.
const maxForm = 64 << 10

// WriteHAR writes flows as a HAR 1.2 document, one after the other. A HAR has no place for
// TCP streams: they are left out, and the comment of the log counts them. creator is the
// version of this program, that of the build when empty. Bodies are written without their
// content encoding, in base64 when they are not text. WriteHAR ends at the first error of
// flows.
func WriteHAR(w io.Writer, flows iter.Seq2[*Flow, error], creator string) error {
	if creator == "" {
		creator = Version()
	}
	h := &harWriter{w: bufio.NewWriterSize(w, 64<<10), servers: map[string]bool{}}
	h.json(`{"log":{"version":"1.2","creator":`, map[string]string{"name": "starproxy", "version": creator, "comment": ""})
	h.raw(`,"pages":[],"entries":[`)
	first, streams := true, 0
	for f, err := range flows {
		if err != nil {
			return err
		}
		if f.Stream {
			streams++
			continue
		}
		if !first {
			h.raw(",")
		}
		h.raw("\n")
		first = false
		h.entry(f)
		if h.err != nil {
			return fmt.Errorf("write flow %s %s: %w", f.Request.Method, f.Request.Path, h.err)
		}
	}
	h.raw("\n]")
	if streams > 0 {
		h.json(`,"comment":`, fmt.Sprintf("%d TCP stream(s) are left out", streams))
	}
	h.raw("}}\n")
	if h.err == nil {
		h.err = h.w.Flush()
	}
	return h.err
}

// harWriter writes entries. It does nothing after an error.
type harWriter struct {
	w       *bufio.Writer
	servers map[string]bool // connections that were in an entry
	err     error
}

func (h *harWriter) raw(s string) {
	if h.err == nil {
		_, h.err = h.w.WriteString(s)
	}
}

// json writes before and v.
func (h *harWriter) json(before string, v any) {
	h.raw(before)
	h.put(h.encode(v))
}

// open writes before and the object v, but for its last brace.
func (h *harWriter) open(before string, v any) {
	h.raw(before)
	b := h.encode(v)
	h.put(b[:max(len(b)-1, 0)])
}

func (h *harWriter) put(b []byte) {
	if h.err == nil {
		_, h.err = h.w.Write(b)
	}
}

func (h *harWriter) encode(v any) []byte {
	b, err := jsonvalue.Append(nil, v)
	if err != nil && h.err == nil {
		h.err = err
	}
	return b
}

// body writes the object t, its text being that of a body.
func (h *harWriter) body(before string, t *harText, m *harBody) {
	h.open(before, t)
	if !m.missing {
		h.raw(`,"text":"`)
		if h.err == nil {
			h.err = m.writeTo(h.w)
		}
		h.raw(`"`)
	}
	h.raw("}")
}

func (h *harWriter) entry(f *Flow) {
	request, err := measure(f.Request.Header, f.Request.Body)
	if err != nil {
		h.err = fmt.Errorf("body of the request: %w", err)
		return
	}
	var response harBody
	if f.Response != nil {
		if response, err = measure(f.Response.Header, f.Response.Body); err != nil {
			h.err = fmt.Errorf("body of the response: %w", err)
			return
		}
	}
	timings := h.timings(f)
	started := f.Request.Start
	if started.IsZero() {
		started = f.Created
	}
	if started.IsZero() {
		started = time.Unix(0, 0)
	}
	h.json(`{"startedDateTime":`, started.UTC().Format(harTime))
	h.json(`,"time":`, timings.sum())
	h.request(&f.Request, &request)
	h.response(f, &response)
	h.json(`,"cache":{},"timings":`, timings)
	if host, _, ok := splitAddress(f.Server.Peer); ok {
		h.json(`,"serverIPAddress":`, legible(host))
	}
	if f.Comment != "" {
		h.json(`,"comment":`, legible(f.Comment))
	}
	if f.Client.ID != "" {
		h.json(`,"connection":`, legible(f.Client.ID))
	}
	if p := f.Fingerprint(); p != (Fingerprint{}) {
		h.json(`,"_tls":`, harHello(p))
	}
	if f.WebSocket != nil {
		h.raw(`,"_resourceType":"websocket","_webSocketMessages":[`)
		for i := range f.WebSocket.Messages {
			if i > 0 {
				h.raw(",")
			}
			h.json("", harSocketOf(&f.WebSocket.Messages[i]))
		}
		h.raw("]")
	}
	h.raw("}")
}

func (h *harWriter) request(r *Request, body *harBody) {
	out := harRequest{Method: legible(r.Method), URL: legible(prettyURL(r)), Query: harPairs(exchange.Pairs(exchange.QueryOf(r.Path))),
		harMessage: harMessageOf(r.Proto, r.Header, r.Trailer, r.Body)}
	out.Cookies = []harCookie{}
	for name, value := range exchange.Cookies(r.Header) {
		out.Cookies = append(out.Cookies, harCookie{Name: legible(name), Value: legible(value)})
	}
	h.open(`,"request":`, out)
	switch method := strings.ToUpper(r.Method); {
	case method == "POST", method == "PUT", method == "PATCH", body.size > 0, body.missing:
		t := &harText{MimeType: legible(r.Header.Get("Content-Type")), Comment: body.comment, Encoding: encodingOf(body)}
		if strings.HasPrefix(strings.ToLower(t.MimeType), "application/x-www-form-urlencoded") && body.size <= maxForm {
			t.Params = harPairs(exchange.FormPairs(body.data, t.MimeType))
		}
		h.body(`,"postData":`, t, body)
	}
	h.raw("}")
}

func (h *harWriter) response(f *Flow, body *harBody) {
	r := f.Response
	if r == nil {
		out := harResponse{harMessage: harMessage{Cookies: []harCookie{}, Headers: []harPair{}, HeadersSize: -1, BodySize: -1},
			Content: &harText{Size: new(int64)}}
		if f.Error != nil {
			out.Error = legible(f.Error.Message)
		}
		h.json(`,"response":`, out)
		return
	}
	out := harResponse{Status: r.Status, StatusText: legible(r.Reason), RedirectURL: legible(r.Header.Get("Location")),
		harMessage: harMessageOf(r.Proto, r.Header, r.Trailer, r.Body)}
	if f.Error != nil {
		out.Error = legible(f.Error.Message)
	}
	out.Cookies = []harCookie{}
	for _, c := range exchange.SetCookies(r.Header) {
		out.Cookies = append(out.Cookies, harCookieOf(c))
	}
	size := body.size
	if body.missing {
		size, _ = strconv.ParseInt(r.Header.Get("Content-Length"), 10, 64)
		size = max(size, 0)
	}
	t := &harText{Size: &size, MimeType: legible(r.Header.Get("Content-Type")), Comment: body.comment, Encoding: encodingOf(body)}
	if !body.missing {
		t.Compression = body.size - r.Body.Size
	}
	h.open(`,"response":`, out)
	h.body(`,"content":`, t, body)
	h.raw("}")
}

// timings returns the timings of a flow. The time to connect counts for the first flow of a
// connection.
func (h *harWriter) timings(f *Flow) harTimings {
	if p := f.phases(); p != (capture.Phases{}) {
		return timingsOf(p, f)
	}
	t := harTimings{Blocked: -1, DNS: -1, Connect: -1, SSL: -1, Send: between(f.Request.Start, f.Request.End)}
	if s := &f.Server; !h.servers[s.ID] {
		h.servers[s.ID] = s.ID != ""
		if !s.Start.IsZero() && !s.Connected.IsZero() {
			t.Connect = between(s.Start, s.Connected)
		}
		if !s.Connected.IsZero() && !s.TLSSetup.IsZero() {
			t.SSL = between(s.Connected, s.TLSSetup)
		}
	}
	if r := f.Response; r != nil {
		t.Wait, t.Receive = between(f.Request.End, r.Start), between(r.Start, r.End)
	}
	return t
}

// between returns the milliseconds from one time to another, 0 if one is not known.
func between(a, b time.Time) float64 {
	if a.IsZero() || b.Before(a) {
		return 0
	}
	return float64(b.Sub(a).Microseconds()) / 1000
}

func encodingOf(b *harBody) string {
	if b.base64 && !b.missing {
		return "base64"
	}
	return ""
}

func harMessageOf(proto string, header, trailer exchange.Header, body Body) harMessage {
	m := harMessage{Proto: legible(proto), Headers: []harPair{}, BodySize: body.Size}
	if body.Missing {
		m.BodySize = -1
	}
	for _, f := range header {
		m.Headers = append(m.Headers, harPair{legible(f.Name), legible(f.Value)})
		m.HeadersSize += int64(len(f.Name) + len(f.Value) + 4)
	}
	for _, f := range trailer {
		m.Trailers = append(m.Trailers, harPair{legible(f.Name), legible(f.Value)})
	}
	return m
}

func harSocketOf(m *Message) harSocketMessage {
	out := harSocketMessage{Type: "receive", Opcode: 1}
	if m.FromClient {
		out.Type = "send"
	}
	if !m.Time.IsZero() {
		out.Time = float64(m.Time.UnixMicro()) / 1e6
	}
	if m.Binary {
		out.Opcode, out.Data = 2, base64.StdEncoding.EncodeToString(m.Data)
	} else {
		out.Data = legible(string(m.Data))
	}
	return out
}

// prettyURL returns the URL of a request with the host of its Host header.
func prettyURL(r *Request) string {
	host := r.Authority
	if host == "" {
		host = r.Header.Get("Host")
	}
	if host, _ = exchange.SplitAuthority(host, r.Port); host == "" {
		host = r.Host
	}
	path := r.Path
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // that of OPTIONS may be *
	}
	x := exchange.Request{Scheme: r.Scheme, Host: host, Port: r.Port, Target: path}
	return x.URL()
}

// harPairs returns the pairs of a query or a form, in their order.
func harPairs(of iter.Seq2[string, string]) []harPair {
	pairs := []harPair{}
	for name, value := range of {
		pairs = append(pairs, harPair{legible(name), legible(value)})
	}
	return pairs
}

// harCookieOf returns a cookie that a server set.
func harCookieOf(c exchange.SetCookie) harCookie {
	text := func(name string) string {
		value, _ := c.Attribute(name)
		return legible(value)
	}
	_, httpOnly := c.Attribute("HttpOnly")
	_, secure := c.Attribute("Secure")
	return harCookie{legible(c.Name), legible(c.Value), text("Path"), text("Domain"), httpOnly, secure, text("SameSite")}
}

// legible returns s as UTF-8. Other bytes are read as Latin-1.
func legible(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}
