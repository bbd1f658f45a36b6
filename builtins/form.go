package builtins

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/url"
)

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
