// Package value has the Starlark types with attributes that scripts use: requests,
// responses, sockets, cells and others. It also converts between Starlark values, Go
// values and JSON.
package value

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
)

// Request is a request as scripts see it. Each field is computed when a script reads
// it, so that unused fields cost no time. Only one thread may use a Request.
type Request struct {
	x       *exchange.Exchange
	maxBody int
	call    *call.Call // the run that answers the request; nil when it is over

	body   []byte // as sent
	read   bool
	plain  []byte         // the body with its encoding undone; nil until it is read
	parsed starlark.Value // the JSON body, frozen; nil until it is needed
	failed error          // the error of decoding the JSON body
	scans  int            // the number of reads that did not need parsed
	form   url.Values
	found  []exchange.Part // the parts of a multipart body; nil until they are read
	own    bool            // the header of the exchange is a copy that may be changed
}

// Exchange is what the request belongs to.
func (r *Request) Exchange() *exchange.Exchange { return r.x }

// NewRequest returns the request of an exchange outside a run.
func NewRequest(x *exchange.Exchange, maxBody int) *Request {
	return &Request{x: x, maxBody: maxBody}
}

// End ends the connection to the run when the run is over.
func (r *Request) End() { r.call = nil }

// RequestOf returns the request that the run c answers. It returns the same value
// during the whole run.
func RequestOf(c *call.Call) *Request {
	if r, ok := c.Request.(*Request); ok {
		return r
	}
	r := &Request{x: c.Exchange, maxBody: c.Env.MaxBody, call: c}
	c.Request = r
	return r
}

// CurrentRequest returns the request that the run c answers. If there is none, the
// error names fn.
func CurrentRequest(c *call.Call, fn string) (*Request, error) {
	if c.Exchange == nil {
		return nil, fmt.Errorf("%s: there is no request here", fn)
	}
	return RequestOf(c), nil
}

func (r *Request) String() string {
	return "<request " + r.x.Request.Method + " " + r.x.Request.URL() + ">"
}
func (r *Request) Type() string          { return "request" }
func (r *Request) Freeze()               {}
func (r *Request) Truth() starlark.Bool  { return true }
func (r *Request) Hash() (uint32, error) { return 0, errors.New("unhashable: request") }

// AttrNames lists the fields and methods.
func (r *Request) AttrNames() []string { return requests.AttrNames() }

// Attr returns the field or method with that name.
func (r *Request) Attr(name string) (starlark.Value, error) { return requests.Attr(r, name) }

// Body reads the whole body, as it was sent.
func (r *Request) Body() ([]byte, error) {
	if r.read || r.x.Request.Body == nil {
		return r.body, nil
	}
	r.call.Waits()
	b, err := r.x.Request.Body.Bytes(r.maxBody)
	r.call.Waited()
	if errors.Is(err, exchange.ErrBodyTooLarge) {
		return nil, fmt.Errorf("request body is larger than %d bytes (scripts.max_body)", r.maxBody)
	}
	if err != nil {
		return nil, fmt.Errorf("request body: %w", err)
	}
	r.body, r.read = b, true
	return b, nil
}

// decoded returns the body with its content encoding undone. If the encoding is
// unknown or the body is not in it, decoded returns the body as sent.
func (r *Request) decoded() ([]byte, error) {
	if r.plain != nil {
		return r.plain, nil
	}
	b, err := r.Body()
	if err != nil {
		return nil, err
	}
	plain, err := exchange.Decode(b, exchange.Encodings(r.x.Request.Header), r.maxBody)
	if errors.Is(err, exchange.ErrBodyTooLarge) {
		return nil, fmt.Errorf("request body is larger than %d bytes when decoded (scripts.max_body)", r.maxBody)
	}
	if err != nil {
		plain = b
	}
	r.plain = plain
	return plain, nil
}

// Text returns the body as text, see [exchange.DecodeText].
func (r *Request) Text() (string, error) {
	b, err := r.content()
	return string(b), err
}

// content returns the same as Text, as bytes.
func (r *Request) content() ([]byte, error) {
	b, err := r.decoded()
	text, _ := exchange.DecodeText(b, r.x.Request.Header.Get("Content-Type"))
	return text, err
}

