package proxy

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"

	"starproxy/builtins/exchange"
)

// errStopped is the cause of contexts that end with the proxy.
var errStopped = errors.New("the proxy was stopped")

// fault returns an error that names the side that failed while the server at addr
// was asked. Doing is the phase in which it failed, see [exchange.UpstreamError].
func (s *serving) fault(ctx context.Context, addr, doing string, err error) error {
	var device *exchange.DeviceError
	var known *exchange.UpstreamError
	switch {
	case errors.As(err, &device):
		return device
	case errors.Is(err, exchange.ErrBodySpent):
		return exchange.ErrBodySpent
	case ctx.Err() == nil && errors.As(err, &known):
		return known
	case ctx.Err() == nil:
		return &exchange.UpstreamError{Addr: addr, Doing: doing, Err: err}
	}
	// Both connections of an exchange end with its context.
	cause := context.Cause(ctx)
	if errors.Is(cause, context.Canceled) && s.ctx.Err() != nil {
		if doing == inAnswer {
			return gone(cause)
		}
		return &exchange.DeviceError{Doing: exchange.LeftUnanswered, Err: cause}
	}
	return cause
}

// inAnswer is the phase in errors about a server that broke off the body of an
// answer.
const inAnswer = "in the middle of its answer"

// noAnswer returns an error that names the side that failed when the header of an
// answer did not come.
func (s *serving) noAnswer(ctx context.Context, c *h1Conn, err error) error {
	if up := s.up; up != nil && up.c == c {
		if errors.Is(err, net.ErrClosed) || up.broke.Load() || s.ctx.Err() != nil {
			<-up.done // it closed the connection, or can read no more
		}
		if up.over() && up.err != nil {
			return s.fault(ctx, c.key.addr, "in the middle of the upload", up.err)
		}
	}
	doing := "without an answer"
	if c.left != maxResponseHead {
		doing = "in the middle of its answer's header"
	}
	return s.fault(ctx, c.key.addr, doing, malformed(err))
}

// malformed says that the server's answer could not be understood, unless err
// says that it did not come.
func malformed(err error) error {
	if errors.Is(err, errHeadTooLarge) || isNetwork(err) {
		return err
	}
	return &reworded{"the server's answer is malformed: " + err.Error(), err}
}

// reworded is an error in other words.
type reworded struct {
	text string
	error
}

func (e *reworded) Error() string { return e.text }

func (e *reworded) Unwrap() error { return e.error }

// isNetwork reports whether err is that of a connection, not of a message on it.
func isNetwork(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// gone returns the error of a write to the device as a DeviceError.
func gone(err error) error {
	var device *exchange.DeviceError
	if err == nil || errors.As(err, &device) || errors.Is(err, http.ErrContentLength) {
		return err
	}
	return &exchange.DeviceError{Doing: "before it had its whole answer", Err: err}
}

// logFailure logs why an exchange failed.
func (s *serving) logFailure(err error) {
	var up *exchange.UpstreamError
	var device *exchange.DeviceError
	switch {
	case errors.As(err, &device):
		s.p.log.Debug("device failed", slog.String("url", s.req.URL()), slog.Any("error", err))
	case errors.As(err, &up):
		s.p.log.Debug("real server failed", slog.String("url", s.req.URL()), slog.Any("error", err))
	case !exchange.IsLogged(err):
		s.p.log.Warn("mock failed", slog.String("endpoint", s.x.Endpoint), slog.Any("error", err))
	}
}
