package flow

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// cursor reads the elements of a list or a dictionary in their order. The first error ends
// it and is in err. After that all methods return zero values.
type cursor struct {
	s        *source
	off, end int64
	err      error
	index    int // of the element, from 1
	value    value
	key      [maxName]byte
	nkey     int // length of the key, 0 for a key that is ignored
}

// walk returns a cursor on v, which must have the given tag. Null counts as empty.
func (s *source) walk(v value, tag byte) cursor {
	c := cursor{s: s, off: v.off, end: v.off + v.n}
	switch {
	case v.null():
		c.end = c.off
	case v.tag != tag:
		c.err = mismatch(tagName(tag), v)
	}
	return c
}

// single returns a cursor on one value. Error messages call it name.
func (s *source) single(name string, v value) cursor {
	if v.tag == 0 {
		v.tag = tagNull
	}
	c := cursor{s: s, value: v}
	c.nkey = copy(c.key[:], name)
	return c
}

func mismatch(expected string, v value) error {
	return fmt.Errorf("expected %s, got %s", expected, tagName(v.tag))
}

// item goes to the next element of a list.
func (c *cursor) item() bool {
	if c.err != nil || c.off == c.end {
		return false
	}
	c.index++
	v, next, err := c.s.element(c.off, c.end)
	if err != nil {
		c.fail(err)
		return false
	}
	c.value, c.off = v, next
	return true
}

// pair goes to the next pair of a dictionary.
func (c *cursor) pair() bool {
	c.nkey = 0
	if !c.item() {
		return false
	}
	k := c.value
	if k.tag != tagText && k.tag != tagBytes {
		c.fail(mismatch("a key", k))
		return false
	}
	if k.n <= maxName {
		b, err := c.s.exact(k.off, int(k.n))
		if err != nil {
			c.fail(err)
			return false
		}
		c.nkey = copy(c.key[:], b)
	}
	v, next, err := c.s.element(c.off, c.end)
	if err != nil {
		c.fail(err)
		return false
	}
	c.value, c.off = v, next
	return true
}

// fail ends the cursor with an error that names the element.
func (c *cursor) fail(err error) {
	switch {
	case c.err != nil || err == nil:
	case c.nkey > 0:
		c.err = fmt.Errorf("%s: %w", string(c.key[:c.nkey]), err)
	default:
		c.err = fmt.Errorf("element %d: %w", c.index, err)
	}
}

// scalar returns the payload of a short element, nil for null.
func (c *cursor) scalar(expected string, tag, other byte) []byte {
	v := c.value
	if v.tag == tagNull {
		return nil
	}
	if v.tag != tag && v.tag != other {
		c.fail(mismatch(expected, v))
		return nil
	}
	if v.n == 0 || v.n > 400 { // a float in full may have some 330 digits
		c.fail(fmt.Errorf("expected %s, got %d bytes", expected, v.n))
		return nil
	}
	b, err := c.s.exact(v.off, int(v.n))
	if err != nil {
		c.fail(err)
		return nil
	}
	return b
}

// int reads an integer; null is 0.
func (c *cursor) int() int64 {
	b := c.scalar("an integer", tagInt, tagInt)
	if b == nil {
		return 0
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		c.fail(fmt.Errorf("expected an integer, got %q", b))
	}
	return n
}

// large reads an integer of any size: an int64 or, with its digits, a json.Number.
func (c *cursor) large() any {
	b := c.scalar("an integer", tagInt, tagInt)
	text := string(b)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	if digits := strings.TrimPrefix(text, "-"); digits == "" || strings.Trim(digits, "0123456789") != "" || digits[0] == '0' {
		c.fail(fmt.Errorf("expected an integer, got %q", b))
		return nil
	}
	return json.Number(text)
}

// small reads an integer that is a count or a code.
func (c *cursor) small() int {
	n := c.int()
	if n < math.MinInt32 || n > math.MaxInt32 {
		c.fail(fmt.Errorf("%d is out of range", n))
		return 0
	}
	return int(n)
}

