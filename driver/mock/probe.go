package mock

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
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
	text, _ := exchange.DecodeText(data, r.Header.Get("Content-Type"))
	return string(text), err
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
	if dec.More() {
		return nil, errors.New("not JSON: more after the first value")
	}
	return v, nil
}

// equalJSON compares JSON values: numbers by value whatever their Go type.
func equalJSON(a, b any) bool {
	switch x := a.(type) {
	case nil:
		return b == nil
	case bool:
		y, ok := b.(bool)
		return ok && x == y
	case string:
		y, ok := b.(string)
		return ok && x == y
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !equalJSON(x[i], y[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k := range x {
			v, ok := y[k]
			if !ok || !equalJSON(x[k], v) {
				return false
			}
		}
		return true
	}
	x, okX := numberText(a)
	y, okY := numberText(b)
	if !okX || !okY {
		return false
	}
	if x == y {
		return true
	}
	// Two integers are equal as text or not at all: float64 would take
	// neighbours beyond 2^53 for the same.
	if isInteger(x) && isInteger(y) {
		return false
	}
	fx, errX := strconv.ParseFloat(x, 64)
	fy, errY := strconv.ParseFloat(y, 64)
	return errX == nil && errY == nil && fx == fy
}

func numberText(v any) (string, bool) {
	switch n := v.(type) {
	case json.Number:
		return n.String(), true
	case float64:
		return strconv.FormatFloat(n, 'f', -1, 64), true
	}
	switch r := reflect.ValueOf(v); {
	case !r.IsValid():
		return "", false
	case r.CanInt():
		return strconv.FormatInt(r.Int(), 10), true
	case r.CanUint():
		return strconv.FormatUint(r.Uint(), 10), true
	case r.CanFloat():
		return strconv.FormatFloat(r.Float(), 'f', -1, 64), true
	}
	return "", false
}

func isInteger(s string) bool { return s != "-0" && !strings.ContainsAny(s, ".eE") }

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
