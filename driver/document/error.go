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
	// Message says what is wrong and what was expected.
	Message string
	// Err is what code may ask for with errors.Is, or nil.
	Err error
}

// Paths is the document that the error names.
func (e *Error) Paths() []string { return []string{e.File} }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Error gives "file:line:column: message"; without a file, the message alone.
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

// Errorf makes an Error at n. The file is filled in where it is known.
func Errorf(n *yaml.Node, format string, args ...any) *Error {
	e := &Error{Message: fmt.Sprintf(format, args...)}
	if n != nil {
		e.Line, e.Column = n.Line, n.Column
	}
	return e
}

// InFile names the file in err, where err is an Error without one.
func InFile(filename string, err error) error {
	var e *Error
	if errors.As(err, &e) && e.File == "" {
		e.File = filename
	}
	return err
}
