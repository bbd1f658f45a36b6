package value

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
)

// Response is an answer as scripts see it. response() makes it, or forward() returns
// it with the real server's answer. Until it is frozen, one thread may change it. A
// frozen Response, such as one in a global, answers any number of requests.
type Response struct {
	res *exchange.Response
	// own says that res and its header belong to this value alone. If not, they are
	// copied before the first change.
	own    bool
	frozen bool
	made   exchange.Response // response() makes it, and res points to it

	ctx      context.Context // reads the body of a server's answer
	cancel   context.CancelCauseFunc
	deadline time.Time // for reading that body
	maxBody  int
	call     *call.Call // the run to which the response belongs until it is frozen
	// plain is the body with its encoding undone; nil until it is read.
	plain []byte

	handler exchange.Handler  // answers with a file, instead of res; or nil
	stream  starlark.Callable // the function that writes the body, or nil
}

// NewResponse returns the value with which the run c sees res. A change applies to a
// copy of res. The body is read under ctx. When a script waits for the body too long,
// it calls cancel, which ends ctx.
func NewResponse(ctx context.Context, c *call.Call, res *exchange.Response, cancel context.CancelCauseFunc) *Response {
	return &Response{res: res, ctx: ctx, cancel: cancel, deadline: c.Deadline, maxBody: c.Env.MaxBody, call: c}
}

// ForwardedResponse returns the value of a real server's answer. The answer belongs
// to this value alone.
func ForwardedResponse(c *call.Call, f *call.Forwarded) *Response {
	r := NewResponse(f.Context, c, f.Response, f.Cancel)
	r.own = true
	return r
}

// run returns the run to which the response belongs, or nil when it is frozen.
func (r *Response) run() *call.Call {
	if r.frozen {
		return nil
	}
	return r.call
}

// Answer returns the response as it is now. It must not be changed afterwards.
func (r *Response) Answer() *exchange.Response { return r.res }

// Handler is what answers instead of Answer, or nil.
func (r *Response) Handler() exchange.Handler { return r.handler }

// Stream returns the function that writes the body, or nil.
func (r *Response) Stream() starlark.Callable { return r.stream }

func (r *Response) String() string        { return fmt.Sprintf("<response %d>", r.res.Status) }
func (r *Response) Type() string          { return "response" }
func (r *Response) Truth() starlark.Bool  { return true }
func (r *Response) Hash() (uint32, error) { return 0, errors.New("unhashable: response") }

// Freeze makes the response immutable.
func (r *Response) Freeze() {
	r.frozen = true
	if r.stream != nil {
		r.stream.Freeze()
	}
}

// AttrNames lists the fields and methods.
func (r *Response) AttrNames() []string { return responses.AttrNames() }

// Attr returns the field or method with that name.
func (r *Response) Attr(name string) (starlark.Value, error) { return responses.Attr(r, name) }

var responses = NewTable("res", "response", `An answer: what response() makes, what forward() got from the real
	server, what hooks are given.`,
	Field("status", "The status code; it can be set.", func(r *Response) (starlark.Value, error) {
		return starlark.MakeInt(r.res.Status), nil
	}),
	Field("headers", `The header: headers[name] ignores case; headers[name] = value
		replaces, None removes.`, func(r *Response) (starlark.Value, error) {
		return Header{r}, nil
	}),
	Field("body", `The body in bytes, its content encoding undone; it can be set, to a
		dict or list for JSON.`, func(r *Response) (starlark.Value, error) {
		b, err := r.decoded()
		return starlark.Bytes(b), err
	}),
	Field("text", "The body as text; it can be set.", func(r *Response) (starlark.Value, error) {
		b, err := r.content()
		return starlark.String(b), err
	}),
	Method("json", "The JSON body, or the value at a path in it; default when there is none.", (*Response).json),
)

