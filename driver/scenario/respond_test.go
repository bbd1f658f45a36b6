package scenario

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"starproxy/builtins/exchange"
	"starproxy/driver/mock"
)

// sink is a device that keeps what it gets.
type sink struct{ bytes.Buffer }

func (s *sink) ReadFrom(r io.Reader) (int64, error) { return s.Buffer.ReadFrom(r) }
func (s *sink) Flush() error                        { return nil }
func (s *sink) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, errors.New("not a connection")
}

// respond asks an endpoint; the real server answers {"a":1}. A nil response
// means that the request would go there.
func respond(t *testing.T, ep *mock.Endpoint, req *exchange.Request) (*exchange.Response, string) {
	t.Helper()
	x := &exchange.Exchange{Request: req, Endpoint: ep.Name}
	x.Forward = func(context.Context) (*exchange.Response, error) {
		return &exchange.Response{Status: 200, Header: exchange.HeaderOf("Content-Type", "application/json"), Body: exchange.Bytes(`{"a":1}`)}, nil
	}
	res, err := ep.Handler.Respond(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	if res == nil {
		return nil, ""
	}
	var s sink
	if res.Body != nil {
		if err := res.Body.SendTo(t.Context(), &s); err != nil {
			t.Fatal(err)
		}
		if c, ok := res.Body.(io.Closer); ok {
			c.Close()
		}
	}
	return res, s.String()
}

// forwardTo is a real server that gives one answer.
func forwardTo(res *exchange.Response) func(context.Context) (*exchange.Response, error) {
	return func(context.Context) (*exchange.Response, error) { return res, nil }
}
