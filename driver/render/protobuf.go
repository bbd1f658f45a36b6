package render

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"starproxy/builtins/exchange"
)

// protobuf reads a message. Its name comes from the parameter of the content type, else
// from the path; without one its fields have their numbers.
func (b *builder) protobuf(s Source, params map[string]string) []Part {
	var name string
	for _, key := range []string{"messagetype", "message", "proto", "type"} {
		if name == "" {
			name = params[key]
		}
	}
	m := s.Protos.message(name)
	if m == nil {
		m = s.Protos.method(exchange.PathOf(s.Target), s.Response)
	}
	if params["encoding"] == "delimited" {
		return b.sequence(s.Data, func(c *cursor) (*Node, error) {
			data, n := protowire.ConsumeBytes(c.data[c.at:])
			if n < 0 {
				c.at = len(c.data)
				return nil, errProto(len(c.data), protowire.ParseError(n))
			}
			c.at += n
			return b.message(data, m)
		})
	}
	n, err := b.message(s.Data, m)
	if n != nil && len(n.Nodes) == 0 {
		return nil
	}
	return b.parts(n, err)
}

// message reads a message. m is nil when its fields are not known.
func (b *builder) message(data []byte, m protoreflect.MessageDescriptor) (*Node, error) {
	note := ""
	if m != nil {
		note = string(m.FullName())
	}
	return b.branch(Object, note, func(n *Node) error {
		at := 0
		for at < len(data) {
			number, kind, size := protowire.ConsumeTag(data[at:])
			if size < 0 {
				return errProto(at, protowire.ParseError(size))
			}
			at += size
			length := protowire.ConsumeFieldValue(number, kind, data[at:])
			if length < 0 {
				return errProto(at, protowire.ParseError(length))
			}
			f := field{number: number, kind: kind}
			if m != nil {
				f.known = m.Fields().ByNumber(number)
			}
			v, err := b.field(f, data[at:at+length])
			if err := n.add(f.name(), v, err); err != nil {
				return err
			}
			at += length
		}
		if m != nil {
			b.describe(n, data, m)
		}
		return nil
	})
}

func errProto(at int, err error) error { return fmt.Errorf("byte %d of a message: %w", at, err) }

// field is a field as it stands in a message.
type field struct {
	number protowire.Number
	kind   protowire.Type
	known  protoreflect.FieldDescriptor // nil when it is not known
}

func (f field) name() string {
	if f.known != nil {
		return string(f.known.Name())
	}
	return strconv.Itoa(int(f.number))
}

// field reads the value of a field, of which data has no more and no less.
func (b *builder) field(f field, data []byte) (*Node, error) {
	switch f.kind {
	case protowire.VarintType:
		v, _ := protowire.ConsumeVarint(data)
		return b.scalar(f, v)
	case protowire.Fixed32Type:
		v, _ := protowire.ConsumeFixed32(data)
		return b.scalar(f, uint64(v))
	case protowire.Fixed64Type:
		v, _ := protowire.ConsumeFixed64(data)
		return b.scalar(f, v)
	case protowire.StartGroupType:
		inner, _ := protowire.ConsumeGroup(f.number, data)
		n, err := b.message(inner, f.message())
		if n != nil && n.Note == "" {
			n.Note = "group"
		}
		return n, err
	}
	inner, _ := protowire.ConsumeBytes(data)
	return b.lengthy(f, inner)
}

// message returns the message that the field has by its schema, nil for none.
func (f field) message() protoreflect.MessageDescriptor {
	if f.known == nil {
		return nil
	}
	return f.known.Message()
}

// lengthy reads a field with a length: a string, bytes, a message or packed numbers.
func (b *builder) lengthy(f field, data []byte) (*Node, error) {
	if f.known != nil {
		switch kind := f.known.Kind(); {
		case kind == protoreflect.MessageKind:
			return b.message(data, f.known.Message())
		case kind == protoreflect.StringKind && utf8.Valid(data):
			return b.leaf(String, string(data), "")
		case kind == protoreflect.BytesKind, kind == protoreflect.StringKind:
			return b.bytes(data, "")
		case f.known.IsList():
			return b.packed(f, data)
		}
		f.known = nil // the message does not agree with the schema
	}
	switch {
	case len(data) > 0 && !isReadable(data) && isMessage(data):
		return b.message(data, nil)
	case utf8.Valid(data) && isReadable(data):
		return b.leaf(String, string(data), "")
	}
	return b.bytes(data, "")
}

// isReadable reports whether data is a text without control characters but those of lines.
func isReadable(data []byte) bool {
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		if r == utf8.RuneError && n == 1 || !unicode.IsPrint(r) && r != '\n' && r != '\r' && r != '\t' {
			return false
		}
		data = data[n:]
	}
	return true
}