// SetField changes status or body. A dict or list as a body is sent as JSON.
func (r *Response) SetField(name string, v starlark.Value) error {
	switch name {
	case "status":
		n, ok := call.Integer(v)
		if !ok || n < 200 || n > 599 {
			return fmt.Errorf("response.status: got %s, want 200 to 599", call.Describe(v))
		}
		if err := r.edit(); err != nil {
			return err
		}
		r.res.Status = int(n)
		return nil
	case "body", "text":
		data, kind, err := BodyBytes(r.run(), v)
		if err != nil {
			return fmt.Errorf("response.%s: %w", name, err)
		}
		return r.setBody(data, kind)
	}
	if name == "headers" || name == "json" {
		return fmt.Errorf("response.%s can't be replaced; set headers[name] or body", name)
	}
	return starlark.NoSuchAttrError(fmt.Sprintf("response has no .%s to set: want status, body or headers[name]", name))
}

var errNoBody = errors.New("this response has no body: it is a WebSocket or a fault")

// edit prepares res for a change: it copies it, unless it belongs to this value. It
// returns an error if the response is frozen.
func (r *Response) edit() error {
	if r.frozen {
		return errors.New("cannot change a frozen response")
	}
	if !r.own {
		r.res, r.own = r.res.Clone(), true
	}
	if r.res.Origin == exchange.FromServer {
		r.res.Origin = exchange.FromPatch
	}
	return nil
}

func (r *Response) setBody(data []byte, kind string) error {
	if _, ok := r.res.Body.(exchange.Hijacker); ok {
		return errNoBody
	}
	if err := r.edit(); err != nil {
		return err
	}
	before := r.told()
	if c, ok := r.res.Body.(interface{ Close() error }); ok {
		c.Close()
	}
	h := r.editable()
	// These lines describe the old body.
	h.DropBody()
	if kind == jsonType && !strings.Contains(strings.ToLower(h.Get("Content-Type")), "json") || kind != "" && !h.Has("Content-Type") {
		h.Set("Content-Type", kind)
	}
	data, *h = EncodeBody(r.call, *h, data, kind)
	if x := r.call.Exchange; x != nil && r.res != &r.made {
		x.Edited(exchange.EditOf(exchange.ByScript, "response", "body", before, exchange.EditedText(*h, data))...)
	}
	r.res.Trailer, r.res.Body = nil, exchange.Bytes(data)
	r.handler, r.stream, r.plain = nil, nil, data
	return nil
}

// told returns the body for an edit.
func (r *Response) told() string {
	if r.res.Body == nil || r.res == &r.made {
		return ""
	}
	if _, ok := r.res.Body.(exchange.Bytes); !ok && r.plain == nil {
		return exchange.Unread
	}
	plain, err := r.decoded()
	if err != nil {
		return exchange.Unread
	}
	return exchange.EditedText(r.res.Header, plain)
}

// editable returns the header that may be changed. The caller must have called edit.
func (r *Response) editable() *exchange.Header {
	if sharedHeader(r.res.Header) {
		r.res.Header = r.res.Header.Clone()
	}
	return &r.res.Header
}

func (r *Response) lines() exchange.Header { return r.res.Header }

func (r *Response) editHeader(change func(*exchange.Header)) error {
	if r.handler != nil {
		return errors.New("the header of a file's response is given to response(headers = ...)")
	}
	if err := r.edit(); err != nil {
		return err
	}
	change(r.editable())
	return nil
}

