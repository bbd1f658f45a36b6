package driver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"starproxy/builtins/exchange"
	"starproxy/builtins/state"
)

// The bounds of JSON texts that callers send: a value takes many times the
// memory of its text.
const (
	maxJSONText  = 32 << 20  // bytes
	maxJSONValue = 128 << 20 // bytes
	maxJSONDepth = 1000
)

// parseJSON reads one JSON value; whole numbers become int64. Its errors tell
// line and column.
func parseJSON(text string) (any, error) {
	if len(text) > maxJSONText {
		return nil, fmt.Errorf("the text has %d bytes, want at most %d", len(text), maxJSONText)
	}
	switch size, depth := state.JSONSize(text); {
	case depth > maxJSONDepth:
		return nil, fmt.Errorf("the value is nested deeper than %d levels", maxJSONDepth)
	case size > maxJSONValue:
		return nil, fmt.Errorf("the value would take about %d bytes, want at most %d", size, maxJSONValue)
	}
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, jsonError(text, err)
	}
	end := dec.InputOffset()
	if _, err := dec.Token(); err != io.EOF {
		return nil, misplaced(text, end, "more text after the value")
	}
	return state.Value(v), nil
}

func jsonError(text string, err error) error {
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("empty text")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return misplaced(text, int64(len(text)), "unexpected end")
	case errors.As(err, &syntax):
		return misplaced(text, syntax.Offset-1, err.Error())
	}
	return err
}

// jsonFault is a fault in a JSON text, and where: lines and bytes of a line,
// from 1.
type jsonFault struct {
	what         string
	line, column int
}

func (f *jsonFault) Error() string {
	return fmt.Sprintf("%s: line %d column %d", f.what, f.line, f.column)
}

func misplaced(text string, off int64, what string) error {
	before := []byte(text)[:min(max(off, 0), int64(len(text)))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - (bytes.LastIndexByte(before, '\n') + 1) + 1
	return &jsonFault{what, line, column}
}

// toJSON is v as JSON text, as methods return it.
func toJSON(v any) (string, error) {
	b, err := exchange.EncodeJSON(v)
	return string(b), err
}

// object is a JSON object that keeps its keys in order.
type object []member

type member struct {
	key   string
	value any
}

// MarshalJSON writes the members one after the other.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		k, err := toJSON(m.key)
		if err != nil {
			return nil, err
		}
		v, err := toJSON(m.value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.key, err)
		}
		b.WriteString(k)
		b.WriteByte(':')
		b.WriteString(v)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// seconds writes a duration as the stock driver does: always with a point.
func seconds(f float64) string {
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !bytes.ContainsRune([]byte(s), '.') {
		s += ".0"
	}
	return s
}
