package value

import (
	"errors"
	"strings"

	"starproxy/builtins/call"

	"go.starlark.net/starlark"
)

// Message is a message that a client sent.
type Message struct {
	Data []byte
	Text bool // a text message, not a binary one
}

func (m *Message) String() string {
	if m.Text {
		return starlark.String(m.Data).String()
	}
	return starlark.Bytes(m.Data).String()
}
func (m *Message) Type() string          { return "message" }
func (m *Message) Freeze()               {}
func (m *Message) Truth() starlark.Bool  { return true }
func (m *Message) Hash() (uint32, error) { return 0, errors.New("unhashable: message") }

// Written returns the size of the message.
func (m *Message) Written() (int, starlark.Value) { return len(m.Data), nil }

// AttrNames lists the fields and methods.
func (m *Message) AttrNames() []string { return messages.AttrNames() }

// Attr returns the field or method with that name.
func (m *Message) Attr(name string) (starlark.Value, error) { return messages.Attr(m, name) }

var messages = NewTable("msg", "message", "A message that a client sent over a WebSocket.",
	Field("text", "The message as text.", func(m *Message) (starlark.Value, error) {
		return starlark.String(strings.ToValidUTF8(string(m.Data), "\ufffd")), nil
	}),
	Field("bytes", "The message in bytes.", func(m *Message) (starlark.Value, error) {
		return starlark.Bytes(m.Data), nil
	}),
	Field("binary", "Whether it is a binary message.", func(m *Message) (starlark.Value, error) {
		return starlark.Bool(!m.Text), nil
	}),
	Method("json", "The message as JSON, or the value at a path in it; default when there is none.", (*Message).json),
)

func (m *Message) json(c *call.Call, a call.Args) (starlark.Value, error) {
	return jsonAt(c, a, func() ([]byte, error) { return m.Data, nil })
}

var (
	_ starlark.HasAttrs = (*Message)(nil)
)