// decoded reads the whole body and undoes its encoding.
func (r *Response) decoded() ([]byte, error) {
	if r.plain != nil || r.res.Body == nil {
		return r.plain, nil
	}
	if r.handler != nil || r.stream != nil {
		return nil, errors.New("the body of this response is not known before it is sent")
	}
	b, ok := r.res.Body.(exchange.Bytes)
	if !ok {
		if _, ok := r.res.Body.(exchange.Hijacker); ok {
			return nil, errNoBody
		}
		if r.cancel != nil && !r.deadline.IsZero() {
			timer := time.AfterFunc(time.Until(r.deadline), func() { r.cancel(call.ErrTime) })
			defer timer.Stop()
		}
		c := r.run()
		c.Waits()
		defer c.Waited()
		data, rest, err := exchange.ReadBody(r.ctx, r.res.Body, int64(r.maxBody))
		if err != nil && errors.Is(context.Cause(r.ctx), call.ErrTime) {
			err = call.ErrTime
		}
		if !r.own {
			r.res, r.own = r.res.Clone(), true
		}
		if rest != nil {
			r.res.Body = rest
			return nil, fmt.Errorf("response body is larger than %d bytes (scripts.max_body)", r.maxBody)
		}
		if err != nil {
			return nil, fmt.Errorf("response body: %w", err)
		}
		b = data
		r.res.Body = b
	}
	plain, err := exchange.Decode(b, exchange.Encodings(r.res.Header), r.maxBody)
	if errors.Is(err, exchange.ErrBodyTooLarge) {
		return nil, fmt.Errorf("response body is larger than %d bytes when decoded (scripts.max_body)", r.maxBody)
	}
	if err != nil {
		plain = b
	}
	if !r.frozen {
		r.plain = plain
	}
	return plain, nil
}

// content returns the body as text.
func (r *Response) content() ([]byte, error) {
	b, err := r.decoded()
	text, _ := exchange.DecodeText(b, r.res.Header.Get("Content-Type"))
	return text, err
}

func (r *Response) json(c *call.Call, a call.Args) (starlark.Value, error) {
	return jsonAt(c, a, r.content)
}

// jsonAt implements the method json(path, default) of a value with a JSON body.
func jsonAt(c *call.Call, a call.Args, body func() ([]byte, error)) (starlark.Value, error) {
	var path, def starlark.Value = starlark.None, starlark.None
	if err := a.Unpack("path?", &path, "default?", &def); err != nil {
		return nil, err
	}
	at, ok := starlark.AsString(path)
	if !ok && path != starlark.None {
		return nil, fmt.Errorf("%s: argument \"path\": got %s, want string", a.Func, call.Describe(path))
	}
	b, err := body()
	if err != nil {
		return nil, err
	}
	v, err := DecodeJSON(c, b)
	if errors.Is(err, call.ErrMemory) {
		return nil, fmt.Errorf("%s: %w", a.Func, err)
	}
	if err != nil {
		return def, nil
	}
	if v = Dig(v, at); v == nil {
		return def, nil
	}
	return v, nil
}

const jsonType = "application/json"

const binaryType = "application/octet-stream"

// EncodeBody converts a body from BodyBytes into the charset that h names. Bytes stay
// as they are. If the charset lacks a character of the text, the body stays in UTF-8,
// the returned header is a changed copy of h, and a note says so.
func EncodeBody(c *call.Call, h exchange.Header, data []byte, kind string) ([]byte, exchange.Header) {
	if kind == binaryType || len(data) == 0 {
		return data, h
	}
	data, header, ok := exchange.EncodeBody(h, data)
	if !ok && c != nil && c.Exchange != nil {
		c.Exchange.Notes.Add("warning", fmt.Sprintf("the body has characters that its content type %q does not: it is sent in "+
			"UTF-8", h.Get("Content-Type")))
	}
	return data, header
}

// BodyBytes returns a body in UTF-8, and the content type that it has by default.
func BodyBytes(c *call.Call, v starlark.Value) ([]byte, string, error) {
	switch v := v.(type) {
	case nil, starlark.NoneType:
		return nil, "", nil
	case starlark.String:
		return []byte(v), "text/plain; charset=utf-8", nil
	case starlark.Bytes:
		return []byte(v), binaryType, nil
	}
	b, err := AppendJSON(c, make([]byte, 0, 240), v)
	return b, jsonType, err
}

// Interface guards.
var (
	_ starlark.HasSetField = (*Response)(nil)
	_ headerOwner          = (*Response)(nil)
)
