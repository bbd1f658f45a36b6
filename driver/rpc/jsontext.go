package rpc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"starproxy/builtins/jsonvalue"
	"starproxy/builtins/state"
)

// The bounds of JSON texts that callers send: a value takes many times the
// memory of its text.
const (
	maxJSONText  = 32 << 20  // bytes
	maxJSONValue = 128 << 20 // bytes
	maxJSONDepth = 1000
)

// ParseJSON reads one JSON value, as package jsonvalue has them. Its errors tell
// line and column.
func ParseJSON(text string) (any, error) {
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
	var raw json.RawMessage
	if err := dec.Decode(&raw); err != nil {
		return nil, jsonError(text, err)
	}
	end := dec.InputOffset()
	if _, err := dec.Token(); err != io.EOF {
		return nil, misplaced(text, end, "more text after the value")
	}
	return jsonvalue.Parse(raw)
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

// JSONError is a mistake in a JSON text.
type JSONError struct {
	// Message describes the mistake.
	Message string
	// Line and Column, in bytes, are its place. Both count from 1.
	Line, Column int
}

func (e *JSONError) Error() string {
	return fmt.Sprintf("%s: line %d column %d", e.Message, e.Line, e.Column)
}

func misplaced(text string, off int64, what string) error {
	before := []byte(text)[:min(max(off, 0), int64(len(text)))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - (bytes.LastIndexByte(before, '\n') + 1) + 1
	return &JSONError{what, line, column}
}

// JSON encodes v as the JSON text that a method returns.
func JSON(v any) (string, error) {
	b, err := jsonvalue.Append(nil, v)
	return string(b), err
}

// Mistake is the answer of a method that checks a text in which something is
// wrong.
type Mistake struct {
	// Column and Line count from 1. They are 0 where the place is not known.
	Column int `json:"column,omitempty"`
	// Error describes the mistake.
	Error string `json:"error"`
	Line  int    `json:"line,omitempty"`
	// OK is false.
	OK bool `json:"ok"`
}
