package driver

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/filter"
	"starproxy/driver/rpc"
)

// maxCurl is up to which size a body stands in a curl command.
const maxCurl = 64 << 10

// getCapture tells all there is to know of a captured exchange but its bodies'
// bytes: the event that captures show, and more.
func (d *Driver) getCapture(_ context.Context, seq int) (string, error) {
	e, err := d.entry("get_capture", seq)
	if err != nil {
		return "", err
	}
	all := rawJSON(d.journal.Event(e))
	delete(all, "body") // their own method gives them
	delete(all, "response_body")
	more := map[string]any{
		"timing": map[string]float64{
			"uploaded_ms": e.Uploaded.Seconds() * 1000, "answered_ms": e.Answered.Seconds() * 1000, "duration_ms": e.Duration.Seconds() * 1000,
		},
		"start":            seconds64(e.Start.UnixMicro()),
		"tls":              map[string]any{"client": shownTLS(e.ClientTLS), "server": shownTLS(e.Server.TLS)},
		"request_cookies":  pairs(exchange.Cookies(e.RequestHeader)),
		"response_cookies": responseCookies(e.ResponseHeader),
		"query_list":       pairs(exchange.Pairs(exchange.QueryOf(e.Target))),
		"form":             formPairs(e),
		"curl":             curl(e),
		"why":              d.why(e),
		"socket":           d.socketState(e),
		"row":              (&view{d: d}).row(e),
	}
	if e.Kind == capture.Refused {
		more["came"] = visible(e.RequestBody.Data)
	}
	if e.Server.Addr.IsValid() {
		more["server"] = e.Server.Addr.String()
	}
	more["mark"], more["comment"] = d.notes.Mark(e.Seq)
	for k, v := range more {
		b, err := exchange.EncodeJSON(v)
		if err != nil {
			return "", err
		}
		all[k] = b
	}
	return rpc.JSON(all)
}

// visible writes bytes as text in which every byte can be told: what is no printable
// character is escaped as in a Go string, and so is a backslash. A line feed ends the
// line behind its escape.
func visible(b []byte) string {
	var s strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&s, `\x%02x`, b[0])
		case r == '\n':
			s.WriteString("\\n\n")
		case r == '\\' || !strconv.IsPrint(r):
			s.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		default:
			s.WriteRune(r)
		}
		b = b[n:]
	}
	return s.String()
}

// shownTLS is a handshake as people read it, nil for none.
func shownTLS(t exchange.TLS) any {
	if t.Version == 0 {
		return nil
	}
	return map[string]string{"version": tls.VersionName(t.Version), "cipher": tls.CipherSuiteName(t.Cipher), "alpn": t.ALPN}
}

func responseCookies(h exchange.Header) [][2]string {
	list := [][2]string{}
	for _, v := range h.Values("Set-Cookie") {
		name, rest, _ := strings.Cut(v, "=")
		list = append(list, [2]string{name, rest})
	}
	return list
}

// pairs makes a list of names and values, as JSON can have them.
func pairs(all iter.Seq2[string, string]) [][2]string {
	list := [][2]string{}
	for name, value := range all {
		list = append(list, [2]string{strings.ToValidUTF8(name, "\ufffd"), strings.ToValidUTF8(value, "\ufffd")})
	}
	return list
}

// maxForm is up to which size a body is taken apart as a form, and maxField up
// to which a field's value is shown, in bytes.
const (
	maxForm  = 1 << 20
	maxField = 10_000
)

// formPairs are the fields of a form, nil when the request has none.
func formPairs(e *capture.Entry) any {
	kind, params, err := mime.ParseMediaType(e.RequestHeader.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" && kind != "multipart/form-data" {
		return nil
	}
	data, more, err := capture.Decoded(e.RequestHeader, e.RequestBody, maxForm)
	if more || err != nil {
		return nil
	}
	if kind == "multipart/form-data" {
		return parts(data, params["boundary"])
	}
	return pairs(exchange.FormPairs(data, e.RequestHeader.Get("Content-Type")))
}

// parts are the fields of a multipart form (RFC 7578); of files it tells what
// they are.
func parts(data []byte, boundary string) any {
	list := [][2]string{}
	r := multipart.NewReader(bytes.NewReader(data), boundary)
	for {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return list
		}
		if err != nil {
			return nil
		}
		value, err := io.ReadAll(p)
		if err != nil {
			return nil
		}
		text := string(value)
		if len(value) > maxField {
			text = text[:maxField] + "…"
		}
		if name := p.FileName(); name != "" || !utf8.Valid(value) {
			text = strings.TrimSpace(fmt.Sprintf("%s (%s, %d bytes)", name, cmp.Or(p.Header.Get("Content-Type"), "no type"), len(value)))
		}
		list = append(list, [2]string{strings.ToValidUTF8(p.FormName(), "\ufffd"), strings.ToValidUTF8(text, "\ufffd")})
	}
}

