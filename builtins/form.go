package builtins

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/url"

	"go.starlark.net/starlark"
)

func (r *Request) formDict(c *Call, a Args) (starlark.Value, error) {
	if err := a.Unpack(); err != nil {
		return nil, err
	}
	if r.form == nil {
		b, err := r.decoded()
		if err != nil {
			return nil, err
		}
		kind := r.x.Request.Header.Get("Content-Type")
		var form url.Values
		if err := c.aside(len(b) > quickText, "req.form", func() { form = parseForm(kind, b) }); err != nil {
			return nil, err
		}
		r.form = form
	}
	d := c.maker(len(r.form))
	for _, k := range sortedKeys(r.form) {
		if err := d.set(starlark.String(k), starlark.String(r.form.Get(k))); err != nil {
			return nil, fmt.Errorf("req.form: %w", err)
		}
	}
	return d.Dict, nil
}

// parseForm reads the fields of a form in either encoding; files are left out.
func parseForm(contentType string, body []byte) url.Values {
	kind, params, _ := mime.ParseMediaType(contentType)
	if kind == "multipart/form-data" {
		return multipartFields(body, params["boundary"])
	}
	form, _ := url.ParseQuery(string(body))
	return form
}

// multipartFields reads the fields of a multipart/form-data body; files are
// left out, and so is what comes after a fault in the body.
func multipartFields(body []byte, boundary string) url.Values {
	form := url.Values{}
	if boundary == "" {
		return form
	}
	r := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := r.NextPart()
		if err != nil {
			return form
		}
		if part.FormName() == "" || part.FileName() != "" {
			continue
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return form
		}
		form.Add(part.FormName(), string(value))
	}
}
