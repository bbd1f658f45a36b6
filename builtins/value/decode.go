package value

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"starproxy/builtins/call"

	"go.starlark.net/starlark"
)

// DecodeJSON makes a Starlark value of one JSON text. The limits of the run c apply;
// if c is nil, there are none. Integral numbers become ints. If a key occurs twice,
// its last value counts.
func DecodeJSON(c *call.Call, data []byte) (starlark.Value, error) {
	d := jsonDecoder{data: data, call: c, next: call.Worthwhile}
	v, err := d.value(call.MaxDepth)
	if err != nil {
		return nil, err
	}
	if d.space(); d.pos < len(data) {
		return nil, d.fail("more after the end of the value")
	}
	return v, nil
}

type jsonDecoder struct {
	data  []byte
	pos   int
	count int // the number of values so far
	size  int // the bytes that these values take
	next  int // the size at which more memory must be reserved
	call  *call.Call

	passed int // the number of members and elements that were read so far
}

// The sizes of values beside their text, in bytes.
const (
	sizeOfDict  = 600
	sizeOfList  = 80
	sizeOfValue = 48
)

// made adds size bytes for a new value, and reserves more memory when it is needed.
func (d *jsonDecoder) made(size int) error {
	if d.size += size; d.size <= d.next || d.next == 0 {
		return nil
	}
	d.next = 2 * d.size
	return d.call.Enough("the JSON value", d.size)
}

// look calls [call.Call.Look], but not for every value.
func (d *jsonDecoder) look() error {
	if d.passed++; d.passed%call.LookEvery != 0 {
		return nil
	}
	return d.call.Look()
}

// jsonError is the error of a text that is not JSON.
type jsonError struct {
	at   int
	what string
}

func (e *jsonError) Error() string { return fmt.Sprintf("at offset %d: %s", e.at, e.what) }

// IsJSON reports whether err is an error of decoding that does not say that the text
// is malformed. Examples are the end of the run and a value that is too large.
func IsJSON(err error) bool {
	var bad *jsonError
	return !errors.As(err, &bad)
}

// tooLarge returns the error of a value that is valid JSON but too large.
func (d *jsonDecoder) tooLarge(what string) error {
	return fmt.Errorf("at offset %d: %s", d.pos, what)
}

// fail makes an error with the position at which decoding stopped.
func (d *jsonDecoder) fail(what string) error { return &jsonError{d.pos, what} }

func (d *jsonDecoder) space() {
	for d.pos < len(d.data) {
		switch d.data[d.pos] {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return
		}
	}
}

// peek skips space and gives the byte there, 0 at the end.
func (d *jsonDecoder) peek() byte {
	d.space()
	if d.pos == len(d.data) {
		return 0
	}
	return d.data[d.pos]
}

func (d *jsonDecoder) value(depth int) (starlark.Value, error) {
	if depth == 0 {
		return nil, call.ErrDepth
	}
	if d.count++; d.count > call.MaxElements {
		return nil, d.tooLarge(fmt.Sprintf("more than %d values", call.MaxElements))
	}
	if err := d.made(sizeOfValue); err != nil {
		return nil, err
	}
	switch b := d.peek(); b {
	case '{':
		return d.object(depth)
	case '[':
		return d.array(depth)
	case '"':
		s, err := d.text()
		if err == nil {
			err = d.made(len(s))
		}
		return starlark.String(s), err
	case 't':
		return d.word("true", starlark.True)
	case 'f':
		return d.word("false", starlark.False)
	case 'n':
		return d.word("null", starlark.None)
	case 0:
		if d.pos == len(d.data) {
			return nil, d.fail("unexpected end")
		}
	}
	return d.number()
}

func (d *jsonDecoder) word(w string, v starlark.Value) (starlark.Value, error) {
	if !bytes.HasPrefix(d.data[d.pos:], []byte(w)) {
		return nil, d.fail("unexpected character")
	}
	d.pos += len(w)
	return v, nil
}

func (d *jsonDecoder) object(depth int) (starlark.Value, error) {
	if err := d.made(sizeOfDict); err != nil {
		return nil, err
	}
	dict := d.call.Maker(0)
	return dict.Dict, d.members(func(key []byte) error {
		k := starlark.String(key)
		v, err := d.value(depth - 1)
		if err != nil {
			return err
		}
		return dict.Set(k, v)
	})
}

// members reads an object. It calls each before the value of every key, and each
// must read that value.
func (d *jsonDecoder) members(each func(key []byte) error) error {
	d.pos++
	if d.peek() == '}' {
		d.pos++
		return nil
	}
	for {
		if d.peek() != '"' {
			return d.fail("want a key in double quotes")
		}
		k, err := d.bytes()
		if err != nil {
			return err
		}
		if d.peek() != ':' {
			return d.fail("want ':' after a key")
		}
		d.pos++
		if err := each(k); err != nil {
			return err
		}
		if more, err := d.more('}'); !more {
			return err
		}
	}
}

