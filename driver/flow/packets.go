package flow

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// packetWriter writes flows as packets.
type packetWriter struct {
	out blocks
	// open are the connections that may carry further exchanges, by the ids of the
	// devices' connections.
	open map[string][]*conversation
	used map[[2]netip.AddrPort]bool
	// hosts are the addresses of servers that have none, by host.
	hosts map[string]netip.Addr
	named map[netip.Addr]bool
	spare uint16 // the last port that was given to a connection whose own was taken
	err   error  // the first body that could not be read
}

func newPacketWriter(w io.Writer) *packetWriter {
	p := &packetWriter{
		out: blocks{w: bufio.NewWriter(w)}, open: map[string][]*conversation{}, used: map[[2]netip.AddrPort]bool{},
		hosts: map[string]netip.Addr{}, named: map[netip.Addr]bool{}, spare: 65535,
	}
	p.out.begin()
	return p
}

// end closes all connections.
func (p *packetWriter) end() error {
	var left []*conversation
	for _, list := range p.open {
		left = append(left, list...)
	}
	slices.SortFunc(left, func(a, b *conversation) int {
		return cmp.Or(a.last.Compare(b.last), a.ends[device].Compare(b.ends[device]), a.ends[server].Compare(b.ends[server]))
	})
	for _, c := range left {
		c.close(device, c.last)
	}
	if p.out.err == nil {
		p.out.err = p.out.w.Flush()
	}
	return cmp.Or(p.err, p.out.err)
}

// flow writes one exchange or stream.
func (p *packetWriter) flow(f *Flow) error {
	c := p.conversation(f)
	if f.Stream {
		c.stream(f)
	} else {
		p.exchange(c, f)
	}
	return cmp.Or(p.err, p.out.err)
}

// exchange writes a request, its response, and the messages of a WebSocket.
func (p *packetWriter) exchange(c *conversation, f *Flow) {
	r := &f.Request
	began := firstTime(r.Start, f.Created)
	head := fmt.Appendf(nil, "%s %s HTTP/1.1\r\n", oneLine(r.Method), oneLine(r.Path))
	lines := r.Header
	if !lines.Has("Host") {
		lines = append(exchange.HeaderOf("Host", cmp.Or(r.Authority, r.Host)), lines...)
	}
	p.message(c, device, f, packetMessage{
		start: head, header: lines, trailer: r.Trailer, body: r.Body, at: began, end: firstTime(r.End, began), comment: requestComment(f),
		mayFrame: r.Body.Size > 0,
	})
	c.acknowledge(server)
	if f.Response == nil {
		c.reset(server, c.last, excerpt.Cut(failureComment(f), maxComment))
		p.closed(f, c)
		return
	}
	s := f.Response
	head = fmt.Appendf(nil, "HTTP/1.1 %03d %s\r\n", s.Status, oneLine(s.Reason))
	p.message(c, server, f, packetMessage{
		start: head, header: s.Header, trailer: s.Trailer, body: s.Body, at: firstTime(s.Start, c.last), end: firstTime(s.End, c.last),
		comment: responseComment(f), mayFrame: s.Status >= 200 && !exchange.Bodiless(r.Method, s.Status),
	})
	c.acknowledge(device)
	if f.WebSocket != nil {
		c.webSocket(f.WebSocket)
		p.closed(f, c)
	}
}

// closed forgets a connection that has ended.
func (p *packetWriter) closed(f *Flow, c *conversation) {
	key := connectionKey(f)
	p.open[key] = slices.DeleteFunc(p.open[key], func(o *conversation) bool { return o == c })
}

// packetMessage is a request or response on its way into packets.
type packetMessage struct {
	start           []byte // the first line
	header, trailer exchange.Header
	body            Body
	at, end         time.Time
	comment         string
	mayFrame        bool // the message may have a line about its length
}

// message writes a request or a response.
func (p *packetWriter) message(c *conversation, from int, f *Flow, m packetMessage) {
	size := m.body.Size
	if m.body.Missing {
		size = 0
		if m.body.Size > 0 {
			m.comment += fmt.Sprintf("\nits body of %d bytes was not kept", m.body.Size)
		}
	}
	chunked := m.mayFrame && (m.header.HasToken("Transfer-Encoding", "chunked") || len(m.trailer) > 0)
	var b bytes.Buffer
	b.Write(m.start)
	hasLength := false
	for _, line := range m.header {
		name, value := line.Name, line.Value
		switch {
		case exchange.EqualName(name, "Transfer-Encoding") && !chunked,
			exchange.EqualName(name, "Content-Length") && (chunked || hasLength):
			continue
		case exchange.EqualName(name, "Content-Length") && m.mayFrame:
			hasLength = true
			if real := strconv.FormatInt(size, 10); value != real {
				m.comment += "\nContent-Length was " + value
				value = real
			}
		}
		fmt.Fprintf(&b, "%s: %s\r\n", oneLine(name), oneLine(value))
	}
	switch {
	case chunked && !m.header.Has("Transfer-Encoding"):
		b.WriteString("Transfer-Encoding: chunked\r\n")
	case m.mayFrame && !chunked && !hasLength:
		fmt.Fprintf(&b, "Content-Length: %d\r\n", size)
	}
	b.WriteString("\r\n")
	c.send(from, m.at, b.Bytes(), excerpt.Cut(m.comment, maxComment))
	if !m.mayFrame {
		return
	}
	c.at(m.end)
	p.body(c, from, m, size, chunked)
}

