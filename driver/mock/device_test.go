package mock

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"starproxy/builtins/exchange"
)

// request makes a request as the proxy would: "POST https://host:port/path",
// header lines, and a body after an empty line.
func request(t testing.TB, text string) *exchange.Request {
	t.Helper()
	head, body, hasBody := strings.Cut(text, "\n\n")
	lines := strings.Split(head, "\n")
	m, err := ParseKey(strings.Replace(lines[0], " /", " http://device.test/", 1))
	if err != nil {
		t.Fatal(err)
	}
	method, target, _ := strings.Cut(lines[0], " ")
	if _, rest, ok := strings.Cut(target, "://"); ok {
		target = rest[strings.IndexByte(rest, '/'):]
	}
	r := &exchange.Request{
		Method: method, Scheme: m.Scheme, Host: m.Host, Port: m.Port, Target: target,
		Proto: "HTTP/1.1", Authority: m.Host,
	}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	if hasBody {
		r.Body = exchange.NewIncoming(strings.NewReader(body), nil)
		r.ContentLength = int64(len(body))
	}
	return r
}

// sink is a device that remembers what it was sent.
type sink struct{ bytes.Buffer }

func (s *sink) ReadFrom(r io.Reader) (int64, error) { return s.Buffer.ReadFrom(r) }
func (s *sink) Flush() error                        { return nil }
func (s *sink) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, io.ErrClosedPipe
}

// body sends a response's body and gives what arrived.
func body(t testing.TB, res *exchange.Response) string {
	t.Helper()
	if res.Body == nil {
		return ""
	}
	var s sink
	if err := res.Body.SendTo(context.Background(), &s); err != nil {
		t.Fatal(err)
	}
	if z, ok := res.Body.(exchange.Sized); ok && z.Size() >= 0 && z.Size() != int64(s.Len()) {
		t.Errorf("body announced %d bytes, sent %d", z.Size(), s.Len())
	}
	if c, ok := res.Body.(io.Closer); ok {
		c.Close()
	}
	return s.String()
}

// ask runs a handler on a request.
func ask(t testing.TB, h exchange.Handler, r *exchange.Request) *exchange.Response {
	t.Helper()
	res, err := h.Respond(context.Background(), &exchange.Exchange{Request: r})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// endpoint makes an endpoint that answers with its own name.
func endpoint(t testing.TB, key string, edit ...func(*Match)) *Endpoint {
	t.Helper()
	m, err := ParseKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range edit {
		e(&m)
	}
	if err := m.Compile(); err != nil {
		t.Fatal(err)
	}
	return &Endpoint{Name: key, Match: m, Handler: NewStatic(200, nil, []byte(key), 0)}
}