func (d *jsonDecoder) array(depth int) (starlark.Value, error) {
	if err := d.made(sizeOfList); err != nil {
		return nil, err
	}
	var list []starlark.Value
	err := d.elements(func() error {
		v, err := d.value(depth - 1)
		list = append(list, v)
		return err
	})
	return starlark.NewList(list), err
}

// elements reads an array. It calls each before every element, and each must read
// that element.
func (d *jsonDecoder) elements(each func() error) error {
	d.pos++
	if d.peek() == ']' {
		d.pos++
		return nil
	}
	for {
		if err := each(); err != nil {
			return err
		}
		if more, err := d.more(']'); !more {
			return err
		}
	}
}

// more reads what follows an element: a comma, for which it returns true, or the
// end of the array or object.
func (d *jsonDecoder) more(end byte) (bool, error) {
	if err := d.look(); err != nil {
		return false, err
	}
	switch d.peek() {
	case ',':
		d.pos++
		return true, nil
	case end:
		d.pos++
		return false, nil
	}
	return false, d.fail("want ',' or '" + string(rune(end)) + "'")
}

// number reads a number. It accepts only the forms of the JSON grammar.
func (d *jsonDecoder) number() (starlark.Value, error) {
	start := d.pos
	digits := func() bool {
		from := d.pos
		for d.pos < len(d.data) && d.data[d.pos] >= '0' && d.data[d.pos] <= '9' {
			d.pos++
		}
		return d.pos > from
	}
	at := func(chars string) bool {
		if d.pos < len(d.data) && strings.IndexByte(chars, d.data[d.pos]) >= 0 {
			d.pos++
			return true
		}
		return false
	}
	at("-")
	if !at("0") && !digits() {
		d.pos = start
		return nil, d.fail("unexpected character")
	}
	whole := true
	if at(".") {
		if whole = false; !digits() {
			return nil, d.fail("want a digit after the point")
		}
	}
	if at("eE") {
		whole = false
		at("+-")
		if !digits() {
			return nil, d.fail("want a digit in the exponent")
		}
	}
	text := string(d.data[start:d.pos])
	if whole {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return starlark.MakeInt64(n), nil
		}
		if len(text) > 1000 {
			return nil, d.tooLarge("number of more than 1000 digits")
		}
		n, _ := new(big.Int).SetString(text, 10)
		return starlark.MakeBigInt(n), nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, d.tooLarge("number out of range")
	}
	return starlark.Float(f), nil
}

// text reads a string; d.pos is at its opening quote.
func (d *jsonDecoder) text() (string, error) {
	d.pos++
	start := d.pos
	for i := start; i < len(d.data); i++ {
		switch b := d.data[i]; {
		case b == '"':
			d.pos = i + 1
			s := d.data[start:i]
			if !utf8.Valid(s) {
				return string([]rune(string(s))), nil // every wrong byte becomes U+FFFD
			}
			return string(s), nil
		case b == '\\':
			return d.escaped(start, i)
		case b < ' ':
			d.pos = i
			return "", d.fail("control character in a string")
		}
	}
	d.pos = len(d.data)
	return "", d.fail("string without an end")
}

// escaped reads the rest of a string that began at start. Its first backslash is at
// i.
func (d *jsonDecoder) escaped(start, i int) (string, error) {
	out := append([]byte(nil), d.data[start:i]...)
	for ; i < len(d.data); i++ {
		b := d.data[i]
		if b == '"' {
			d.pos = i + 1
			return string([]rune(string(out))), nil
		}
		if b < ' ' {
			d.pos = i
			return "", d.fail("control character in a string")
		}
		if b != '\\' {
			out = append(out, b)
			continue
		}
		i++
		if i == len(d.data) {
			break
		}
		if j := strings.IndexByte(`"\/bfnrt`, d.data[i]); j >= 0 {
			out = append(out, "\"\\/\b\f\n\r\t"[j])
			continue
		}
		r, ok := d.unicode(i)
		if !ok {
			d.pos = i
			return "", d.fail("unknown escape in a string")
		}
		i += 4
		if utf16.IsSurrogate(r) {
			var more int
			r, more = d.pair(r, i+1)
			i += more
		}
		out = utf8.AppendRune(out, r)
	}
	d.pos = len(d.data)
	return "", d.fail("string without an end")
}

// pair returns the character that the surrogate high forms with the escape at i, and
// the length of that escape. If there is no second surrogate, it returns U+FFFD and
// 0.
func (d *jsonDecoder) pair(high rune, i int) (rune, int) {
	if i+1 < len(d.data) && d.data[i] == '\\' {
		if low, ok := d.unicode(i + 1); ok {
			if r := utf16.DecodeRune(high, low); r != utf8.RuneError {
				return r, 6
			}
		}
	}
	return utf8.RuneError, 0
}

// unicode reads a code unit at i, in the form of a JSON escape: u and four
// hexadecimal digits.
func (d *jsonDecoder) unicode(i int) (rune, bool) {
	if i+5 > len(d.data) || d.data[i] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(d.data[i+1:i+5]), 16, 16)
	return rune(n), err == nil
}
