package jsonvalue

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"starproxy/builtins/excerpt"
)

// ErrLong is a text that would be longer than asked for, for errors.Is.
var ErrLong = errors.New("the JSON text is too long")

// Append writes v as compact JSON. A Go value that is no JSON value, such as a struct,
// is written as encoding/json does, with the characters of texts as in [AppendText].
func Append(dst []byte, v any) ([]byte, error) { return AppendMax(dst, v, math.MaxInt) }

// AppendMax is [Append] for texts of up to max bytes; a longer one is an
// [ErrLong].
func AppendMax(dst []byte, v any, max int) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case string:
		return AppendText(dst, v), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case float64:
		return AppendFloat(dst, v)
	case json.Number:
		if text := jsontext.Value(v); text.Kind() == '0' && text.IsValid() {
			return append(dst, v...), nil
		}
	case []any:
		return appendList(dst, v, max)
	case Object:
		return appendObject(dst, v, max)
	case map[string]any:
		return AppendMax(dst, Sorted(v), max)
	}
	return appendGo(dst, v)
}

// appendGo writes a Go value that is no JSON value.
func appendGo(dst []byte, v any) ([]byte, error) {
	var data bytes.Buffer
	enc := json.NewEncoder(&data)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	text := bytes.TrimSuffix(data.Bytes(), []byte("\n"))
	for _, escaped := range []string{`\u2028`, `\u2029`, `\ufffd`} {
		if bytes.Contains(text, []byte(escaped)) { // encoding/json escapes these; AppendText does not
			return jsontext.AppendFormat(dst, text, jsontext.AllowDuplicateNames(true))
		}
	}
	return append(dst, text...), nil
}

func appendList(dst []byte, list []any, max int) (_ []byte, err error) {
	dst = append(dst, '[')
	for i, e := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = AppendMax(dst, e, max); err != nil {
			return nil, err
		}
		if len(dst) > max {
			return nil, ErrLong
		}
	}
	return append(dst, ']'), nil
}

func appendObject(dst []byte, o Object, max int) (_ []byte, err error) {
	dst = append(dst, '{')
	for i, m := range o {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(AppendText(dst, m.Key), ':')
		if dst, err = AppendMax(dst, m.Value, max); err != nil {
			return nil, fmt.Errorf("%s: %w", m.Key, err)
		}
		if len(dst) > max {
			return nil, ErrLong
		}
	}
	return append(dst, '}'), nil
}

// Short returns v as compact JSON for a message, at most max characters of it and
// then "…". A value without a JSON form is returned as fmt writes it.
func Short(v any, max int) string {
	b, err := Append(nil, v)
	if err != nil {
		b = fmt.Append(nil, v)
	}
	return excerpt.Cut(string(b), max)
}

// AppendFloat writes f so that it reads back as a float: 2.0, not 2.
func AppendFloat(dst []byte, f float64) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("%v has no JSON form", f)
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	n := len(dst)
	dst = strconv.AppendFloat(dst, f, format, -1, 64)
	if end := len(dst); format == 'e' && end-n >= 4 && dst[end-4] == 'e' && dst[end-2] == '0' {
		return append(dst[:end-2], dst[end-1]), nil // 1e-7, not 1e-07, as encoding/json
	}
	if format == 'f' {
		for _, c := range dst[n:] {
			if c == '.' {
				return dst, nil
			}
		}
		dst = append(dst, ".0"...)
	}
	return dst, nil
}

// AppendText writes s as a JSON string. Only quotes, backslashes and control characters
// up to U+001F are escaped. Bytes that are not UTF-8 become U+FFFD.
func AppendText(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, s) // the error is about such bytes
	return dst
}

// AppendEscaped writes s as [AppendText] does, without the quotes.
func AppendEscaped(dst []byte, s string) []byte {
	start := len(dst)
	dst = AppendText(dst, s)
	return append(dst[:start], dst[start+1:len(dst)-1]...)
}