// float reads a float or an integer; null is 0.
func (c *cursor) float() float64 {
	b := c.scalar("a float", tagFloat, tagInt)
	if b == nil {
		return 0
	}
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		c.fail(fmt.Errorf("expected a float, got %q", b))
		return 0
	}
	return f
}

// time reads the seconds since 1970. Null is an unknown time, and so are 0, which is
// written where null is not allowed, and numbers that are no time.
func (c *cursor) time() time.Time {
	b := c.scalar("a float", tagFloat, tagInt)
	if sec, nsec, ok := seconds(b); ok {
		if sec == 0 && nsec == 0 {
			return time.Time{}
		}
		return time.Unix(sec, nsec)
	}
	f := c.float()
	if f == 0 || !(math.Abs(f) < 1<<37) { // some 4000 years
		return time.Time{}
	}
	whole := math.Floor(f)
	return time.Unix(int64(whole), int64(math.Round((f-whole)*1e9)))
}

// seconds parses a decimal number of seconds exactly. A float can't represent a
// millisecond exactly.
func seconds(b []byte) (sec, nsec int64, ok bool) {
	digits, point := 0, false
	for _, c := range b {
		switch {
		case c == '.' && !point:
			point, digits = true, 0
		case c < '0' || c > '9' || digits > 10 || point && digits == 9:
			return 0, 0, false
		case point:
			nsec = nsec*10 + int64(c-'0')
			digits++
		default:
			sec = sec*10 + int64(c-'0')
			digits++
		}
	}
	for ; point && digits < 9; digits++ {
		nsec *= 10
	}
	return sec, nsec, len(b) > 0 && b[0] != '.'
}

// bool reads a boolean; null is false.
func (c *cursor) bool() bool {
	b := c.scalar("a boolean", tagBool, tagBool)
	switch string(b) {
	case "true":
		return true
	case "false", "":
	default:
		c.fail(fmt.Errorf("expected a boolean, got %q", b))
	}
	return false
}

// text reads text or bytes; null is empty.
func (c *cursor) text() string {
	v := c.value
	switch v.tag {
	case tagNull:
		return ""
	case tagText, tagBytes:
		text, err := c.s.string(v.off, v.n)
		c.fail(err)
		return text
	}
	c.fail(mismatch("text", v))
	return ""
}

// bytes reads bytes or text; null is nil.
func (c *cursor) bytes() []byte {
	v := c.value
	switch v.tag {
	case tagNull:
		return nil
	case tagText, tagBytes:
		data, err := c.s.bytes(v.off, v.n)
		c.fail(err)
		return data
	}
	c.fail(mismatch("bytes", v))
	return nil
}

// any reads a value of any type.
func (c *cursor) any(depth int) any {
	if depth > maxDepth {
		c.fail(fmt.Errorf("nested more than %d deep", maxDepth))
		return nil
	}
	if err := c.s.hold(64); err != nil {
		c.fail(err)
		return nil
	}
	switch v := c.value; v.tag {
	case tagBytes:
		if b := c.bytes(); b != nil {
			return b
		}
		return []byte{}
	case tagText:
		return c.text()
	case tagInt:
		if v.n > 18 { // integers of Python have any size
			return c.large()
		}
		return c.int()
	case tagFloat:
		return c.float()
	case tagBool:
		return c.bool()
	case tagList:
		list := []any{}
		inner := c.s.walk(v, tagList)
		for inner.item() {
			list = append(list, inner.any(depth+1))
		}
		c.fail(inner.err)
		return list
	case tagDict:
		m, err := c.s.dict(v, depth+1)
		c.fail(err)
		return m
	}
	return nil
}

// dict reads a dictionary with keys of any kind.
func (s *source) dict(v value, depth int) (map[string]any, error) {
	m := map[string]any{}
	c := s.walk(v, tagDict)
	for c.item() {
		key := c.text()
		if c.item() {
			m[key] = c.any(depth)
		} else if c.err == nil {
			c.fail(fmt.Errorf("%q has no value", key))
		}
	}
	return m, c.err
}