// curl is the command that sends the request again.
func curl(e *capture.Entry) string {
	if e.Kind != capture.HTTP {
		return ""
	}
	var b strings.Builder
	b.WriteString("curl")
	switch {
	case e.Method == http.MethodHead:
		b.WriteString(" -I")
	case e.Method != http.MethodGet && !(e.Method == http.MethodPost && e.RequestBody.Size > 0):
		b.WriteString(" -X " + quoteShell(e.Method))
	}
	// Brackets and braces in a URL are not patterns.
	b.WriteString(" " + quoteShell(e.URL()) + " --globoff")
	for _, f := range e.RequestHeader {
		switch strings.ToLower(f.Name) {
		case "content-length", "proxy-connection":
			continue
		case "host":
			if f.Value = e.Authority; f.Value == hostOf(e) {
				continue
			}
		}
		b.WriteString(" \\\n  -H " + quoteShell(f.Name+": "+f.Value))
	}
	if e.RequestBody.Size > 0 {
		r, err := capture.OpenBody(e.RequestBody)
		if err != nil {
			return b.String() + " \\\n  --data-binary @BODY"
		}
		defer r.Close()
		var data bytes.Buffer
		data.ReadFrom(http.MaxBytesReader(nil, r, maxCurl))
		if int64(data.Len()) == e.RequestBody.Size && utf8.Valid(data.Bytes()) && bytes.IndexByte(data.Bytes(), 0) < 0 {
			b.WriteString(" \\\n  --data-raw " + quoteShell(data.String()))
		} else {
			b.WriteString(" \\\n  --data-binary @BODY")
		}
	}
	return b.String()
}

// hostOf is the Host header that curl sends by itself.
func hostOf(e *capture.Entry) string {
	u, err := url.Parse(e.URL())
	if err != nil {
		return ""
	}
	return u.Host
}

// quoteShell makes one word of s for a POSIX shell.
func quoteShell(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+=,") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// why tells what answered, or why no mock did.
func (d *Driver) why(e *capture.Entry) any {
	switch {
	case e.Kind != capture.HTTP:
		return nil
	case e.Origin == exchange.FromReplay:
		return map[string]any{"recording": e.Source}
	case e.Endpoint != "":
		w := map[string]any{"endpoint": e.Endpoint, "source": e.Source}
		if ep := d.mocks.table.Get(e.Endpoint); ep != nil && ep.Source.File != "" {
			w["file"], w["line"] = ep.Source.File, ep.Source.Line
		}
		return w
	}
	misses := []map[string]any{}
	r := d.run.Load()
	if d.mocks.table.Len() > 0 && (r == nil || r.mode == modeMock) {
		q := requestOf(e)
		for _, m := range d.mocks.table.Misses(q, 5) {
			misses = append(misses, map[string]any{"endpoint": m.Endpoint.Name, "source": m.Endpoint.Source.String(), "why": m.Why})
		}
	}
	return map[string]any{"misses": misses}
}

// requestOf makes the request of a captured exchange again.
func requestOf(e *capture.Entry) *exchange.Request {
	q := &exchange.Request{
		Method: e.Method, Scheme: e.Scheme, Host: e.Host, Port: e.Port, Target: e.Target, Proto: e.Proto,
		Authority: e.Authority, Header: e.RequestHeader, ContentLength: e.RequestBody.Size,
	}
	if e.RequestBody.Size > 0 {
		if r, err := capture.OpenBody(e.RequestBody); err == nil {
			var data bytes.Buffer
			data.ReadFrom(http.MaxBytesReader(nil, r, maxPiece))
			r.Close()
			q.Body = exchange.NewIncoming(&data, nil)
		}
	}
	return q
}

// socketState tells how a WebSocket or a stream stands, nil for what is neither.
func (d *Driver) socketState(e *capture.Entry) any {
	if e.Status != http.StatusSwitchingProtocols && e.Kind != capture.TCP {
		return nil
	}
	_, over := d.sockets.Over(e.Seq)
	n, state := 0, map[string]any{"closed": over}
	for m := range d.sockets.All(ofSocket(e.Seq)) {
		if m.Kind == capture.Message {
			n++
			continue
		}
		state["reason"], state["by"] = m.CloseReason, "server"
		if m.CloseCode != 0 { // a stream has none
			state["code"] = m.CloseCode
		}
		if m.FromClient {
			state["by"] = "client"
		}
		notes := []map[string]string{}
		for _, note := range m.Notes {
			notes = append(notes, map[string]string{"level": note.Level, "text": note.Text})
		}
		state["notes"] = notes
	}
	state["messages"] = n
	return state
}

// listFilterOperators and checkFilter help who writes an expression.
func (d *Driver) checkFilter(_ context.Context, text string) (string, error) {
	x, err := filter.Parse(text)
	if err != nil {
		return rpc.JSON(fault(err))
	}
	return rpc.JSON(map[string]any{"ok": true, "canonical": x.String()})
}

func (d *Driver) listFilterOperators(context.Context) (string, error) {
	return rpc.JSON(filter.Operators())
}

// rawJSON lets a JSON text stand in a larger one.
func rawJSON(b []byte) map[string]json.RawMessage {
	m := map[string]json.RawMessage{}
	json.Unmarshal(b, &m)
	return m
}
