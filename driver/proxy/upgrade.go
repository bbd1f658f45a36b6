package proxy

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"

	"starproxy/builtins/exchange"
)

// socket is the body of a 101 from the real server: from here on bytes go both
// ways as they come (WebSocket frames, for one).
type socket struct {
	server *h1Conn
	header http.Header
	names  map[string]string
	stop   func() bool
}

// Hijacks marks the body as one that takes the connection.
func (*socket) Hijacks() {}

// SendTo sends the 101 and relays until both sides have ended.
func (b *socket) SendTo(ctx context.Context, c exchange.Conn) error {
	defer b.server.Close()
	nc, rw, err := c.Hijack()
	if err != nil {
		return err
	}
	defer nc.Close()
	b.stop()
	rw.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	for k, values := range b.header {
		name := k
		if sent, ok := b.names[k]; ok {
			name = sent
		}
		for _, v := range values {
			writeField(rw.Writer, name, v)
		}
	}
	rw.WriteString("\r\n")
	if err := rw.Flush(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { // the proxy is being closed
		nc.Close()
		b.server.Close()
	})
	defer stop()
	splice(buffered{nc, rw.Reader}, buffered{b.server.Conn, b.server.br})
	return nil
}

// buffered reads what a bufio.Reader holds before the connection itself.
type buffered struct {
	net.Conn
	br *bufio.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.br.Read(p) }

// WriteTo leaves the reader's buffer behind once it is empty.
func (b buffered) WriteTo(w io.Writer) (int64, error) {
	n := int64(0)
	if k := b.br.Buffered(); k > 0 {
		held, _ := b.br.Peek(k)
		m, err := w.Write(held)
		b.br.Discard(m)
		if n = int64(m); err != nil {
			return n, err
		}
	}
	m, err := io.Copy(w, b.Conn)
	return n + m, err
}

// CloseWrite passes a half-close on where the connection can.
func (b buffered) CloseWrite() error {
	if h, ok := b.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return b.Conn.Close()
}

var _ exchange.Hijacker = (*socket)(nil)
