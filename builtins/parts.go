package builtins

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/textproto"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
)

// Part is a part of a multipart body.
type Part struct {
	// Name and FileName are those of its Content-Disposition, "" without one.
	Name, FileName string
	// Header has canonical names.
	Header textproto.MIMEHeader
	Data   []byte
	// Cut says that the body ended before the part did.
	Cut bool
}

// ContentType is the type that the part says, "" when it says none.
func (p *Part) ContentType() string { return p.Header.Get("Content-Type") }

// Text is what the part holds as text, see [exchange.DecodeText].
func (p *Part) Text() []byte {
	text, _ := exchange.DecodeText(p.Data, p.ContentType())
	return text
}

// maxParts bounds the parts of a body that are looked at.
const maxParts = 10_000

// Parts reads the parts of a multipart body of any kind (form-data, mixed,
// related). A body of another type has none. What comes after a fault in the
// body is left out; the part in which the body ends early is Cut.
func Parts(contentType string, body []byte) []Part {
	kind, params, _ := mime.ParseMediaType(contentType)
	if !strings.HasPrefix(kind, "multipart/") || params["boundary"] == "" {
		return nil
	}
	var parts []Part
	r := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	for len(parts) < maxParts {
		part, err := r.NextPart()
		if err != nil {
			break
		}
		data, err := io.ReadAll(part)
		name := ""
		if _, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition")); err == nil {
			name = params["name"]
		}
		parts = append(parts, Part{Name: name, FileName: part.FileName(), Header: part.Header, Data: data, Cut: err != nil})
		if err != nil {
			break
		}
	}
	return parts
}

// parts are the parts of the body as scripts see them, a list.
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
		r.found = Parts(r.x.Request.Header.Get("Content-Type"), b)
	}
	list := make([]starlark.Value, len(r.found))
	for i := range r.found {
		list[i] = &part{&r.found[i]}
	}
	return starlark.NewList(list), nil
}

// part is a part of a request's body as scripts see it.
type part struct{ *Part }

func (p *part) String() string        { return "<part " + starlark.String(p.Name).String() + ">" }
func (p *part) Type() string          { return "part" }
func (p *part) Freeze()               {}
func (p *part) Truth() starlark.Bool  { return true }
func (p *part) Hash() (uint32, error) { return 0, errors.New("unhashable: part") }

// AttrNames lists the fields and methods.
func (p *part) AttrNames() []string {
	return []string{"body", "content_type", "filename", "headers", "json", "name", "text"}
}

// Attr gives a field or method.
func (p *part) Attr(name string) (starlark.Value, error) {
	switch name {
	case "name":
		return starlark.String(p.Name), nil
	case "filename":
		return starlark.String(p.FileName), nil
	case "content_type":
		return starlark.String(p.ContentType()), nil
	case "headers":
		d := new(starlark.Dict)
		for _, k := range sortedKeys(p.Header) {
			d.SetKey(starlark.String(k), starlark.String(p.Header.Get(k)))
		}
		return d, nil
	case "body":
		return starlark.Bytes(p.Data), nil
	case "text":
		return starlark.String(p.Text()), nil
	case "json":
		return call.Method(p, "part.json", (*part).json), nil
	}
	return nil, nil
}

func (p *part) json(c *call.Call, a call.Args) (starlark.Value, error) {
	return jsonAt(c, a, func() ([]byte, error) { return p.Text(), nil })
}

func partType() Type {
	return Type{Name: "part", Doc: "A part of a multipart body, as req.parts lists them.", Attrs: []Attr{
		field("name", "The name of the field, \"\" when the part has none."),
		field("filename", "The name of the file, without directories; \"\" for a field that is no file."),
		field("content_type", "The type that the part says, \"\" when it says none."),
		field("headers", "The part's header, a dict; names are spelt as in Content-Type."),
		field("body", "What the part holds, in bytes."),
		field("text", "What it holds as text."),
		{"json", true, "path=None, default=None", "What it holds as JSON, or what stands at a dotted path of it; default when there is none."},
	}}
}

// formFields are the fields of a form among the parts of a body, files left out.
func formFields(parts []Part) map[string][]string {
	form := map[string][]string{}
	for _, p := range slices.DeleteFunc(parts, func(p Part) bool { return p.Name == "" || p.FileName != "" || p.Cut }) {
		form[p.Name] = append(form[p.Name], string(p.Text()))
	}
	return form
}

// Interface guard.
var _ starlark.HasAttrs = (*part)(nil)
