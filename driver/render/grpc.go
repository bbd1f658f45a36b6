package render

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"starproxy/builtins/exchange"
)

// The flags of a message (gRPC over HTTP2, grpc-web and Connect).
const (
	flagCompressed = 1
	flagEnd        = 2 // Connect: JSON with the error and trailers
	flagTrailers   = 0x80
)

// frame is a message with what is known of its frame.
type frame struct {
	flags, size uint64
	data        []byte // decompressed, unless packed
	packed      bool   // it could not be decompressed
}

// maxInflated bounds what all compressed messages of a body become, in bytes.
const maxInflated = 4 * MaxBytes

// frame reads the next frame: its flags, four bytes with its length, and the message. With an
// error it has what there is of the message.
func (b *builder) frame(c *cursor, encoding string) (f frame, err error) {
	if f.flags, err = c.uint(1); err != nil {
		return f, err
	}
	if f.size, err = c.uint(4); err != nil {
		return f, err
	}
	if f.data, err = c.next(f.size); f.flags&flagCompressed == 0 || err != nil {
		return f, err
	}
	data, err := exchange.Decode(f.data, []string{encoding}, min(MaxBytes, maxInflated-b.inflated))
	if b.inflated += len(data); err != nil {
		f.packed = true
		return f, fmt.Errorf("a compressed message (grpc-encoding %q): %w", encoding, err)
	}
	f.data = data
	return f, nil
}

// note returns what is known of a frame, behind the note of its message.
func (f frame) note(message, encoding string) string {
	var notes []string
	if message != "" {
		notes = append(notes, message)
	}
	if f.flags&flagEnd != 0 {
		notes = append(notes, "end of the stream")
	}
	notes = append(notes, fmt.Sprintf("%d bytes", f.size))
	if f.flags&flagCompressed != 0 && !f.packed {
		notes = append(notes, fmt.Sprintf("%s of %d bytes", encoding, len(f.data)))
	}
	return strings.Join(notes, ", ")
}

// grpc reads the messages of a body, each in its frame, and the trailers of grpc-web.
func (b *builder) grpc(s Source) []Part {
	data := s.Data
	if strings.HasPrefix(s.Type, "application/grpc-web-text") {
		data = b.webText(data)
	}
	m := s.Protos.method(exchange.PathOf(s.Target), s.Response)
	var trailers [][2]string
	c := &cursor{data: data}
	list, err := b.branch(List, "", func(n *Node) error {
		for !c.done() {
			f, cut := b.frame(c, s.Encoding)
			if f.flags&flagTrailers != 0 {
				trailers = append(trailers, trailerLines(string(f.data))...)
			} else if f.data != nil {
				v, err := b.grpcMessage(f, strings.Contains(s.Type, "+json"), m)
				if v != nil {
					v.Note = f.note(v.Note, s.Encoding)
				}
				if err := n.add("", v, err); err != nil {
					return err
				}
			}
			if cut != nil {
				return cut
			}
		}
		return nil
	})
	b.note(err)
	var parts []Part
	if list != nil && len(list.Nodes) > 0 {
		parts = append(parts, Part{Tree: list})
	}
	if trailers != nil {
		parts = append(parts, Part{Title: "Trailers", Table: trailers})
	}
	return parts
}

// grpcMessage reads a message. One with a fault in it does not end the list: the next one
// has a frame of its own.
func (b *builder) grpcMessage(f frame, json bool, m protoreflect.MessageDescriptor) (*Node, error) {
	if f.packed {
		return b.bytes(f.data, "compressed")
	}
	if json || f.flags&flagEnd != 0 {
		return b.embedded(string(f.data))
	}
	n, err := b.message(f.data, m)
	if err == nil || err == errFull || err == errTime {
		return n, err
	}
	b.note(err)
	if n == nil || len(n.Nodes) == 0 {
		return b.bytes(f.data, "not a message")
	}
	return n, nil
}

// webText decodes the base64 of grpc-web-text: texts with padding, one behind the other.
func (b *builder) webText(data []byte) []byte {
	var out []byte
	text := strings.Join(strings.Fields(string(data)), "")
	for len(text) > 0 {
		end := len(text)
		if i := strings.IndexByte(text, '='); i >= 0 {
			for end = i; end < len(text) && text[end] == '='; end++ {
			}
		}
		part, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text[:end], "="))
		out, text = append(out, part...), text[end:]
		if err != nil {
			b.note(err)
			break
		}
	}
	return out
}

// trailerLines reads the trailers of grpc-web, with the status in words.
func trailerLines(text string) [][2]string {
	lines := [][2]string{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok {
			continue
		}
		lines = append(lines, [2]string{strings.ToValidUTF8(name, "\ufffd"), Trailer(name, strings.TrimSpace(value))})
	}
	return lines
}

// Trailer returns the value of a trailer of gRPC as people read it: a status with its name,
// a message without its escapes. Any other value comes back as it is.
func Trailer(name, value string) string {
	switch {
	case exchange.EqualName(name, "grpc-status"):
		if n, err := strconv.Atoi(value); err == nil && n >= 0 && n < len(statusNames) {
			value += " " + statusNames[n]
		}
	case exchange.EqualName(name, "grpc-message"):
		if text, err := url.PathUnescape(value); err == nil {
			value = text
		}
	}
	return strings.ToValidUTF8(value, "\ufffd")
}

// statusNames are the status codes of gRPC (grpc.io, "Status Codes").
var statusNames = [...]string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
	"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
	"UNAUTHENTICATED",
}
