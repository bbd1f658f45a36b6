package mock

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
)

// maxMatchBody is the part of a body that conditions read: 1 MiB, both as sent and
// decoded.
const maxMatchBody = 1 << 20

// probe reads the values of one request for all conditions. The body is read, decoded
// and parsed at most once.
type probe struct {
	r *exchange.Request
	// skipBody says that the body is not read. Conditions on the body then fail
	// without a reason.
	skipBody bool
	// params has the path parameters of the endpoint. It is for rules, which have no
	// path of their own.
	params map[string]string

	haveRaw, haveText, haveJSON bool
	raw                         []byte
	rawErr                      error
	content                     string
	value                       any
	valueErr                    error

	// These are filled when a matcher needs them.
	crumbs            map[string][]string
	fields            url.Values
	root              *xmlNode
	haveXML           bool
	rootErr, partsErr error
	haveParts         bool
	found             []*probePart
}

// header returns the values of a header with a canonical name. If there is no Host
// line, Host is the authority.
func (p *probe) header(name string) []string {
	values := p.r.Header.Values(name)
	if values == nil && name == "Host" && p.r.Authority != "" {
		return []string{p.r.Authority}
	}
	return values
}

// hasHeader reports whether one of the values of a header is want, or all values
// joined in one list. An empty want means any value.
func (p *probe) hasHeader(name, want string) bool {
	lines := 0
	for _, f := range p.r.Header {
		if !exchange.EqualName(f.Name, name) {
			continue
		}
		if want == "" || f.Value == want {
			return true
		}
		lines++
	}
	switch lines {
	case 0:
		return name == "Host" && p.r.Authority != "" && (want == "" || p.r.Authority == want)
	case 1:
		return false
	}
	return p.r.Header.Joined(name) == want
}

// text returns the body with its content encoding and charset undone. If only a part
// of the body could be read, it returns that part and an error with the reason.
func (p *probe) text() (string, error) {
	raw, err := p.bytes()
	if !p.haveText {
		text, _ := exchange.DecodeText(raw, p.r.Header.Get("Content-Type"))
		p.haveText, p.content = true, string(text)
	}
	return p.content, err
}

// bytes returns the body with its content encoding undone. Its errors are as those of
// text.
func (p *probe) bytes() ([]byte, error) {
	if !p.haveRaw {
		p.haveRaw = true
		p.raw, p.rawErr = requestBytes(p.r)
	}
	return p.raw, p.rawErr
}

func requestBytes(r *exchange.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	raw, err := r.Body.Bytes(maxMatchBody)
	if errors.Is(err, exchange.ErrBodyTooLarge) {
		err = fmt.Errorf("larger than %d bytes", maxMatchBody)
	}
	data, derr := exchange.Decode(raw, exchange.Encodings(r.Header), maxMatchBody)
	if err == nil {
		err = derr
	}
	return data, err
}

// cookies returns the values of the cookies by their names.
func (p *probe) cookies() map[string][]string {
	if p.crumbs == nil {
		p.crumbs = exchange.CookieValues(p.r.Header)
	}
	return p.crumbs
}

// form returns the fields of a form, without files.
func (p *probe) form() (url.Values, error) {
	body, err := p.bytes()
	if p.fields == nil {
		p.fields = exchange.ParseForm(p.r.Header.Get("Content-Type"), body)
	}
	return p.fields, err
}

// xml returns the body as an XML document.
func (p *probe) xml() (*xmlNode, error) {
	if !p.haveXML {
		p.haveXML = true
		raw, err := p.bytes()
		if err == nil {
			p.root, err = parseXML(raw, p.r.Header.Get("Content-Type"))
		}
		p.rootErr = err
	}
	return p.root, p.rootErr
}

// json returns the parsed JSON body. Numbers stay as written. An empty body counts as
// an empty object.
func (p *probe) json() (any, error) {
	if !p.haveJSON {
		p.haveJSON = true
		text, err := p.text()
		if err == nil {
			if strings.TrimSpace(text) == "" {
				text = "{}"
			}
			p.value, err = parseJSON([]byte(text))
		}
		p.valueErr = err
	}
	return p.value, p.valueErr
}

// parseJSON reads one JSON value. Numbers become json.Number, so that they stay as
// written.
func parseJSON(data []byte) (any, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("not JSON: more after the first value")
	}
	return v, nil
}

// compact returns v as JSON text for a message.
func compact(v any) string { return jsonvalue.Short(v, 120) }
