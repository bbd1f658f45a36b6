package mock

import (
	"context"
	"net/http"
	"time"

	"starproxy/builtins/exchange"
)

// NewStatic returns a handler that answers every request with the same response. The
// response is made once, so that a request needs no work. Status 0 means 200. The
// caller must not change h and body afterwards.
func NewStatic(status int, h exchange.Header, body []byte, delay time.Duration) exchange.Handler {
	if status == 0 {
		status = http.StatusOK
	}
	res := &exchange.Response{Status: status, Header: h, Origin: exchange.FromMock, Delay: delay}
	if len(body) > 0 {
		res.Body = exchange.Bytes(body)
	}
	return static{res}
}

type static struct{ res *exchange.Response }

func (s static) Respond(context.Context, *exchange.Exchange) (*exchange.Response, error) {
	return s.res, nil
}

// Forward asks the real server.
var Forward forward

type forward struct{}

// Respond returns the real server's answer unchanged.
func (forward) Respond(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	return x.Forward(ctx)
}

// Interface guards.
var (
	_ exchange.Handler = static{}
	_ exchange.Handler = forward{}
)
