package exchange

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// An exchange has two other sides, and what fails is told as the fault of the
// side that failed: a [*DeviceError] or an [*UpstreamError]. Captures, the log
// and the device's answer show their texts.

// LeftUnanswered is the Doing of a [*DeviceError] for a device that left before it had
// an answer.
const LeftUnanswered = "before it had its answer"

// DeviceError is a failure on the device's side of an exchange: it left, or
// what it sent is malformed.
type DeviceError struct {
	// Doing says when it happened: "in the middle of its upload".
	Doing string
	// Err is the cause.
	Err error
}

func (e *DeviceError) Error() string {
	if did := broke(e.Err); did != "" {
		return "the device " + did + " " + e.Doing
	}
	return "the device sent a malformed body: " + plain(e.Err)
}

// Unwrap returns the cause.
func (e *DeviceError) Unwrap() error { return e.Err }

// Left reports whether the device is gone, so that no answer reaches it.
func (e *DeviceError) Left() bool { return broke(e.Err) != "" }

// UpstreamError is a failure on the real server's side of an exchange.
type UpstreamError struct {
	Addr string // host:port that was asked
	// Doing says when it happened: "in the middle of its answer". Empty when
	// Err says all.
	Doing string
	Err   error
}

func (e *UpstreamError) Error() string {
	if did := broke(e.Err); did != "" && e.Doing != "" {
		return e.Addr + ": the server " + did + " " + e.Doing
	}
	return e.Addr + ": " + plain(e.Err)
}

// Unwrap returns the cause.
func (e *UpstreamError) Unwrap() error { return e.Err }

// Sides reports whether err is a failure of the device or of the real server,
// so that there is no answer of anybody's.
func Sides(err error) bool {
	var device *DeviceError
	var up *UpstreamError
	return errors.As(err, &device) || errors.As(err, &up)
}

// broke says in words how a peer ended its connection; it is empty when err is
// something else.
func broke(err error) string {
	var timeout net.Error
	var op *net.OpError
	text := err.Error()
	switch {
	case errors.As(err, &op) && op.Op == "dial":
		return "" // nothing was open yet
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, syscall.EPIPE), errors.Is(err, context.Canceled),
		strings.HasSuffix(text, "client disconnected"), strings.HasSuffix(text, "http2: stream closed"):
		return "closed the connection"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.ECONNABORTED):
		return "reset the connection"
	case strings.HasPrefix(text, "stream error: "):
		// net/http: "stream error: stream ID 1; CANCEL; received from peer"
		if _, code, ok := strings.Cut(text, "; "); ok {
			code, _, _ = strings.Cut(code, ";")
			return "reset the HTTP/2 stream (" + code + ")"
		}
	case strings.HasPrefix(text, "http2: server sent GOAWAY"):
		return "closed the HTTP/2 connection"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "sent nothing for too long"
	}
	return ""
}

// plain returns an error's text without the addresses that the system's errors
// carry and that the text around it names already.
func plain(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && err == error(op) && op.Op != "dial" && op.Err != nil {
		return op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}
