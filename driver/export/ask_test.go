package export

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

// ask returns the response of a table and its body; nil if no endpoint answers.
func ask(t *testing.T, table *mock.Table, req *exchange.Request) (*exchange.Response, string) {
	t.Helper()
	none := exchange.HandlerFunc(func(context.Context, *exchange.Exchange) (*exchange.Response, error) { return nil, nil })
	res, err := table.Handler(none).Respond(t.Context(), &exchange.Exchange{Request: req})
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
