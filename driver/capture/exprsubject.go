package capture

import (
	"net"
	"net/http"
	"strconv"
	"strings"

	"starproxy/builtins/exchange"
)

// maxSearched bounds what is read of one body to look for something, decoded.
const maxSearched = 16 << 20

// side is one half of an exchange.
type side uint8

const (
	request side = iota
	response
)

// subject is an entry that an expression is tried on. What takes work is done
// at most once, whatever the number of operators that need it.
type subject struct {
	e        *Entry
	messages func(seq uint64, yield func(*Entry) bool)
	marks    Annotations

	blocks [2]*string
	bodies [2]*[]byte
}

// http tells whether the entry is about an exchange.
func (s *subject) http() bool {
	return s.e.Kind == HTTP || s.e.Kind == SocketEnd && !s.e.Stream()
}

// refused tells whether the entry is about a request that was refused.
func (s *subject) refused() bool { return s.e.Kind == Refused }

// answered tells whether there is a response. What the proxy says in place of
// a real server that it can't reach is none.
func (s *subject) answered() bool { return s.http() && s.e.Status != 0 && !s.e.Unreachable() }

func (s *subject) websocket() bool {
	switch s.e.Kind {
	case Message, SocketEnd:
		return s.e.Proto != ProtoTCP
	case HTTP:
		return s.e.Status == http.StatusSwitchingProtocols && s.e.RequestHeader.HasToken("Upgrade", "websocket")
	}
	return false
}

func (s *subject) status(a *argument) bool {
	if !s.answered() {
		return false
	}
	for _, r := range a.ranges {
		if r[0] <= s.e.Status && s.e.Status <= r[1] {
			return true
		}
	}
	return false
}

func (s *subject) replayed(*argument) bool { return s.e.Origin == exchange.FromReplay }

// method looks at the method as captures show it, and at that of a refused request as
// it was sent.
func (s *subject) method(re *pattern) bool {
	switch {
	case s.e.Kind == Message:
		return false
	case s.e.Kind == TLSError && s.e.Method == "":
		return re.text(http.MethodConnect)
	case s.refused() && re.text(refusedMethod):
		return true
	}
	return re.text(s.e.Method)
}

// named is the host that the Host header names where that is another one.
func (s *subject) named() (host string, port int, ok bool) {
	port = exchange.DefaultPort(s.e.Scheme)
	if h, p, err := net.SplitHostPort(s.e.Authority); err == nil {
		host = h
		if n, err := strconv.Atoi(p); err == nil {
			port = n
		}
	} else {
		host = strings.Trim(s.e.Authority, "[]")
	}
	return host, port, host != "" && (host != s.e.Host || port != s.e.Port)
}

// url looks at the URL as captures show it and as the Host header makes it.
func (s *subject) url(re *pattern) bool {
	if s.e.Kind == Message {
		return false
	}
	if re.text(s.e.URL()) {
		return true
	}
	host, port, ok := s.named()
	if !ok {
		return false
	}
	e := *s.e
	e.Host, e.Port = host, port
	return re.text(e.URL())
}

func (s *subject) host(re *pattern) bool {
	if s.e.Host != "" && re.text(s.e.Host) {
		return true
	}
	if s.e.Kind == TLSError {
		return s.e.SNI != "" && re.text(s.e.SNI)
	}
	host, _, ok := s.named()
	return ok && re.text(host)
}

// server looks at the server that was meant and at the one that was reached.
func (s *subject) server(re *pattern) bool {
	return s.e.Host != "" && re.text(s.e.addr()) || s.e.Server.Addr.IsValid() && re.text(s.e.Server.Addr.String())
}

// headers are those of one side, nil when it has none.
func (s *subject) headers(of side) exchange.Header {
	switch {
	case of == request && (s.http() || s.refused()):
		return s.e.RequestHeader
	case of == response && s.answered():
		return s.e.ResponseHeader
	}
	return nil
}

func (s *subject) contentType(re *pattern, sides ...side) bool {
	for _, of := range sides {
		for _, v := range s.headers(of).Values("Content-Type") {
			if re.text(v) {
				return true
			}
		}
	}
	return false
}

