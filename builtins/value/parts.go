package value

import (
	"errors"
	"maps"
	"slices"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
)

// parts returns the parts of the body as scripts see them, a list.
func (r *Request) parts() (starlark.Value, error) {
	b, err := r.decoded()
	if err != nil {
		return nil, err
	}
	if r.found == nil {
		if err := r.call.Work(len(b)); err != nil {
			return nil, err
		}
		if err := r.call.Reserve(len(b)); err != nil {
			return nil, err
		}
		r.found = exchange.Parts(r.x.Request.Header.Get("Content-Type"), b)
	}
	list := make([]starlark.Value, len(r.found))
	for i := range r.found {
		list[i] = &Part{&r.found[i]}
	}
	return starlark.NewList(list), nil
}

// Part is a part of a request's body as scripts see it.
type Part struct{ *exchange.Part }

func (p *Part) String() string        { return "<part " + starlark.String(p.Name).String() + ">" }
func (p *Part) Type() string          { return "part" }
func (p *Part) Freeze()               {}
func (p *Part) Truth() starlark.Bool  { return true }
func (p *Part) Hash() (uint32, error) { return 0, errors.New("unhashable: part") }

// AttrNames lists the fields and methods.
func (p *Part) AttrNames() []string { return bodyParts.AttrNames() }

// Attr returns the field or method with that name.
func (p *Part) Attr(name string) (starlark.Value, error) { return bodyParts.Attr(p, name) }

var bodyParts = NewTable("part", "part", "A part of a multipart body, as req.parts lists them.",
	Field("name", `The name of the field, "" when the part has none.`, func(p *Part) (starlark.Value, error) {
		return starlark.String(p.Name), nil
	}),
	Field("filename", `The name of the file, without directories; "" for a field that is no file.`, func(p *Part) (starlark.Value, error) {
		return starlark.String(p.FileName), nil
	}),
	Field("content_type", `The content type that the part names, "" when it names none.`, func(p *Part) (starlark.Value, error) {
		return starlark.String(p.ContentType()), nil
	}),
	Field("headers", "The part's header, a dict; names are spelt as in Content-Type.", (*Part).headers),
	Field("body", "The content of the part, in bytes.", func(p *Part) (starlark.Value, error) {
		return starlark.Bytes(p.Data), nil
	}),
	Field("text", "The content as text.", func(p *Part) (starlark.Value, error) {
		return starlark.String(p.Text()), nil
	}),
	Method("json", `What it holds as JSON, or what stands at a dotted path of it; default
		when there is none.`, (*Part).json),
)

func (p *Part) headers() (starlark.Value, error) {
	d := new(starlark.Dict)
	for _, k := range slices.Sorted(maps.Keys(p.Header)) {
		d.SetKey(starlark.String(k), starlark.String(p.Header.Get(k)))
	}
	return d, nil
}

func (p *Part) json(c *call.Call, a call.Args) (starlark.Value, error) {
	return jsonAt(c, a, func() ([]byte, error) { return p.Text(), nil })
}

// Interface guard.
var _ starlark.HasAttrs = (*Part)(nil)