// isMessage reports whether data can be a message. Fields with a length are not looked into.
func isMessage(data []byte) bool {
	for len(data) > 0 {
		number, kind, n := protowire.ConsumeTag(data)
		if n < 0 || number > protowire.MaxValidNumber || kind == protowire.EndGroupType {
			return false
		}
		size := protowire.ConsumeFieldValue(number, kind, data[n:])
		if size < 0 {
			return false
		}
		data = data[n+size:]
	}
	return true
}

// packed reads numbers behind each other.
func (b *builder) packed(f field, data []byte) (*Node, error) {
	return b.branch(List, f.known.Kind().String(), func(n *Node) error {
		switch f.known.Kind() {
		case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
			f.kind = protowire.Fixed32Type
		case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
			f.kind = protowire.Fixed64Type
		default:
			f.kind = protowire.VarintType
		}
		for len(data) > 0 {
			size := protowire.ConsumeFieldValue(f.number, f.kind, data)
			if size < 0 {
				return errors.New("packed numbers end within one")
			}
			v, err := b.field(f, data[:size])
			if v != nil {
				v.Note = ""
			}
			if err := n.add("", v, err); err != nil {
				return err
			}
			data = data[size:]
		}
		return nil
	})
}

// scalar makes the node of a number. Without a schema the note has its other readings.
func (b *builder) scalar(f field, v uint64) (*Node, error) {
	number := func(text string) (*Node, error) {
		note := ""
		if f.known != nil {
			note = f.known.Kind().String()
		}
		return b.leaf(Number, text, note)
	}
	kind := protoreflect.Kind(0)
	if f.known != nil {
		kind = f.known.Kind()
	}
	switch kind {
	case protoreflect.BoolKind:
		return b.leaf(Word, strconv.FormatBool(v != 0), "")
	case protoreflect.EnumKind:
		if name := f.known.Enum().Values().ByNumber(protoreflect.EnumNumber(int32(v))); name != nil {
			return b.leaf(Word, string(name.Name()), strconv.Itoa(int(int32(v))))
		}
		return number(strconv.Itoa(int(int32(v))))
	case protoreflect.Int32Kind, protoreflect.Sfixed32Kind:
		return number(strconv.Itoa(int(int32(v))))
	case protoreflect.Int64Kind, protoreflect.Sfixed64Kind:
		return number(strconv.FormatInt(int64(v), 10))
	case protoreflect.Sint32Kind, protoreflect.Sint64Kind:
		return number(strconv.FormatInt(protowire.DecodeZigZag(v), 10))
	case protoreflect.FloatKind:
		return number(floatText(float64(math.Float32frombits(uint32(v))), 32))
	case protoreflect.DoubleKind:
		return number(floatText(math.Float64frombits(v), 64))
	case protoreflect.Uint32Kind, protoreflect.Uint64Kind, protoreflect.Fixed32Kind, protoreflect.Fixed64Kind:
		return number(strconv.FormatUint(v, 10))
	}
	return b.leaf(Number, strconv.FormatUint(v, 10), readings(f.kind, v))
}

// readings returns the type of a number without a schema, and its value as other types.
func readings(kind protowire.Type, v uint64) string {
	switch kind {
	case protowire.Fixed32Type:
		note := "fixed32"
		if f := float64(math.Float32frombits(uint32(v))); likely(f) {
			note += ", float " + floatText(f, 32)
		}
		return note
	case protowire.Fixed64Type:
		note := "fixed64"
		if f := math.Float64frombits(v); likely(f) {
			note += ", double " + floatText(f, 64)
		}
		return note
	}
	if int64(v) < 0 {
		return "varint, signed " + strconv.FormatInt(int64(v), 10)
	}
	return "varint"
}

// likely reports whether people write a float like f.
func likely(f float64) bool {
	a := math.Abs(f)
	return f == 0 || a >= 1e-9 && a < 1e15
}

// describe adds the meaning of a message of google.protobuf: the date of a Timestamp, the
// message in an Any when it is known.
func (b *builder) describe(n *Node, data []byte, m protoreflect.MessageDescriptor) {
	if m.FullName() != "google.protobuf.Timestamp" {
		return
	}
	var seconds, nanos int64
	for _, f := range n.Nodes {
		switch v, _ := strconv.ParseInt(f.Text, 10, 64); f.Name {
		case "seconds":
			seconds = v
		case "nanos":
			nanos = v
		}
	}
	if t := time.Unix(seconds, nanos).UTC(); len(data) < 32 && t.Year() > 0 && t.Year() < 10_000 {
		n.Note += ", " + t.Format(time.RFC3339Nano)
	}
}
