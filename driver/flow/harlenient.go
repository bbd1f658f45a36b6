package flow

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"starproxy/builtins/exchange"
)

// Programs that write HAR disagree on types. They write numbers as text, text as numbers,
// and null or other values in place of a list or an object. These types accept all values
// that can be understood and are empty for others, so that an entry is rejected only if
// something necessary is missing.

// harString is a text, a number or a boolean.
type harString string

// UnmarshalJSON accepts texts, numbers and booleans. Other values are empty.
func (s *harString) UnmarshalJSON(data []byte) error {
	switch data[0] {
	case '"':
		var text string
		err := json.Unmarshal(data, &text)
		*s = harString(text)
		return err
	case '{', '[', 'n':
		*s = ""
	default:
		*s = harString(data)
	}
	return nil
}

// harPayload is the text of a body. A JSON value that is no text is itself the body.
type harPayload string

// UnmarshalJSON accepts all JSON values.
func (s *harPayload) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		return (*harString)(s).UnmarshalJSON(data)
	}
	*s = harPayload(data)
	return nil
}

// harNumber is a number, or a text with a number, and NaN for other values.
type harNumber float64

// UnmarshalJSON never fails.
func (n *harNumber) UnmarshalJSON(data []byte) error {
	var text harString
	f := math.NaN()
	if err := text.UnmarshalJSON(data); err == nil {
		if v, err := strconv.ParseFloat(strings.TrimSpace(string(text)), 64); err == nil {
			f = v
		}
	}
	*n = harNumber(f)
	return nil
}

// int returns the whole number, if it is one.
func (n harNumber) int() (int64, bool) {
	f := float64(n)
	return int64(f), f == math.Trunc(f) && math.Abs(f) < 1<<53
}

// maybe is an object. A value that is no object counts as absent.
type maybe[T any] struct{ value *T }

// UnmarshalJSON never fails.
func (m *maybe[T]) UnmarshalJSON(data []byte) error {
	m.value = nil
	if v := new(T); data[0] == '{' && json.Unmarshal(data, v) == nil {
		m.value = v
	}
	return nil
}

// harList is a list without the elements that can't be read as T.
type harList[T any] []T

// UnmarshalJSON never fails. A value that is no list is an empty list.
func (l *harList[T]) UnmarshalJSON(data []byte) error {
	*l = nil
	if data[0] != '[' {
		return nil
	}
	var items []json.RawMessage
	if err := json.Unmarshal(data, &items); err != nil {
		return err
	}
	*l = make([]T, 0, len(items))
	for _, item := range items {
		var v T
		if item[0] != 'n' && json.Unmarshal(item, &v) == nil { // null is no element
			*l = append(*l, v)
		}
	}
	return nil
}

// harFields is a header: a list of pairs, each an object or a list of two, or an
// object of names.
type harFields exchange.Header

// UnmarshalJSON never fails.
func (h *harFields) UnmarshalJSON(data []byte) error {
	*h = nil
	add := func(name, value harString) { *h = append(*h, fieldLines(string(name), string(value))...) }
	switch data[0] {
	case '[':
		var items harList[json.RawMessage]
		items.UnmarshalJSON(data)
		for _, item := range items {
			var pair struct{ Name, Value harString }
			var list []harString
			switch {
			case item[0] == '{' && json.Unmarshal(item, &pair) == nil:
				add(pair.Name, pair.Value)
			case item[0] == '[' && json.Unmarshal(item, &list) == nil && len(list) >= 2:
				add(list[0], list[1])
			}
		}
	case '{':
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.Token()
		for dec.More() { // in their order
			name, err := dec.Token()
			var value json.RawMessage
			if err != nil || dec.Decode(&value) != nil {
				return nil
			}
			values := harList[harString]{""}
			if value[0] == '[' {
				values.UnmarshalJSON(value)
			} else {
				values[0].UnmarshalJSON(value)
			}
			for _, v := range values {
				text, _ := name.(string)
				add(harString(text), v)
			}
		}
	}
	return nil
}

// fieldLines makes the lines of a header of one name, whose values some browsers
// join by newlines. A line that begins with white space goes on with the one
// before (RFC 9112 section 5.2). Without a name there are none.
func fieldLines(name, value string) (lines exchange.Header) {
	if name = strings.TrimSpace(name); name == "" {
		return nil
	}
	if !strings.ContainsAny(value, "\r\n") {
		return exchange.HeaderOf(name, value)
	}
	for line := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == '\r' || r == '\n' }) {
		text := strings.Trim(line, " \t")
		switch {
		case text == "":
		case len(lines) > 0 && (line[0] == ' ' || line[0] == '\t'):
			lines[len(lines)-1].Value += " " + text
		default:
			lines.Add(name, text)
		}
	}
	if lines == nil {
		lines.Add(name, "")
	}
	return lines
}

// harTimes returns the formats of an entry's time that are not the standard's.
// Without a zone it is UTC.
func harTimes() []string {
	return []string{
		time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05.999999999Z07", "2006-01-02T15:04:05.999999999",
		"2006-01-02T15:04Z07:00", "2006-01-02T15:04", time.RFC1123, time.RFC1123Z, "Mon Jan 02 2006 15:04:05 GMT-0700",
		"Mon Jan _2 15:04:05 2006",
	}
}

// parseHARTime returns the time of an entry. It may be seconds or milliseconds since 1970. A
// text that can't be read is the zero time.
func parseHARTime(s string) time.Time {
	s = strings.TrimSpace(s)
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		return epoch(n)
	}
	s, _, _ = strings.Cut(s, " (") // the name of the zone
	if before, _, found := strings.Cut(s, "["); found {
		s = before
	}
	iso := s
	if len(s) > 10 && s[10] == ' ' && s[4] == '-' {
		day, rest, _ := strings.Cut(s, " ")
		iso = day + "T" + strings.ReplaceAll(rest, " ", "")
	}
	for _, layout := range harTimes() {
		for _, text := range []string{s, iso} {
			if t, err := time.Parse(layout, text); err == nil {
				return t
			}
		}
	}
	return time.Time{}
}

// epoch returns the time of a number of seconds since 1970, or of milliseconds if seconds
// would be thousands of years in the future. Zero and less is an unknown time.
func epoch(n float64) time.Time {
	if n > 1e11 {
		n /= 1000
	}
	if !(n > 0 && n < 1<<37) {
		return time.Time{}
	}
	return time.UnixMicro(int64(math.Round(n * 1e6)))
}

// lax decodes base64 of any variant.
func lax(s string) ([]byte, error) {
	clean := strings.Map(func(r rune) rune {
		switch r {
		case ' ', '\t', '\r', '\n', '=':
			return -1
		case '-':
			return '+'
		case '_':
			return '/'
		}
		return r
	}, s)
	data, err := base64.RawStdEncoding.DecodeString(clean)
	if err != nil {
		return nil, errors.New("its text is not base64")
	}
	return data, nil
}
