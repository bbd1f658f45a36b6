package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"

	"starproxy/builtins/exchange"
)

// errStopped is the cause of contexts that end with the proxy.
var errStopped = errors.New("the proxy was stopped")

// fault says which side failed while the server at addr was asked: doing is
// what it was doing, see [exchange.UpstreamError].
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
	if errors.Is(cause, context.Canceled) && s.r.Context().Err() != nil {
		return &exchange.DeviceError{Doing: "before it had its answer", Err: cause}
	}
	return cause
}

// noAnswer says which side failed when the header of an answer did not come.
func (s *serving) noAnswer(ctx context.Context, c *h1Conn, err error) error {
	if up := s.up; up != nil && up.c == c {
		if errors.Is(err, net.ErrClosed) || s.r.Context().Err() != nil {
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
	var network net.Error
	switch {
	case errors.Is(err, errHeadTooLarge), errors.As(err, &network), errors.Is(err, net.ErrClosed),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return err
	}
	return fmt.Errorf("the server's answer is malformed: %w", err)
}

// gone says that the device did not take its answer.
func gone(err error) error {
	var device *exchange.DeviceError
	if err == nil || errors.As(err, &device) || errors.Is(err, http.ErrContentLength) {
		return err
	}
	return &exchange.DeviceError{Doing: "before it had its whole answer", Err: err}
}

// logFailure tells the log why the answer is not what was asked for.
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
