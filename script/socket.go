package script

import (
	"context"
	"fmt"
	"net/http"

	"go.starlark.net/starlark"

	"starproxy/builtins/exchange"
	"starproxy/builtins/value"
)

// Socket makes a handler from a Starlark function of one parameter, a WebSocket. The
// function runs until it returns, the client leaves, the endpoint is removed or the
// proxy stops; then the socket is closed. The real server is not asked. A request
// that is no WebSocket handshake gets a 426.
func (h *Host) Socket(fn starlark.Value) (exchange.Handler, error) {
	return h.SocketWith(fn, &h.answering)
}

// SocketWith is Socket with an Answering of its own.
func (h *Host) SocketWith(fn starlark.Value, how *Answering) (exchange.Handler, error) {
	c, ok := fn.(starlark.Callable)
	if !ok {
		return nil, fmt.Errorf("socket handler is a %s, want a function", fn.Type())
	}
	if err := value.Freeze(c); err != nil {
		return nil, fmt.Errorf("socket handler: %w", err)
	}
	return &socket{host: h, fn: c, how: how}, nil
}

// socket is a Starlark function that serves WebSockets.
type socket struct {
	host *Host
	fn   starlark.Callable
	how  *Answering
}

// Respond returns a response whose body takes over the connection.
func (s *socket) Respond(_ context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	if !x.Request.IsWebSocket() {
		res := exchange.JSON(http.StatusUpgradeRequired, map[string]string{"error": "this endpoint is a WebSocket"})
		res.Header.Add("Upgrade", "websocket")
		res.Origin = exchange.FromMock
		return res, nil
	}
	return &exchange.Response{
		Status: http.StatusSwitchingProtocols,
		Header: exchange.HeaderOf("Upgrade", "websocket", "Connection", "Upgrade"),
		Origin: exchange.FromMock,
		Body:   exchange.Socket(func(ctx context.Context, c exchange.Conn) error { return s.serve(ctx, x, c) }),
	}, nil
}

// serve runs the function on one socket.
func (s *socket) serve(ctx context.Context, x *exchange.Exchange, c exchange.Conn) error {
	ws, err := value.AcceptSocket(ctx, x, c)
	if err != nil {
		return err
	}
	// The run has to end when the socket does, even if the exchange goes on.
	r := s.host.unlimited(ws.Context(), x, s.how)
	ws.Bind(&r.call)
	_, err = r.run(s.fn, starlark.Tuple{ws})
	if ws.Context().Err() != nil {
		err = nil // it ended because nobody listens
	}
	if err != nil {
		err = s.host.report(x, err)
	}
	r.call.Release(nil)
	ws.Finish(err)
	s.host.put(r)
	return err
}

// Interface guard.
var _ exchange.Handler = (*socket)(nil)
