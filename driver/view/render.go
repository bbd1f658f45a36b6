package view

import (
	"context"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/render"
	"starproxy/driver/rpc"
)

// Rendered is the result of render_body.
type Rendered struct {
	// Views are the ways to look at the body, the best first; none for a body that is only
	// a text or bytes.
	Views []render.View `json:"views"`
	// Error is why the body, or the rest of it, could not be read.
	Error string `json:"error,omitempty"`
}

// renderBody lays out the body of one side of an exchange or, when message is not 0, the
// message of a WebSocket with that number.
func (s *Service) renderBody(ctx context.Context, seq int, side string, message int) (*Rendered, error) {
	if message != 0 {
		return s.renderMessage(ctx, message)
	}
	e, err := s.Entry("render_body", seq)
	if err != nil {
		return nil, err
	}
	header, body, err := s.sideOf("render_body", e, side)
	if err != nil {
		return nil, err
	}
	return s.render(ctx, e, side == "response", header, body, render.MaxBytes), nil
}

// render lays out at most max bytes of a body.
func (s *Service) render(ctx context.Context, e *capture.Entry, response bool, h exchange.Header, b capture.Blob, max int64) *Rendered {
	data, more, err := capture.Decoded(h, b, max)
	r := &Rendered{Views: render.Views(ctx, render.Source{
		Data: data, More: more || err != nil || b.Truncated, Type: h.Get("Content-Type"), Target: e.Target, Response: response,
		Encoding: h.Get("Grpc-Encoding"), Protos: s.Protos,
	})}
	if err != nil {
		r.Error = err.Error()
	}
	if r.Views == nil {
		r.Views = []render.View{}
	}
	return r
}

func (s *Service) renderMessage(ctx context.Context, number int) (*Rendered, error) {
	if number > 0 {
		if m, ok := s.Sockets.Get(uint64(number)); ok && m.Kind == capture.Message {
			return s.messageViews(ctx, m), nil
		}
	}
	return nil, rpc.Refuse(rpc.NotFound, "render_body: no captured message %d: it was cleared, or has left the budget", number)
}

// messageViews lays out a message of a WebSocket.
func (s *Service) messageViews(ctx context.Context, m *capture.Entry) *Rendered {
	b := m.ResponseBody
	if m.FromClient {
		b = m.RequestBody
	}
	return s.render(ctx, m, true, nil, b, render.MaxBytes)
}
