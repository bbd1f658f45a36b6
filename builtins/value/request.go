// Package value is what scripts hold: requests, responses, sockets, cells and the
// other values with attributes of their own, and the roads between Starlark's
// values, Go's and JSON.
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

// Request is a request as scripts see it. Every field is worked out when it is
// asked for, so that a handler pays for what it reads. It belongs to one thread.
type Request struct {
	x       *exchange.Exchange
	maxBody int
	call    *call.Call // of the run that answers it, nil after that

	body   []byte // as sent
	read   bool
	plain  []byte         // its encoding undone; nil before the first look
	parsed starlark.Value // the JSON body, frozen; nil before it was needed
	failed error          // why there is no parsed
	scans  int            // looks at the JSON body that needed no parsed
	form   url.Values
	found  []exchange.Part // of a multipart body; nil before the first look
	own    bool            // the header of the exchange was copied, to be changed
}

// Exchange is what the request belongs to.
func (r *Request) Exchange() *exchange.Exchange { return r.x }

// NewRequest shows the request of an exchange that no run answers.
func NewRequest(x *exchange.Exchange, maxBody int) *Request {
	return &Request{x: x, maxBody: maxBody}
}

// End forgets the run, which is over.
func (r *Request) End() { r.call = nil }

// RequestOf returns the request of the exchange that a run answers, as scripts
// see it; the same value for the whole run.
func RequestOf(c *call.Call) *Request {
	if r, ok := c.Request.(*Request); ok {
		return r
	}
	r := &Request{x: c.Exchange, maxBody: c.Env.MaxBody, call: c}
	c.Request = r
	return r
}

// CurrentRequest returns the request being answered or an error that names fn.
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

// Attr gives a field or method.
func (r *Request) Attr(name string) (starlark.Value, error) { return requests.Attr(r, name) }

// Body reads the body whole, as it was sent.
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

// decoded returns the body with its content encoding undone. Where that fails
// (there is no such encoding, or it is another one) it is the body as sent.
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

// content is Text in bytes.
func (r *Request) content() ([]byte, error) {
	b, err := r.decoded()
	text, _ := exchange.DecodeText(b, r.x.Request.Header.Get("Content-Type"))
	return text, err
}

// JSON returns the value at a path ("user.tags.0", see [Dig]) of the decoded
// JSON body, nil when there is none; the path "" is the whole body. The caller
// may change it.
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

// unread returns why the JSON body cannot be had; nil when there is none.
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

// HeaderValue returns the first value of a header. Host is the authority where
// no line says it.
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

// thawer copies containers, so that the script may change what it got. The
// dicts in them were made by a [call.DictMaker].
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
