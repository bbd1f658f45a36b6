package mock

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"strconv"
	"strings"
	"unicode/utf16"

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

	haveText, haveJSON bool
	content            string
	contentErr         error
	value              any
	valueErr           error
}

// header gives the values of a canonical name, that of Host too.
func (p *probe) header(name string) []string {
	if name == "Host" && p.r.Authority != "" {
		return []string{p.r.Authority}
	}
	return p.r.Header[name]
}

// text is the body with its content-encoding and charset undone. An error says
// why that is not all of the body; what could be read is returned beside it.
func (p *probe) text() (string, error) {
	if !p.haveText {
		p.haveText = true
		p.content, p.contentErr = requestText(p.r)
	}
	return p.content, p.contentErr
}

func requestText(r *exchange.Request) (string, error) {
	if r.Body == nil {
		return "", nil
	}
	raw, err := r.Body.Bytes(maxMatchBody)
	if errors.Is(err, exchange.ErrBodyTooLarge) {
		err = fmt.Errorf("larger than %d bytes", maxMatchBody)
	}
	data, derr := exchange.Decode(raw, exchange.Encodings(r.Header), maxMatchBody)
	if err == nil {
		err = derr
	}
	return charsetText(data, r.Header.Get("Content-Type")), err
}

// charsetText turns bytes into text by the charset of a content type. UTF-8 is
// taken for every charset but Latin-1 and UTF-16.
func charsetText(data []byte, contentType string) string {
	if !strings.Contains(strings.ToLower(contentType), "charset") {
		return string(data)
	}
	_, params, _ := mime.ParseMediaType(contentType)
	var order binary.ByteOrder = binary.BigEndian
	switch strings.ToLower(params["charset"]) {
	case "iso-8859-1", "latin1", "latin-1", "windows-1252", "cp1252":
		runes := make([]rune, len(data))
		for i, c := range data {
			runes[i] = rune(c)
		}
		return string(runes)
	case "utf-16le":
		order = binary.LittleEndian
	case "utf-16", "utf-16be":
	default:
		return string(data)
	}
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) {
		order, data = binary.LittleEndian, data[2:]
	} else if bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		order, data = binary.BigEndian, data[2:]
	}
	units := make([]uint16, len(data)/2)
	for i := range units {
		units[i] = order.Uint16(data[2*i:])
	}
	return string(utf16.Decode(units))
}

// json is the body parsed, numbers kept as written. An empty body is an empty object.
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

// dotted walks into v: map keys and list indexes (negative ones from the end).
func dotted(v any, path string) (any, bool) {
	for part := range strings.SplitSeq(path, ".") {
		switch t := v.(type) {
		case map[string]any:
			next, ok := t[part]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(part)
			if err == nil && i < 0 {
				i += len(t)
			}
			if err != nil || i < 0 || i >= len(t) {
				return nil, false
			}
			v = t[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// quote makes text fit for an explanation: quoted, cut when long.
func quote(s string) string {
	const most = 120
	if len(s) > most {
		return strconv.Quote(s[:most]) + "…"
	}
	return strconv.Quote(s)
}

// compact is v as short JSON.
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
