package builtins

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
	"starproxy/builtins/value"
)

func forwardTo(c *call.Call, a call.Args) (starlark.Value, error) {
	var req, method, to, headers, body starlark.Value = nil, starlark.None, starlark.None, starlark.None, starlark.None
	if err := a.Unpack("req", &req, "method?", &method, "url?", &to, "headers?", &headers, "body?", &body); err != nil {
		return nil, err
	}
	r, ok := req.(*value.Request)
	if !ok {
		return nil, fmt.Errorf("forward: argument \"req\": got %s, want request", call.Describe(req))
	}
	x := r.Exchange()
	if x.Forward == nil {
		return nil, errors.New("forward: there is no real server here")
	}
	if c.Exchange != x {
		return nil, errors.New("forward: the request has been answered already; webhook(url) sends one of its own")
	}
	q := x.Request
	saved := *q
	// The changes apply to the request that is sent. Afterwards the device's request
	// is as it was.
	defer func() {
		sent := q.Body
		*q = saved
		if body != starlark.None {
			q.Body = sent // the body may still be read by the connection to the server
		}
	}()
	if s, ok := starlark.AsString(method); ok {
		if err := value.SetMethod(q, s); err != nil {
			return nil, fmt.Errorf("forward: %w", err)
		}
	} else if method != starlark.None {
		return nil, fmt.Errorf("forward: argument \"method\": got %s, want string", call.Describe(method))
	}
	if s, ok := starlark.AsString(to); ok {
		if err := value.SetURL(q, s); err != nil {
			return nil, fmt.Errorf("forward: %w", err)
		}
	} else if to != starlark.None {
		return nil, fmt.Errorf("forward: argument \"url\": got %s, want string", call.Describe(to))
	}
	if headers != starlark.None || body != starlark.None {
		q.Header = q.Header.Clone()
	}
	if headers != starlark.None {
		var err error
		value.ChangeHeader(q, func(h *exchange.Header) { err = value.EachHeader(headers, h.Set) })
		if err != nil {
			return nil, fmt.Errorf("forward: %w", err)
		}
	}
	if body != starlark.None {
		data, kind, err := value.BodyBytes(c, body)
		if err != nil {
			return nil, fmt.Errorf("forward: body: %w", err)
		}
		if _, err := r.Body(); err != nil { // read it now: the script may use it later
			return nil, err
		}
		value.ReplaceBody(c, q, data, kind)
	}
	f, err := c.Forward(x)
	if err != nil {
		return nil, err
	}
	return value.ForwardedResponse(c, f), nil
}
