package view

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
	"starproxy/driver/capture"
	"starproxy/driver/handshake"
	"starproxy/driver/render"
)

// detail returns everything about a captured exchange except its bodies: the event
// that clients of the stock driver get, and more.
func (s *Service) detail(_ context.Context, seq int) (map[string]json.RawMessage, error) {
	e, err := s.Entry("get_capture", seq)
	if err != nil {
		return nil, err
	}
	all := rawJSON(s.Journal.Event(e))
	delete(all, "body") // their own method gives them
	delete(all, "response_body")
	more := map[string]any{
		"timing":                 timing(e),
		"start":                  capture.Seconds(e.Start),
		"tls":                    map[string]any{"client": shownTLS(e.ClientTLS), "server": shownTLS(e.Server.TLS)},
		"handshake":              s.handshake(e),
		"request_cookies":        pairs(exchange.Cookies(e.RequestHeader)),
		"response_cookies":       responseCookies(e.ResponseHeader),
		"query_list":             pairs(exchange.Pairs(exchange.QueryOf(e.Target))),
		"trailers_list":          trailers(e.RequestTrailer),
		"response_trailers_list": trailers(e.ResponseTrailer),
		"curl":                   curl(e, ""),
		"why":                    s.why(e),
		"socket":                 s.socketState(e),
		"row":                    (&viewer{Service: s}).row(e),
	}
	if e.Kind == capture.Refused {
		more["came"] = visible(e.RequestBody.Data)
	}
	if e.Open = s.isOpen(e); e.Open {
		more["open"] = true
	}
	if e.Seq == 0 {
		more["seq"] = seq
	}
	if e.Server.Addr.IsValid() {
		more["server"] = e.Server.Addr.String()
	}
	more["mark"], more["comment"] = s.marks.Mark(e.Seq)
	for k, v := range more {
		b, err := jsonvalue.Append(nil, v)
		if err != nil {
			return nil, err
		}
		all[k] = b
	}
	return all, nil
}

// timing returns the phases of an exchange in milliseconds. Those of the way to the real
// server are left out when it was not asked, and those of connecting when the request went
// over a connection that was there already.
func timing(e *capture.Entry) map[string]float64 {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	t := map[string]float64{"uploaded_ms": ms(e.Uploaded), "answered_ms": ms(e.Answered), "duration_ms": ms(e.Duration)}
	p := e.Phases
	if p == (capture.Phases{}) {
		return t
	}
	t["asked_ms"], t["sent_ms"], t["headed_ms"] = ms(p.Asked), ms(p.Sent), ms(p.Headed)
	if !p.Reused {
		t["dns_ms"], t["connect_ms"], t["tls_ms"] = ms(p.DNS), ms(p.Connect), ms(p.TLS)
	}
	if p.Headed > 0 {
		t["wait_ms"], t["receive_ms"] = ms(p.Wait(e.Uploaded)), ms(max(e.Duration-p.Headed, 0))
	}
	return t
}

// handshake returns the TLS handshake of the device's connection, nil for none or when it
// is forgotten.
func (s *Service) handshake(e *capture.Entry) any {
	if e.ClientTLS.Version == 0 && e.Kind != capture.TLSError {
		return nil
	}
	h := s.Handshakes.Of(e.Client, e.Start)
	if h == nil {
		return nil
	}
	return h.View(handshake.TrustOf(s.Handshakes.List(0)))
}

// visible returns bytes as text that shows every byte. A backslash, and every byte that
// is no part of a printable character, is escaped as in a Go string. The escape of a
// line feed is followed by a line feed.
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

// shownTLS returns the names of what a handshake agreed on, nil when there was none.
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

// trailers returns the lines of a trailer, those of gRPC with the name of the status.
func trailers(h exchange.Header) [][2]string {
	list := [][2]string{}
	for _, f := range h {
		list = append(list, [2]string{strings.ToValidUTF8(f.Name, "\ufffd"), render.Trailer(f.Name, f.Value)})
	}
	return list
}

// pairs returns a list of names and values as valid UTF-8.
func pairs(all iter.Seq2[string, string]) [][2]string {
	list := [][2]string{}
	for name, value := range all {
		list = append(list, [2]string{strings.ToValidUTF8(name, "\ufffd"), strings.ToValidUTF8(value, "\ufffd")})
	}
	return list
}

// rawJSON returns the members of a JSON object, each as JSON text.
func rawJSON(b []byte) map[string]json.RawMessage {
	m := map[string]json.RawMessage{}
	json.Unmarshal(b, &m)
	return m
}

// socketState returns whether a WebSocket or a stream has ended, and how. It returns nil
// for any other exchange.
func (s *Service) socketState(e *capture.Entry) any {
	if e.Status != http.StatusSwitchingProtocols && e.Kind != capture.TCP {
		return nil
	}
	_, over := s.Sockets.Over(e.Seq)
	n, state := 0, map[string]any{"closed": over}
	for m := range s.Sockets.All(ofSocket(e.Seq)) {
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
