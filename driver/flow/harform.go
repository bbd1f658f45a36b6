package flow

import (
	"bytes"
	"fmt"
	"mime"
	"mime/multipart"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"starproxy/builtins/exchange"
)

// formKey is the key of the metadata for a request whose body was made from the fields of a
// form. It has the same fields as the recorded body, but perhaps not the same bytes.
const formKey = "starproxy.form"

const (
	urlencoded = "application/x-www-form-urlencoded"
	formData   = "multipart/form-data"
)

// madeUp is the boundary of a form whose own boundary is not known.
const madeUp = "starproxy-form-boundary"

// fieldsOnly reports whether a body has the fields of a form, but no text.
func (t *harTextIn) fieldsOnly() bool {
	return len(t.Params) > 0 && (t.Text == nil || *t.Text == "")
}

// form returns the body of a form with the fields of t, and its content type. contentType is
// that of the header.
func (t *harTextIn) form(contentType string) (data []byte, typ string) {
	typ = t.typ(contentType)
	kind, params, _ := mime.ParseMediaType(typ)
	if kind != urlencoded && kind != formData {
		typ = contentType
		kind, params, _ = mime.ParseMediaType(typ)
	}
	if kind != urlencoded && kind != formData {
		kind, typ = urlencoded, urlencoded
		if slices.ContainsFunc(t.Params, func(p harParam) bool { return p.FileName != "" }) {
			kind, typ = formData, formData
		}
	}
	if kind == formData {
		boundary := params["boundary"]
		if boundary == "" {
			_, params, _ = mime.ParseMediaType(contentType)
			boundary = params["boundary"]
		}
		if data, err := t.multipart(boundary); err == nil {
			return data, mime.FormatMediaType(formData, map[string]string{"boundary": boundary})
		}
		data, _ := t.multipart(madeUp)
		return data, formData + "; boundary=" + madeUp
	}
	var pairs []string
	for _, p := range t.Params {
		name, value := harBytes(string(p.Name), typ), harBytes(string(p.Value), typ)
		pairs = append(pairs, url.QueryEscape(string(name))+"="+url.QueryEscape(string(value)))
	}
	return []byte(strings.Join(pairs, "&")), typ
}

func (t *harTextIn) multipart(boundary string) ([]byte, error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if err := w.SetBoundary(boundary); err != nil {
		return nil, err
	}
	quote := strings.NewReplacer("\\", "\\\\", `"`, "\\\"", "\r", "", "\n", "")
	for _, p := range t.Params {
		h := textproto.MIMEHeader{}
		disposition := fmt.Sprintf(`form-data; name="%s"`, quote.Replace(string(p.Name)))
		if p.FileName != "" {
			disposition += fmt.Sprintf(`; filename="%s"`, quote.Replace(string(p.FileName)))
		}
		h.Set("Content-Disposition", disposition)
		if p.Type != "" {
			h.Set("Content-Type", quote.Replace(string(p.Type)))
		}
		part, err := w.CreatePart(h)
		if err != nil {
			return nil, err
		}
		part.Write([]byte(p.Value))
	}
	err := w.Close()
	return b.Bytes(), err
}

// typed returns the header with the content type of the body if the header is empty,
// because some programs write no headers.
func (t *harTextIn) typed(header exchange.Header) exchange.Header {
	if len(header) == 0 && strings.Contains(string(t.MimeType), "/") {
		return exchange.HeaderOf("Content-Type", string(t.MimeType))
	}
	return header
}
