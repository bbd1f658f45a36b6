package rpc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
)

// Code is the kind of a failure that a caller is told about. The exporter maps
// each to the gRPC status of the same name.
type Code uint8

// The codes.
const (
	Internal           Code = iota // what should work did not
	InvalidArgument                // the caller's arguments are wrong
	NotFound                       // no such method, file, endpoint or exchange
	AlreadyExists                  // something else has it already, such as a port
	Unimplemented                  // this build cannot do it
	Unavailable                    // something that has to run does not
	DeadlineExceeded               // the time given ran out
	FailedPrecondition             // not in this state
)

// codeRow is the name of a code in gRPC and its counterpart in HTTP.
type codeRow struct {
	name   string
	status int
}

// codeRows describes the codes, by their numbers.
func codeRows() []codeRow {
	return []codeRow{
		Internal:           {"INTERNAL", http.StatusInternalServerError},
		InvalidArgument:    {"INVALID_ARGUMENT", http.StatusBadRequest},
		NotFound:           {"NOT_FOUND", http.StatusNotFound},
		AlreadyExists:      {"ALREADY_EXISTS", http.StatusConflict},
		Unimplemented:      {"UNIMPLEMENTED", http.StatusNotImplemented},
		Unavailable:        {"UNAVAILABLE", http.StatusServiceUnavailable},
		DeadlineExceeded:   {"DEADLINE_EXCEEDED", http.StatusGatewayTimeout},
		FailedPrecondition: {"FAILED_PRECONDITION", http.StatusConflict},
	}
}

// row describes the code. An unknown code is Internal.
func (c Code) row() codeRow {
	rows := codeRows()
	if int(c) >= len(rows) {
		c = Internal
	}
	return rows[c]
}

// String returns the gRPC name of the code.
func (c Code) String() string { return c.row().name }

// UnmarshalText takes the name of a code.
func (c *Code) UnmarshalText(text []byte) error {
	for i, row := range codeRows() {
		if row.name == string(text) {
			*c = Code(i)
			return nil
		}
	}
	return fmt.Errorf("got %q, want the name of a code", text)
}

// MarshalText returns the name of the code.
func (c Code) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Refusal is the error of a call that did not do what was asked.
type Refusal struct {
	Code Code `json:"code"`
	// About is the argument or the key of the configuration that is the reason;
	// empty when there is none.
	About string `json:"about"`
	// Text is the reason, for a person.
	Text string `json:"text"`
	// Stock is the sentence that the stock driver answers with, as an ordinary
	// result. It is empty where the stock driver raises an error.
	Stock string `json:"stock"`
}

func (r *Refusal) Error() string { return r.Text }

// Status returns the code as an HTTP status, and its name.
func (r *Refusal) Status() (int, string) {
	c := r.Code.row()
	return c.status, c.name
}

// Refuse makes a Refusal with a formatted Text.
func Refuse(code Code, format string, args ...any) *Refusal {
	return &Refusal{Code: code, Text: fmt.Sprintf(format, args...)}
}

// AsRefusal returns an error of a method as a Refusal. A context's own errors stay as
// they are: the caller has gone, or knows its deadline.
func AsRefusal(err error) error {
	var r *Refusal
	switch {
	case err == nil, errors.As(err, &r),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return &Refusal{Code: NotFound, Text: err.Error()}
	}
	return &Refusal{Code: Internal, Text: err.Error()}
}

// SomeOf lists numbers of exchanges in flight for the text of a refusal, the first ten
// of them: "@3, @4". It returns "none" for none.
func SomeOf(numbers []uint64) string {
	const most = 10
	if len(numbers) == 0 {
		return "none"
	}
	var texts []string
	for _, n := range numbers[:min(len(numbers), most)] {
		texts = append(texts, "@"+strconv.FormatUint(n, 10))
	}
	text := strings.Join(texts, ", ")
	if len(numbers) > most {
		text += ", …"
	}
	return text
}
