package builtins

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"go.starlark.net/starlark"
)

// AppendJSON writes v as compact JSON, mappings in their own order.
func AppendJSON(dst []byte, v starlark.Value) ([]byte, error) { return appendJSON(dst, v, maxDepth) }

func appendJSON(dst []byte, v starlark.Value, depth int) (_ []byte, err error) {
	if depth == 0 {
		return nil, errDepth
	}
	switch v := v.(type) {
	case nil, starlark.NoneType:
		return append(dst, "null"...), nil
	case starlark.Bool:
		return strconv.AppendBool(dst, bool(v)), nil
	case starlark.String:
		return AppendQuoted(dst, string(v)), nil
	case starlark.Bytes:
		return AppendQuoted(dst, string(v)), nil
	case starlark.Int:
		if n, ok := v.Int64(); ok {
			return strconv.AppendInt(dst, n, 10), nil
		}
		return append(dst, v.String()...), nil
	case starlark.Float:
		return appendFloat(dst, float64(v))
	case *starlark.Dict:
		dst = append(dst, '{')
		first := true
		for k, e := range v.Entries() {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			key, err := jsonKey(k)
			if err != nil {
				return nil, err
			}
			dst = append(AppendQuoted(dst, key), ':')
			if dst, err = appendJSON(dst, e, depth-1); err != nil {
				return nil, err
			}
		}
		return append(dst, '}'), nil
	case *starlark.List:
		dst = append(dst, '[')
		for i := range v.Len() {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = appendJSON(dst, v.Index(i), depth-1); err != nil {
				return nil, err
			}
		}
		return append(dst, ']'), nil
	}
	g, err := toGo(v, depth)
	if err != nil {
		return nil, err
	}
	return AppendGoJSON(dst, g)
}

// AppendGoJSON writes a JSON value as compact JSON, maps in alphabetical order.
func AppendGoJSON(dst []byte, v any) (_ []byte, err error) {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case string:
		return AppendQuoted(dst, v), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case float64:
		return appendFloat(dst, v)
	case []any:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = AppendGoJSON(dst, e); err != nil {
				return nil, err
			}
		}
		return append(dst, ']'), nil
	case map[string]any:
		dst = append(dst, '{')
		for i, k := range sortedKeys(v) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(AppendQuoted(dst, k), ':')
			if dst, err = AppendGoJSON(dst, v[k]); err != nil {
				return nil, err
			}
		}
		return append(dst, '}'), nil
	}
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return append(dst, data...), nil
}

// appendFloat writes f so that it reads back as a float: 2.0, not 2.
func appendFloat(dst []byte, f float64) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("%v has no JSON form", f)
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	n := len(dst)
	dst = strconv.AppendFloat(dst, f, format, -1, 64)
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

const hexDigits = "0123456789abcdef"

// AppendQuoted writes s as a JSON string; bytes that are not UTF-8 become U+FFFD.
func AppendQuoted(dst []byte, s string) []byte {
	dst = AppendEscaped(append(dst, '"'), s)
	return append(dst, '"')
}

// AppendEscaped writes s as it stands inside a JSON string.
func AppendEscaped(dst []byte, s string) []byte {
	start := 0
	for i := 0; i < len(s); {
		b := s[i]
		if b >= utf8.RuneSelf {
			if r, size := utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
			dst = append(append(dst, s[start:i]...), "\ufffd"...)
			i++
			start = i
			continue
		}
		if b >= ' ' && b != '"' && b != '\\' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		switch b {
		case '"', '\\':
			dst = append(dst, '\\', b)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&15])
		}
		i++
		start = i
	}
	return append(dst, s[start:]...)
}
