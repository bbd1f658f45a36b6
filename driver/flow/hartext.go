package flow

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// harTextIn is a body that is being imported.
type harTextIn struct {
	Size     harNumber         `json:"size"`
	MimeType harString         `json:"mimeType"`
	Params   harList[harParam] `json:"params"`
	Encoding harString         `json:"encoding"`
	Comment  harString         `json:"comment"`
	Text     *harPayload       `json:"text"`
}

// harParam is a field of a form.
type harParam struct {
	Name     harString `json:"name"`
	Value    harString `json:"value"`
	FileName harString `json:"fileName"`
	Type     harString `json:"contentType"`
}

// UnmarshalJSON accepts a text in place of an object, too, which some programs write.
func (t *harTextIn) UnmarshalJSON(data []byte) error {
	type bare harTextIn
	*t = harTextIn{}
	switch data[0] {
	case '{':
		return json.Unmarshal(data, (*bare)(t))
	case '"':
		t.Text = new(harPayload)
		return t.Text.UnmarshalJSON(data)
	}
	return nil
}

// body returns the bytes of a body; contentType is the header's. With an error the
// body is missing.
func (t *harTextIn) body(contentType string) (Body, error) {
	if t.Text == nil {
		missing := t.Encoding != "" || t.Comment != "" || t.Size > 0
		return Body{Missing: missing}, nil
	}
	switch strings.ToLower(string(t.Encoding)) {
	case "base64":
		data, err := lax(string(*t.Text))
		if err != nil {
			return Body{Missing: true}, err
		}
		return bodyOfBytes(data), nil
	case "", "utf8", "utf-8", "text", "plain", "none", "identity":
		return bodyOfBytes(harBytes(string(*t.Text), t.typ(contentType))), nil
	}
	return Body{Missing: true}, fmt.Errorf("encoding %q: expected base64", string(t.Encoding))
}

func bodyOfBytes(data []byte) Body {
	if len(data) == 0 {
		return Body{}
	}
	return Body{Blob: capture.Blob{Size: int64(len(data)), Data: data}}
}

// typ returns the content type of a body. contentType is that of the header.
func (t *harTextIn) typ(contentType string) string { return cmp.Or(string(t.MimeType), contentType) }

// decoded reports whether the content encoding of a body is undone.
func (t *harTextIn) decoded(body Body) bool {
	return !body.Missing && body.Size > 0 && !strings.HasPrefix(string(t.Comment), stillIn)
}

// fit changes a header for a body whose content encoding is undone. With length it also
// sets the Content-Length, if there is one, to the length of the body.
func (t *harTextIn) fit(header *exchange.Header, body Body, length bool) {
	if t.decoded(body) {
		header.Del("Content-Encoding")
	}
	if length && !body.Missing && header.Has("Content-Length") {
		header.Set("Content-Length", strconv.FormatInt(body.Size, 10))
	}
}
