package value

import (
	"context"
	"errors"
	"fmt"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
)

// Out is the client's side of a response, to which a stream function writes. Only
// the thread that runs the function uses it.
type Out struct {
	ctx  context.Context
	conn exchange.Conn
	call *call.Call
	typ  string // the content type; texts are sent in its charset
	sent int64
}

// NewOut makes the Out of a run. ctx ends when the client leaves. Texts are sent in
// the charset of the content type.
func NewOut(ctx context.Context, conn exchange.Conn, c *call.Call, contentType string) *Out {
	return &Out{ctx: ctx, conn: conn, call: c, typ: contentType}
}

func (o *Out) String() string        { return "<out>" }
func (o *Out) Type() string          { return "out" }
func (o *Out) Freeze()               {}
func (o *Out) Truth() starlark.Bool  { return true }
func (o *Out) Hash() (uint32, error) { return 0, errors.New("unhashable: out") }

// AttrNames lists the fields and methods.
func (o *Out) AttrNames() []string { return outs.AttrNames() }

// Attr returns the field or method with that name.
func (o *Out) Attr(name string) (starlark.Value, error) { return outs.Attr(o, name) }

var outs = NewTable("out", "out", "The client's side of a response, to which a stream function writes.",
	Method("write", "Sends text or bytes to the client at once. It is an error if the client has left.", (*Out).writeData),
	Field("closed", "Whether the client has left.", func(o *Out) (starlark.Value, error) {
		return starlark.Bool(o.ctx.Err() != nil), nil
	}),
	Field("sent", "How many bytes have been sent.", func(o *Out) (starlark.Value, error) {
		return starlark.MakeInt64(o.sent), nil
	}),
	Field("request", "The request that is answered.", func(o *Out) (starlark.Value, error) {
		return RequestOf(o.call), nil
	}),
)

func (o *Out) writeData(_ *call.Call, a call.Args) (starlark.Value, error) {
	var data starlark.Value
	if err := a.Unpack("data", &data); err != nil {
		return nil, err
	}
	var b []byte
	switch v := data.(type) {
	case starlark.String:
		var ok bool
		encode := exchange.EncodeText
		if o.sent > 0 {
			encode = exchange.EncodeMore
		}
		if b, ok = encode([]byte(v), o.typ); !ok {
			return nil, fmt.Errorf("out.write: the text has characters that the content type %q does not", o.typ)
		}
	case starlark.Bytes:
		b = []byte(v)
	default:
		return nil, fmt.Errorf("out.write: got %s, want string or bytes", call.Describe(data))
	}
	if err := o.ctx.Err(); err != nil {
		return nil, err
	}
	if err := o.call.Alive(); err != nil {
		return nil, err
	}
	o.call.Waits()
	defer o.call.Waited()
	if len(b) > 0 {
		n, err := o.conn.Write(b)
		o.sent += int64(n)
		if err == nil {
			err = o.conn.Flush()
		}
		if err != nil {
			return nil, fmt.Errorf("out.write: %w", err)
		}
	}
	return starlark.None, nil
}

// Interface guard.
var _ starlark.HasAttrs = (*Out)(nil)
