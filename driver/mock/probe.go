package mock

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"

	"starproxy/builtins/exchange"
)

// maxMatchBody bounds what a condition reads of a body: 1 MiB, as sent and decoded.
const maxMatchBody = 1 << 20

// probe looks into one request for all the conditions that ask: the body is
// read, decoded and parsed at most once.
type probe struct {
	r *exchange.Request
	// skipBody leaves the body alone: body conditions then fail without a reason.
	skipBody bool
	// params are those of the endpoint, for rules, which have no path.
	params map[string]string

	haveRaw, haveText, haveJSON bool
	raw                         []byte
	rawErr                      error
	content                     string
	value                       any
	valueErr                    error

	// Only matchers ask for these.
	crumbs            map[string][]string
	fields            url.Values
	root              *xmlNode
	haveXML           bool
	rootErr, partsErr error
	haveParts         bool
	found             []*probePart
}

// header returns the values of a canonical name. Host is the authority where no
// line says it.
func (p *probe) header(name string) []string {
	values := p.r.Header.Values(name)
	if values == nil && name == "Host" && p.r.Authority != "" {
		return []string{p.r.Authority}
	}
	return values
}

// hasHeader reports whether one of the values of a header, or the list of them
// all, is want; "" is any value.
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

// text returns the body with its content-encoding and charset undone. An error
// says why that is not all of the body; what could be read is returned beside
// it.
func (p *probe) text() (string, error) {
	raw, err := p.bytes()
	if !p.haveText {
		text, _ := exchange.DecodeText(raw, p.r.Header.Get("Content-Type"))
		p.haveText, p.content = true, string(text)
	}
	return p.content, err
}

// bytes returns the body with its content-encoding undone; errors are those of
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

// form returns the fields of a form, files left out.
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

// json returns the body parsed, numbers kept as written. An empty body is an
// empty object.
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

// parseJSON reads one JSON value; numbers stay json.Number, so that nothing is
// lost on the way through.
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

// quote makes text fit for an explanation: quoted, cut when long.
func quote(s string) string {
	const most = 120
	if len(s) > most {
		return strconv.Quote(s[:most]) + "…"
	}
	return strconv.Quote(s)
}

// compact returns v as short JSON.
func compact(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return quote(fmt.Sprint(v))
	}
	if len(b) > 120 {
		return string(b[:120]) + "…"
	}
	return string(b)
}
