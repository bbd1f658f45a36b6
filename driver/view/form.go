package view

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"unicode/utf8"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// maxForm is the size of the largest body whose fields are shown, in bytes. maxField
// is how much of the value of a field is shown.
const (
	maxForm  = 1 << 20
	maxField = 10_000
)

// formPairs returns the fields of a form, nil when the request has none.
func formPairs(e *capture.Entry) any {
	kind, params, err := mime.ParseMediaType(e.RequestHeader.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" && kind != "multipart/form-data" {
		return nil
	}
	data, more, err := capture.Decoded(e.RequestHeader, e.RequestBody, maxForm)
	if more || err != nil {
		return nil
	}
	if kind == "multipart/form-data" {
		return parts(data, params["boundary"])
	}
	return pairs(exchange.FormPairs(data, e.RequestHeader.Get("Content-Type")))
}

// parts returns the fields of a multipart form (RFC 7578). The value of a file is its
// name, type and size.
func parts(data []byte, boundary string) any {
	list := [][2]string{}
	r := multipart.NewReader(bytes.NewReader(data), boundary)
	for {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return list
		}
		if err != nil {
			return nil
		}
		value, err := io.ReadAll(p)
		if err != nil {
			return nil
		}
		text := excerpt.Cut(string(value), maxField)
		if name := p.FileName(); name != "" || !utf8.Valid(value) {
			text = strings.TrimSpace(fmt.Sprintf("%s (%s, %d bytes)", name, cmp.Or(p.Header.Get("Content-Type"), "no type"), len(value)))
		}
		list = append(list, [2]string{strings.ToValidUTF8(p.FormName(), "\ufffd"), strings.ToValidUTF8(text, "\ufffd")})
	}
}
