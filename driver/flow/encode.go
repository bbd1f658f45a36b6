package flow

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// encoder writes a tnetstring from its end to its beginning. When it writes a length, the
// bytes of that length are written already, so nothing is measured first or moved later.
// The first part of a record is written last.
type encoder struct {
	buf   []byte
	at    int   // where the written bytes begin
	n     int64 // bytes written, with those of holes
	holes []hole
	err   error

	// Where the messages of a WebSocket begin and end, in bytes from the end of
	// the record.
	messages, after int64
}

// hole is a body that is copied from a file.
type hole struct {
	left int // bytes in buf that follow it
	body openBody
}

func (e *encoder) reset() {
	if cap(e.buf) > maxKept {
		e.buf = nil
	}
	e.at, e.n, e.holes, e.err = len(e.buf), 0, e.holes[:0], nil
}

// room returns n bytes in front of the written bytes.
func (e *encoder) room(n int) []byte {
	if e.at < n {
		used := len(e.buf) - e.at
		grown := make([]byte, max(2*len(e.buf), used+n, 4<<10))
		copy(grown[len(grown)-used:], e.buf[e.at:])
		e.buf, e.at = grown, len(grown)-used
	}
	e.at -= n
	e.n += int64(n)
	return e.buf[e.at : e.at+n]
}

// raw writes bytes that are encoded already.
func (e *encoder) raw(s string) { copy(e.room(len(s)), s) }

func (e *encoder) tag(c byte) { e.room(1)[0] = c }

// open begins a list or dictionary, at its end. close completes it after its contents.
func (e *encoder) open(tag byte) (mark int64) {
	e.tag(tag)
	return e.n
}

func (e *encoder) close(mark int64) { e.length(e.n - mark) }

// length writes the length of what is written already, and its colon.
func (e *encoder) length(n int64) {
	size := 2
	for rest := n; rest >= 10; rest /= 10 {
		size++
	}
	b := e.room(size)
	b[size-1] = ':'
	for i := size - 2; i >= 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
}

func (e *encoder) bytes(s string) {
	e.tag(tagBytes)
	e.raw(s)
	e.length(int64(len(s)))
}

// text writes a text, which must be UTF-8.
func (e *encoder) text(s string) {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\ufffd")
	}
	e.tag(tagText)
	e.raw(s)
	e.length(int64(len(s)))
}

// name writes text, or null when it is empty.
func (e *encoder) name(s string) {
	if s == "" {
		e.null()
		return
	}
	e.text(s)
}

func (e *encoder) null() { e.raw("0:~") }

func (e *encoder) bool(b bool) {
	if b {
		e.raw("4:true!")
	} else {
		e.raw("5:false!")
	}
}

func (e *encoder) int(n int64) {
	var digits [20]byte
	b := strconv.AppendInt(digits[:0], n, 10)
	e.tag(tagInt)
	copy(e.room(len(b)), b)
	e.length(int64(len(b)))
}

// number writes an integer of any size.
func (e *encoder) number(n json.Number) {
	digits := strings.TrimPrefix(n.String(), "-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		f, err := n.Float64()
		if err != nil {
			e.fail(fmt.Errorf("the number %s cannot be written", n))
		}
		e.float(f)
		return
	}
	e.tag(tagInt)
	copy(e.room(len(n)), n)
	e.length(int64(len(n)))
}

// float writes f as Python prints it.
func (e *encoder) float(f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		e.null() // not all readers understand Python's "nan"
		return
	}
	var digits [32]byte
	var b []byte
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		b = strconv.AppendFloat(digits[:0], f, 'e', -1, 64)
	} else {
		b = strconv.AppendFloat(digits[:0], f, 'f', -1, 64)
		if f == math.Trunc(f) {
			b = append(b, ".0"...)
		}
	}
	e.tag(tagFloat)
	copy(e.room(len(b)), b)
	e.length(int64(len(b)))
}

// time writes a time, null when it is not known.
func (e *encoder) time(t time.Time) {
	if t.IsZero() {
		e.null()
		return
	}
	e.moment(t)
}

// moment writes the first known time, 0 when none is known. It is for keys that can't be
// null.
func (e *encoder) moment(times ...time.Time) {
	for _, t := range times {
		if t.IsZero() {
			continue
		}
		sec, nsec := t.Unix(), t.Nanosecond()
		if sec > 0 && sec < 1<<32 && nsec%1000 == 0 {
			e.micros(sec, nsec/1000)
		} else {
			e.float(float64(sec) + float64(nsec)/1e9)
		}
		return
	}
	e.float(0)
}

// micros writes a time in microseconds as a float of seconds. Until 2106, its decimal
// digits are the shortest form of that float, so there is no need to search for one.
func (e *encoder) micros(sec int64, usec int) {
	fraction := 6
	for ; fraction > 1 && usec%10 == 0; fraction-- {
		usec /= 10
	}
	var digits [24]byte
	b := append(strconv.AppendInt(digits[:0], sec, 10), ".000000"[:fraction+1]...)
	for i := len(b) - 1; usec > 0; i-- {
		b[i] = byte('0' + usec%10)
		usec /= 10
	}
	e.tag(tagFloat)
	copy(e.room(len(b)), b)
	e.length(int64(len(b)))
}

// address writes [host, port], or null.
func (e *encoder) address(addr string) {
	host, port, ok := splitAddress(addr)
	if !ok {
		e.null()
		return
	}
	list := e.open(tagList)
	e.int(int64(port))
	e.text(host)
	e.close(list)
}

// id writes a UUID, a new one for an empty one.
func (e *encoder) id(id string) {
	if id == "" {
		id = uuid.NewString()
	}
	e.text(id)
}

// any writes a value of metadata.
func (e *encoder) any(v any, depth int) {
	if depth > maxDepth {
		e.fail(fmt.Errorf("nested more than %d deep", maxDepth))
		return
	}
	switch v := v.(type) {
	case nil:
		e.null()
	case bool:
		e.bool(v)
	case int:
		e.int(int64(v))
	case int64:
		e.int(v)
	case json.Number:
		e.number(v)
	case float64:
		e.float(v)
	case string:
		e.text(v)
	case []byte:
		e.bytes(string(v))
	case []any:
		list := e.open(tagList)
		for _, item := range slices.Backward(v) {
			e.any(item, depth+1)
		}
		e.close(list)
	case map[string]any:
		e.dict(v, depth+1)
	default:
		e.fail(fmt.Errorf("a %T cannot be written", v))
	}
}

// dict writes a dictionary in the order of its keys.
func (e *encoder) dict(m map[string]any, depth int) {
	if len(m) == 0 {
		e.raw("0:}")
		return
	}
	dict := e.open(tagDict)
	for _, key := range slices.Backward(slices.Sorted(maps.Keys(m))) {
		e.any(m[key], depth)
		e.text(key)
	}
	e.close(dict)
}

func (e *encoder) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}