func (s *subject) header(re *pattern, sides ...side) bool {
	for _, of := range sides {
		if of == request && !s.http() && !s.refused() || of == response && !s.answered() {
			continue
		}
		block := s.block(of)
		if re.text(block) || re.ends && re.text(strings.ReplaceAll(block, "\r\n", "\n")) {
			return true
		}
	}
	return false
}

// block is a header as it stands in a message of HTTP/1. Of what was refused before
// its header was read it is all that came.
func (s *subject) block(of side) string {
	if s.blocks[of] == nil {
		h := s.headers(of)
		if of == request {
			h = s.e.RequestLines()
		}
		var b strings.Builder
		for _, line := range list(h) {
			b.WriteString(line[0] + ": " + line[1] + "\r\n")
		}
		text := b.String()
		if s.refused() && text == "" {
			text = string(s.read(request))
		}
		s.blocks[of] = &text
	}
	return *s.blocks[of]
}

// tcp reports whether the entry is about a stream.
func (s *subject) tcp() bool { return s.e.Stream() || s.e.Kind == Message && s.e.Proto == ProtoTCP }

// body looks at bodies, at the messages of a WebSocket and at the bytes of a
// stream, piece by piece.
func (s *subject) body(re *pattern, sides ...side) bool {
	for _, of := range sides {
		data := s.read(of)
		if re.bytes(data) {
			return true
		}
		if text := otherText(s.headers(of), data); text != nil && re.bytes(text) {
			return true
		}
	}
	if s.messages == nil || s.e.Kind == Message || !s.websocket() && !s.tcp() {
		return false
	}
	seq, found := s.e.Seq, false
	if s.e.Kind == SocketEnd {
		seq = s.e.Socket
	}
	s.messages(seq, func(m *Entry) bool {
		message := subject{e: m}
		found = message.body(re, sides...)
		return !found
	})
	return found
}

// otherText is the text of a body whose bytes say it in another charset than
// UTF-8; nil for all else.
func otherText(h exchange.Header, data []byte) []byte {
	if len(data) == 0 || !exchange.HasCharset(h.Get("Content-Type")) && !IsText(ContentType(h)) {
		return nil
	}
	text, charset := exchange.DecodeText(data, h.Get("Content-Type"))
	if charset == "" {
		return nil
	}
	return text
}

// read gives a body decoded, nil when there is none.
func (s *subject) read(of side) []byte {
	if s.bodies[of] == nil {
		h, b := s.e.RequestHeader, s.e.RequestBody
		if of == response {
			h, b = s.e.ResponseHeader, s.e.ResponseBody
		}
		var data []byte
		message := s.e.Kind == Message && s.e.FromClient == (of == request)
		if message || of == request && (s.http() || s.refused()) || of == response && s.answered() {
			data = readBody(h, b)
		}
		s.bodies[of] = &data
	}
	return *s.bodies[of]
}

// readBody gives a body with its content encoding undone, or as it is when that
// can't be done.
func readBody(h exchange.Header, b Blob) []byte {
	if len(exchange.Encodings(h)) == 0 && b.Data != nil {
		return b.Data[:min(len(b.Data), maxSearched)]
	}
	data, _, err := Decoded(h, b, maxSearched)
	if err != nil && len(data) == 0 {
		data, _, _ = Decoded(nil, b, maxSearched)
	}
	return data
}

func (s *subject) mark() string {
	if s.marks == nil {
		return ""
	}
	mark, _ := s.marks.Mark(s.e.Seq)
	return mark
}

func (s *subject) comment() string {
	if s.marks == nil {
		return ""
	}
	_, comment := s.marks.Mark(s.e.Seq)
	return comment
}

// metadata is what flow files have as such, and the notes.
func (s *subject) metadata() string {
	var b strings.Builder
	line := func(key, value string) {
		if value != "" {
			b.WriteString(key + ": " + value + "\n")
		}
	}
	if s.http() {
		line("starproxy.origin", s.e.Origin.String())
	}
	line("starproxy.endpoint", s.e.Endpoint)
	line("starproxy.source", s.e.Source)
	for _, n := range s.e.Notes {
		line(n.Level, n.Text)
	}
	return strings.TrimSuffix(b.String(), "\n")
}
