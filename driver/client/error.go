package client

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Error is a call that an exporter refused or that did not reach it.
type Error struct {
	// Code is the gRPC status.
	Code codes.Code
	// Method that was called; empty for those of the exporter itself.
	Method string
	// Message is one line for a person.
	Message string
}

func (e *Error) Error() string { return e.Message }

// Is matches another Error by its code, so that callers can compare.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && t.Method == "" && t.Message == ""
}

// dialText is how gRPC wraps the reason for not getting a connection.
var dialText = regexp.MustCompile(`connection error: desc = "(?:transport: )?(?:Error while dialing: )?(.*)"$`)

// errorOf makes the error of a call readable.
func (c *Client) errorOf(method string, err error) error {
	s := status.Convert(err)
	message := strings.Join(strings.Fields(s.Message()), " ")
	switch m := dialText.FindStringSubmatch(message); {
	case m != nil:
		message = fmt.Sprintf("cannot reach the exporter at %s: %s", c.host, strings.ReplaceAll(m[1], `\"`, `"`))
	case s.Code() == codes.Unauthenticated:
		message = "authentication failed: " + message
	case s.Code() == codes.Unavailable && method == "":
		message = fmt.Sprintf("cannot reach the exporter at %s: %s", c.host, message)
	case message == "":
		message = fmt.Sprintf("%s failed: %s", method, strings.ToLower(s.Code().String()))
	}
	return &Error{Code: s.Code(), Method: method, Message: strings.TrimSpace(message)}
}

// endOf returns the error of a stream that ended with err: nil if that is its
// end.
func (c *Client) endOf(method string, err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return c.errorOf(method, err)
}
