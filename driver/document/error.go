package document

import (
	"errors"
	"fmt"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// Error is a fault in a document, with its place.
type Error struct {
	// File is the document's name as it was given, possibly empty.
	File string
	// Line and Column count from 1; they are 0 when the place is unknown.
	Line, Column int
	// Message says what is there and what is wanted.
	Message string
	// Err is an error for errors.Is, or nil.
	Err error
}

// Paths returns the name of the document.
func (e *Error) Paths() []string { return []string{e.File} }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Error returns "file:line:column: message", or the message alone without a file.
func (e *Error) Error() string {
	s := e.File
	if s == "" {
		return e.Message
	}
	if e.Line > 0 {
		s += ":" + strconv.Itoa(e.Line)
		if e.Column > 0 {
			s += ":" + strconv.Itoa(e.Column)
		}
	}
	return s + ": " + e.Message
}

// Errorf returns an Error at the place of n. [InFile] adds the file.
func Errorf(n *yaml.Node, format string, args ...any) *Error {
	e := &Error{Message: fmt.Sprintf(format, args...)}
	if n != nil {
		e.Line, e.Column = n.Line, n.Column
	}
	return e
}

// InFile sets the file of err if err is an Error without a file.
func InFile(filename string, err error) error {
	var e *Error
	if errors.As(err, &e) && e.File == "" {
		e.File = filename
	}
	return err
}
