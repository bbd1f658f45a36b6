package driver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
)

// Code is the kind of a failure that a caller is told about. The exporter maps
// each to the gRPC status of the same name.
type Code uint8

// The codes. A call that merely did not do what was asked answers with one of
// the stock driver's texts instead, without an error.
const (
	Internal           Code = iota // what should work did not
	InvalidArgument                // the caller's arguments are wrong
	NotFound                       // no such method or file
	Unimplemented                  // this build cannot do it
	Unavailable                    // something that has to run does not
	DeadlineExceeded               // the time given ran out
	FailedPrecondition             // not in this state
)

// String is the gRPC name of the code.
func (c Code) String() string {
	switch c {
	case InvalidArgument:
		return "INVALID_ARGUMENT"
	case NotFound:
		return "NOT_FOUND"
	case Unimplemented:
		return "UNIMPLEMENTED"
	case Unavailable:
		return "UNAVAILABLE"
	case DeadlineExceeded:
		return "DEADLINE_EXCEEDED"
	case FailedPrecondition:
		return "FAILED_PRECONDITION"
	}
	return "INTERNAL"
}

// refused is the stock driver's text about what was not done. The caller gets it
// as the answer, the log as a warning.
type refused string

func (r refused) Error() string { return string(r) }

// Error is a failure of a method, in one line for the person who called it.
type Error struct {
	Code    Code
	Message string
}

func (e *Error) Error() string { return e.Message }

// Status is the failure in HTTP's words, and the name of its code.
func (e *Error) Status() (int, string) {
	status := http.StatusInternalServerError
	switch e.Code {
	case InvalidArgument:
		status = http.StatusBadRequest
	case NotFound:
		status = http.StatusNotFound
	case Unimplemented:
		status = http.StatusNotImplemented
	case Unavailable:
		status = http.StatusServiceUnavailable
	case DeadlineExceeded:
		status = http.StatusGatewayTimeout
	case FailedPrecondition:
		status = http.StatusConflict
	}
	return status, e.Code.String()
}

// errorf makes an Error.
func errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// asError gives any error of a method its code. A context's own errors stay
// what they are: the caller has gone, or knows its deadline.
func asError(err error) error {
	var e *Error
	switch {
	case err == nil, errors.As(err, &e),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return &Error{NotFound, err.Error()}
	}
	return &Error{Internal, err.Error()}
}
