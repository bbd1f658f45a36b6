package exchange

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
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

// ContentType returns the type that the part says, "" when it says none.
func (p *Part) ContentType() string { return p.Header.Get("Content-Type") }

// Text is what the part holds as text, see [DecodeText].
func (p *Part) Text() []byte {
	text, _ := DecodeText(p.Data, p.ContentType())
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

// formFields returns the fields of a form among the parts of a body, files left
// out.
func formFields(parts []Part) map[string][]string {
	form := map[string][]string{}
	for _, p := range slices.DeleteFunc(parts, func(p Part) bool { return p.Name == "" || p.FileName != "" || p.Cut }) {
		form[p.Name] = append(form[p.Name], string(p.Text()))
	}
	return form
}

// ParseForm reads the fields of a form in either encoding; files are left out.
func ParseForm(contentType string, body []byte) url.Values {
	if kind, _, _ := mime.ParseMediaType(contentType); kind == "multipart/form-data" {
		return formFields(Parts(contentType, body))
	}
	form := url.Values{}
	for name, value := range FormPairs(body, contentType) {
		form[name] = append(form[name], value)
	}
	return form
}
