package filter

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// maxSearched is how much of a decoded body is searched, in bytes.
const maxSearched = 16 << 20

// side is one half of an exchange.
type side uint8

const (
	request side = iota
	response
)

// subject is an entry that an expression is matched against. It makes header
// blocks and decoded bodies at the first use and keeps them for later operators.
type subject struct {
	e        *capture.Entry
	messages Messages
	notes    Annotations
	max      int64 // how much of a decoded body is looked at, in bytes; 0 for maxSearched

	blocks [2]*string
	bodies [2]*[]byte
}

// http reports whether the entry is an HTTP exchange, or the end of a WebSocket.
func (s *subject) http() bool {
	return s.e.Kind == capture.HTTP || s.e.Kind == capture.SocketEnd && !s.e.Stream()
}

// refused reports whether the entry is a request that the proxy refused.
func (s *subject) refused() bool { return s.e.Kind == capture.Refused }

// answered reports whether there is a response. The proxy's own answer in place
// of an unreachable server does not count.
func (s *subject) answered() bool { return s.http() && s.e.Status != 0 && !s.e.Unreachable() }

func (s *subject) websocket() bool {
	switch s.e.Kind {
	case capture.Message, capture.SocketEnd:
		return s.e.Proto != capture.ProtoTCP
	case capture.HTTP:
		return s.e.Status == http.StatusSwitchingProtocols && s.e.RequestHeader.HasToken("Upgrade", "websocket")
	}
	return false
}

func (s *subject) replayed(*argument) bool { return s.e.Origin == exchange.FromReplay }

// method matches the method as captures show it. For a refused request it matches
// the method as it was sent, too.
func (s *subject) method(re *pattern) bool {
	switch {
	case s.e.Kind == capture.Message:
		return false
	case s.e.Kind == capture.TLSError && s.e.Method == "":
		return re.text(http.MethodConnect)
	case s.refused() && re.text(capture.RefusedMethod):
		return true
	}
	return re.text(s.e.Method)
}

// named returns the host and port of the Host header. ok is false when they are
// those of the entry, or when there is no such header.
func (s *subject) named() (host string, port int, ok bool) {
	host, port = exchange.SplitAuthority(s.e.Authority, exchange.DefaultPort(s.e.Scheme))
	return host, port, host != "" && (host != s.e.Host || port != s.e.Port)
}

// url matches the URL as captures show it, and the URL with the host and port of
// the Host header.
func (s *subject) url(re *pattern) bool {
	if s.e.Kind == capture.Message {
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
	if s.e.Kind == capture.TLSError {
		return s.e.SNI != "" && re.text(s.e.SNI)
	}
	host, _, ok := s.named()
	return ok && re.text(host)
}

// device matches the address of the device and the name that it was given.
func (s *subject) device(re *pattern) bool {
	if !s.e.Client.IsValid() {
		return false
	}
	if re.text(s.e.Client.String()) {
		return true
	}
	if s.notes == nil {
		return false
	}
	name := s.notes.Device(s.e.Client.Addr().Unmap())
	return name != "" && re.text(name)
}

// server matches the address that was meant and the address that was reached.
func (s *subject) server(re *pattern) bool {
	return s.e.Host != "" && re.text(s.e.Addr()) || s.e.Server.Addr.IsValid() && re.text(s.e.Server.Addr.String())
}

// headers returns the header of one side, nil when there is none.
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

// block returns the header as an HTTP/1 message has it. For a request that was
// refused before its header was read, it returns all bytes that came.
func (s *subject) block(of side) string {
	if s.blocks[of] == nil {
		h := s.headers(of)
		if of == request {
			h = s.e.RequestLines()
		}
		var b strings.Builder
		for _, line := range capture.Lines(h) {
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

// tcp reports whether the entry is a TCP stream, its end or a piece of it.
func (s *subject) tcp() bool {
	return s.e.Stream() || s.e.Kind == capture.Message && s.e.Proto == capture.ProtoTCP
}

// body matches the bodies of the given sides, each message of a WebSocket, and
// each piece of a TCP stream.
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
	if s.messages == nil || s.e.Kind == capture.Message || !s.websocket() && !s.tcp() {
		return false
	}
	seq, found := s.e.Seq, false
	if s.e.Kind == capture.SocketEnd {
		seq = s.e.Socket
	}
	s.messages(seq, func(m *capture.Entry) bool {
		message := subject{e: m, max: s.max}
		found = message.body(re, sides...)
		return !found
	})
	return found
}

// otherText returns the text of a body in another charset than UTF-8, and nil for
// any other body.
func otherText(h exchange.Header, data []byte) []byte {
	if len(data) == 0 || !exchange.HasCharset(h.Get("Content-Type")) && !capture.IsText(capture.ContentType(h)) {
		return nil
	}
	text, charset := exchange.DecodeText(data, h.Get("Content-Type"))
	if charset == "" {
		return nil
	}
	return text
}

// read returns the decoded body of one side, nil when there is none.
func (s *subject) read(of side) []byte {
	if s.bodies[of] == nil {
		h, b := s.e.RequestHeader, s.e.RequestBody
		if of == response {
			h, b = s.e.ResponseHeader, s.e.ResponseBody
		}
		var data []byte
		message := s.e.Kind == capture.Message && s.e.FromClient == (of == request)
		if message || of == request && (s.http() || s.refused()) || of == response && s.answered() {
			data = readBody(h, b, cmp.Or(s.max, maxSearched))
		}
		s.bodies[of] = &data
	}
	return *s.bodies[of]
}

// readBody returns at most max bytes of a body with its content encoding undone, or
// unchanged when the encoding can't be undone.
func readBody(h exchange.Header, b capture.Blob, max int64) []byte {
	if len(exchange.Encodings(h)) == 0 && b.Data != nil {
		return b.Data[:min(int64(len(b.Data)), max)]
	}
	data, _, err := capture.Decoded(h, b, max)
	if err != nil && len(data) == 0 {
		data, _, _ = capture.Decoded(nil, b, max)
	}
	return data
}

// note returns the mark and the comment of the entry.
func (s *subject) note() (mark, comment string) {
	if s.notes == nil {
		return "", ""
	}
	return s.notes.Mark(s.e.Seq)
}

func (s *subject) mark() string {
	mark, _ := s.note()
	return mark
}

func (s *subject) comment() string {
	_, comment := s.note()
	return comment
}

// breaksContract reports whether a note tells a breach of the contract. A note about a part
// that was not checked tells none.
func (s *subject) breaksContract() bool {
	return slices.ContainsFunc(s.e.Notes, func(n exchange.Note) bool {
		return n.Level == "warning" && strings.HasPrefix(n.Text, "contract: ")
	})
}

// metadata returns the origin, the endpoint, the source and the notes, one
// "key: value" line each.
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
