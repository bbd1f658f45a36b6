package builtins

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"go.starlark.net/starlark"
)

// maxText bounds JSON texts: a value can stand in many places of another.
const maxText = MaxResult

var errText = fmt.Errorf("%w: the JSON text has more than %d bytes", ErrMemory, maxText)

// AppendJSON writes v as compact JSON, mappings in their own order.
func AppendJSON(dst []byte, v starlark.Value) ([]byte, error) {
	return (*Call)(nil).AppendJSON(dst, v)
}

// AppendJSON is [AppendJSON] within the bounds of the run.
func (c *Call) AppendJSON(dst []byte, v starlark.Value) ([]byte, error) {
	e := jsonEncoder{out: dst, depth: maxDepth, call: c, next: worthwhile}
	if !e.leaf(v) {
		e.container(v)
	}
	return e.out, e.err
}

// jsonEncoder writes one value. It goes through dicts with one function of its
// own, made once: a closure for each would be most of the price.
type jsonEncoder struct {
	out   []byte
	depth int // how much deeper it may go
	err   error
	entry func(k, v starlark.Value) bool
	call  *Call
	next  int // the length from which more memory is needed
}

// grow reports whether the text, which has reached next, may go on.
func (e *jsonEncoder) grow() bool {
	if err := e.call.enough("the JSON text", len(e.out)); err != nil {
		return e.fail(err)
	}
	e.next = 2 * len(e.out)
	return true
}

// value writes v; it tells whether to go on.
func (e *jsonEncoder) value(v starlark.Value) bool {
	return e.leaf(v) && e.err == nil || e.err == nil && e.container(v)
}

// leaf writes v if it has no parts.
func (e *jsonEncoder) leaf(v starlark.Value) bool {
	switch v := v.(type) {
	case nil, starlark.NoneType:
		e.out = append(e.out, "null"...)
	case starlark.Bool:
		e.out = strconv.AppendBool(e.out, bool(v))
	case starlark.String:
		e.out = AppendQuoted(e.out, string(v))
	case starlark.Bytes:
		e.out = AppendQuoted(e.out, string(v))
	case starlark.Int:
		if n, ok := v.Int64(); ok {
			e.out = strconv.AppendInt(e.out, n, 10)
		} else if err := printable(v); err != nil {
			e.fail(err)
		} else {
			e.out = append(e.out, v.String()...)
		}
	default:
		return false
	}
	return true
}

// container writes all other values.
func (e *jsonEncoder) container(v starlark.Value) bool {
	if e.depth == 0 {
		return e.fail(errDepth)
	}
	e.depth--
	defer func() { e.depth++ }()
	switch v := v.(type) {
	case starlark.Float:
		out, err := appendFloat(e.out, float64(v))
		if err != nil {
			return e.fail(err)
		}
		e.out = out
	case *starlark.Dict:
		if e.entry == nil {
			e.entry = e.writeEntry
		}
		e.out = append(e.out, '{')
		v.Entries()(e.entry)
		e.out = append(e.out, '}')
	case *starlark.List:
		e.out = append(e.out, '[')
		for i := range v.Len() {
			if i > 0 {
				e.out = append(e.out, ',')
			}
			if !e.value(v.Index(i)) {
				return false
			}
			if len(e.out) > e.next && !e.grow() {
				return false
			}
		}
		e.out = append(e.out, ']')
	default:
		g, err := toGo(v, e.depth+1)
		if err != nil {
			return e.fail(err)
		}
		out, err := AppendGoJSON(e.out, g)
		if err != nil {
			return e.fail(err)
		}
		e.out = out
	}
	return e.err == nil
}

// writeEntry writes a key and its value. No value ends in a brace that opens.
func (e *jsonEncoder) writeEntry(k, v starlark.Value) bool {
	if e.out[len(e.out)-1] != '{' {
		e.out = append(e.out, ',')
	}
	key, err := jsonKey(k)
	if err != nil {
		return e.fail(err)
	}
	e.out = append(AppendQuoted(e.out, key), ':')
	if len(e.out) > e.next && !e.grow() {
		return false
	}
	return e.value(v)
}

func (e *jsonEncoder) fail(err error) bool {
	e.out, e.err = nil, err
	return false
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
			if len(dst) > maxText {
				return nil, errText
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
			if len(dst) > maxText {
				return nil, errText
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