// JSON returns the value at a path ("user.tags.0", see [Dig]) of the decoded JSON
// body, or nil when there is none. The path "" means the whole body. The caller may
// change the value.
func (r *Request) JSON(path string) (starlark.Value, error) {
	if r.parsed == nil && r.failed == nil {
		b, err := r.content()
		if err != nil {
			return nil, err
		}
		if r.scans < maxScans && scannable(path) {
			r.scans++
			var v starlark.Value
			if v, r.failed = scanJSON(r.call, b, path); r.failed == nil {
				return v, nil
			}
			return nil, r.unread()
		}
		if r.parsed, r.failed = DecodeJSON(r.call, b); r.failed == nil {
			r.parsed.Freeze()
		}
	}
	if r.failed != nil {
		return nil, r.unread()
	}
	t := thawer{call: r.call}
	found := Dig(r.parsed, path)
	if found == nil {
		return nil, nil
	}
	v, err := t.value(found)
	if err != nil {
		return nil, fmt.Errorf("req.json: %w", err)
	}
	return v, nil
}

// unread returns the error because of which the JSON body could not be read. It is
// nil when the body is only malformed: then it counts as no JSON.
func (r *Request) unread() error {
	if IsJSON(r.failed) {
		return fmt.Errorf("req.json: %w", r.failed)
	}
	return nil
}

func (r *Request) header(_ *call.Call, a call.Args) (starlark.Value, error) {
	if name, ok := a.Text(); ok {
		v, _ := HeaderValue(r.x.Request, name)
		return starlark.String(v), nil
	}
	return r.headerOr(a)
}

func (r *Request) headerOr(a call.Args) (starlark.Value, error) {
	var name string
	var def starlark.Value = starlark.String("")
	if err := a.Unpack("name", &name, "default?", &def); err != nil {
		return nil, err
	}
	if v, ok := HeaderValue(r.x.Request, name); ok {
		return starlark.String(v), nil
	}
	return def, nil
}

// HeaderValue returns the first value of a header. If there is no Host line, Host is
// the authority.
func HeaderValue(q *exchange.Request, name string) (string, bool) {
	if v := q.Header.Get(name); v != "" || q.Header.Has(name) {
		return v, true
	}
	if exchange.EqualName(name, "Host") {
		return q.Authority, true
	}
	return "", false
}

func (r *Request) json(_ *call.Call, a call.Args) (starlark.Value, error) {
	if path, ok := a.Text(); ok {
		v, err := r.JSON(path)
		if err != nil || v == nil {
			return starlark.None, err
		}
		return v, nil
	}
	return r.jsonOr(a)
}

func (r *Request) jsonOr(a call.Args) (starlark.Value, error) {
	var path, def starlark.Value = starlark.None, starlark.None
	if err := a.Unpack("path?", &path, "default?", &def); err != nil {
		return nil, err
	}
	p := ""
	if s, ok := starlark.AsString(path); ok {
		p = s
	} else if path != starlark.None {
		return nil, fmt.Errorf("req.json: argument \"path\": got %s, want string", call.Describe(path))
	}
	v, err := r.JSON(p)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return def, nil
	}
	return v, nil
}

// thawer copies lists and dicts, so that the script may change the copy. All dicts
// were made by a [call.DictMaker].
type thawer struct {
	call   *call.Call
	copied int
}

func (t *thawer) value(v starlark.Value) (starlark.Value, error) {
	if t.copied++; t.copied%call.LookEvery == 0 {
		if err := t.call.Look(); err != nil {
			return nil, err
		}
	}
	switch v := v.(type) {
	case *starlark.Dict:
		d := starlark.NewDict(v.Len())
		for k, e := range v.Entries() {
			e, err := t.value(e)
			if err != nil {
				return nil, err
			}
			d.SetKey(k, e)
		}
		return d, nil
	case *starlark.List:
		list := make([]starlark.Value, v.Len())
		for i := range list {
			var err error
			if list[i], err = t.value(v.Index(i)); err != nil {
				return nil, err
			}
		}
		return starlark.NewList(list), nil
	}
	return v, nil
}

// Segments returns the parts of a path between slashes, without empty ones.
func Segments(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// Interface guards.
var (
	_ starlark.HasAttrs        = (*Request)(nil)
	_ starlark.HasSetField     = (*Request)(nil)
	_ starlark.HasAttrs        = Header{}
	_ starlark.HasSetKey       = Header{}
	_ starlark.IterableMapping = Header{}
)