// body writes the bytes of a body.
func (p *packetWriter) body(c *conversation, from int, m packetMessage, size int64, chunked bool) {
	if size > 0 {
		r, err := capture.OpenBody(m.body.Blob)
		if err != nil {
			p.err = cmp.Or(p.err, err)
			return
		}
		defer r.Close()
		piece := make([]byte, min(size, maxSegment))
		for left := size; left > 0; {
			n, err := io.ReadFull(r, piece[:min(left, int64(len(piece)))])
			if err != nil {
				p.err = cmp.Or(p.err, err)
				return
			}
			left -= int64(n)
			if data := piece[:n]; chunked {
				c.send(from, m.end, fmt.Appendf(nil, "%x\r\n%s\r\n", n, data), "")
			} else {
				c.send(from, m.end, data, "")
			}
		}
	}
	if chunked {
		last := []byte("0\r\n")
		for _, line := range m.trailer {
			last = fmt.Appendf(last, "%s: %s\r\n", oneLine(line.Name), oneLine(line.Value))
		}
		c.send(from, m.end, append(last, "\r\n"...), "")
	}
}

// stream writes the bytes of a TCP stream and its end.
func (c *conversation) stream(f *Flow) {
	for _, m := range f.WebSocket.Messages {
		c.send(sender(m.FromClient), m.Time, m.Data, "")
	}
	if by := f.WebSocket.ClosedByClient; by != nil {
		c.close(sender(*by), f.WebSocket.End)
	}
}

// webSocket writes messages as frames (RFC 6455 section 5.2), and the end.
func (c *conversation) webSocket(ws *WebSocket) {
	for _, m := range ws.Messages {
		code := byte(1)
		if m.Binary {
			code = 2
		}
		c.send(sender(m.FromClient), m.Time, frame(code, m.FromClient, m.Data), "")
	}
	if ws.ClosedByClient == nil {
		return
	}
	from := sender(*ws.ClosedByClient)
	if ws.CloseCode >= 1000 && ws.CloseCode != 1005 && ws.CloseCode != 1006 {
		reason := append(binary.BigEndian.AppendUint16(nil, uint16(ws.CloseCode)), ws.CloseReason...)
		c.send(from, ws.End, frame(8, from == device, reason[:min(len(reason), 125)]), "")
	}
	c.close(from, ws.End)
}

// frame returns a frame of a WebSocket with a mask of zeros where it must have one.
func frame(code byte, masked bool, data []byte) []byte {
	b := []byte{0x80 | code}
	var mask byte
	if masked {
		mask = 0x80
	}
	switch n := len(data); {
	case n < 126:
		b = append(b, mask|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, mask|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, mask|127), uint64(n))
	}
	if masked {
		b = append(b, 0, 0, 0, 0)
	}
	return append(b, data...)
}

func sender(fromClient bool) int {
	if fromClient {
		return device
	}
	return server
}

// maxConcurrent bounds among how many connections a place for an exchange is looked for.
const maxConcurrent = 128

// requestComment tells of a request what its bytes do not show.
func requestComment(f *Flow) string {
	r := &f.Request
	url := exchange.Request{Scheme: r.Scheme, Host: r.Host, Port: r.Port, Target: r.Path}
	text := url.URL() + "\n" + r.Proto
	if f.Client.TLSVersion != "" {
		text += " over " + f.Client.TLSVersion
	}
	if f.Comment != "" {
		text += "\n" + f.Comment
	}
	return text
}

// responseComment tells who answered, and the notes of the exchange.
func responseComment(f *Flow) string {
	text := "answered by the real server"
	if origin, ok := f.Metadata[originKey].(string); ok {
		text = "answered by: " + origin
	}
	if endpoint, ok := f.Metadata[endpointKey].(string); ok {
		text += "\nendpoint " + endpoint
		if source, ok := f.Metadata[sourceKey].(string); ok {
			text += " at " + source
		}
	}
	if f.Metadata[bodyKey] == bodyPartial {
		text += "\nthe response broke off"
	}
	return text + notesComment(f)
}

// notesComment returns a line for each note of an exchange, such as a fault that it met.
func notesComment(f *Flow) (text string) {
	notes, _ := f.Metadata[notesKey].([]any)
	for _, n := range notes {
		if pair, ok := n.([]any); ok && len(pair) == 2 {
			text += fmt.Sprintf("\n%v: %v", pair[0], pair[1])
		}
	}
	return text
}

// oneLine returns s without characters that would end its line.
func oneLine(s string) string {
	if !strings.ContainsAny(s, "\r\n\x00") {
		return s
	}
	return strings.NewReplacer("\r", " ", "\n", " ", "\x00", " ").Replace(s)
}

// firstTime returns the first time that is known.
func firstTime(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}
