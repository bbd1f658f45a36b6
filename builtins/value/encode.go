package value

import (
	"errors"
	"fmt"
	"strconv"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
	"starproxy/builtins/jsonvalue"
)

// maxText is the longest JSON text. A small value can make a long text, because the
// same list can be an element many times.
const maxText = call.MaxResult

var errText = fmt.Errorf("%w: the JSON text has more than %d bytes", call.ErrMemory, maxText)

// AppendJSON writes v as compact JSON, with mappings in their own order. The limits
// of the run c apply; if c is nil, there are none.
func AppendJSON(c *call.Call, dst []byte, v starlark.Value) ([]byte, error) {
	e := jsonEncoder{out: dst, depth: call.MaxDepth, call: c, next: call.Worthwhile}
	if !e.leaf(v) {
		e.container(v)
	}
	return e.out, e.err
}

// jsonEncoder writes one value. entry is made once and used for all dicts, because
// a closure for each dict would take most of the time.
type jsonEncoder struct {
	out   []byte
	depth int // how many more levels are allowed
	err   error
	entry func(k, v starlark.Value) bool
	call  *call.Call
	next  int // the length from which more memory is needed
}

// grow is called when the text has reached the length next. It reports whether the
// text may become longer.
func (e *jsonEncoder) grow() bool {
	if err := e.call.Enough("the JSON text", len(e.out)); err != nil {
		return e.fail(err)
	}
	e.next = 2 * len(e.out)
	return true
}

// value writes v. It reports false after an error.
func (e *jsonEncoder) value(v starlark.Value) bool {
	return e.leaf(v) && e.err == nil || e.err == nil && e.container(v)
}

// leaf writes v if it is a value without parts, such as a number.
func (e *jsonEncoder) leaf(v starlark.Value) bool {
	switch v := v.(type) {
	case nil, starlark.NoneType:
		e.out = append(e.out, "null"...)
	case starlark.Bool:
		e.out = strconv.AppendBool(e.out, bool(v))
	case starlark.String:
		e.out = jsonvalue.AppendText(e.out, string(v))
	case starlark.Bytes:
		e.out = jsonvalue.AppendText(e.out, string(v))
	case starlark.Int:
		if n, ok := v.Int64(); ok {
			e.out = strconv.AppendInt(e.out, n, 10)
		} else if err := call.Printable(v); err != nil {
			e.fail(err)
		} else {
			e.out = append(e.out, v.String()...)
		}
	case starlark.Float:
		if out, err := jsonvalue.AppendFloat(e.out, float64(v)); err != nil {
			e.fail(err)
		} else {
			e.out = out
		}
	default:
		return false
	}
	return true
}

// container writes all other values.
func (e *jsonEncoder) container(v starlark.Value) bool {
	if e.depth == 0 {
		return e.fail(call.ErrDepth)
	}
	e.depth--
	defer func() { e.depth++ }()
	switch v := v.(type) {
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
		g, err := (&converter{}).value(v, e.depth+1)
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

// writeEntry writes a key and its value. A comma comes before it, unless the text
// ends in an opening brace, which no value does.
func (e *jsonEncoder) writeEntry(k, v starlark.Value) bool {
	if e.out[len(e.out)-1] != '{' {
		e.out = append(e.out, ',')
	}
	key, err := JSONKey(k)
	if err != nil {
		return e.fail(err)
	}
	e.out = append(jsonvalue.AppendText(e.out, key), ':')
	if len(e.out) > e.next && !e.grow() {
		return false
	}
	if !e.value(v) {
		return e.fail(below(key, e.err))
	}
	return true
}

func (e *jsonEncoder) fail(err error) bool {
	e.out, e.err = nil, err
	return false
}

// AppendGoJSON writes a JSON value as compact JSON.
func AppendGoJSON(dst []byte, v any) ([]byte, error) {
	dst, err := jsonvalue.AppendMax(dst, v, maxText)
	if errors.Is(err, jsonvalue.ErrLong) {
		return nil, errText
	}
	return dst, err
}
