package call

import (
	"context"
	"errors"
	"io"
	"time"

	"starproxy/builtins/exchange"
)

// Forwarded is the answer of a real server.
type Forwarded struct {
	Response *exchange.Response
	// Context is the context of reading the body. Cancel ends it.
	Context context.Context
	Cancel  context.CancelCauseFunc

	body exchange.Body // the body before any change
}

// Forward asks the real server. The server must answer within the run's time.
// [Call.Release] closes an answer that is not sent.
func (c *Call) Forward(x *exchange.Exchange) (*Forwarded, error) {
	ctx, cancel := context.WithCancelCause(c.Context)
	if !c.Deadline.IsZero() {
		// The context itself has no deadline, because the body is read after the run.
		timer := time.AfterFunc(time.Until(c.Deadline), func() { cancel(ErrTime) })
		defer timer.Stop()
	}
	c.Waits()
	res, err := x.Forward(ctx)
	c.Waited()
	if err != nil {
		defer cancel(nil)
		if errors.Is(context.Cause(ctx), ErrTime) {
			return nil, ErrTime
		}
		return nil, err
	}
	f := &Forwarded{Response: res, Context: ctx, Cancel: cancel, body: res.Body}
	c.forwarded = append(c.forwarded, f)
	return f, nil
}

// Release closes the real server's answers that are not sent. sent is the body that is
// sent, or nil.
func (c *Call) Release(sent exchange.Body) {
	if w, ok := sent.(interface{ Unwrap() exchange.Body }); ok {
		sent = w.Unwrap()
	}
	for _, f := range c.forwarded {
		if closer, ok := f.body.(io.Closer); ok && f.body != sent {
			closer.Close()
			f.Cancel(nil)
		}
	}
	c.forwarded = nil
}
