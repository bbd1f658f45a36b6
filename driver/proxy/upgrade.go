package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/proxy/h1"
)

// offered returns the protocols that a device offers to change to and that the
// real server hears of (RFC 9110 section 7.8), empty for none. A server may
// ignore an offer, so those after which HTTP would go on unseen are left out:
// h2c (RFC 7540 section 3.2), other versions of HTTP, and TLS (RFC 2817). With
// a WebSocket among them nothing else is offered, since the messages can be
// shown. What is not known goes on: the bytes that follow are journaled as a
// stream.
func offered(upgrade []string) string {
	var list []string
	for _, line := range upgrade {
		for token := range strings.SplitSeq(line, ",") {
			token = strings.TrimSpace(token)
			name, _, _ := strings.Cut(strings.ToLower(token), "/")
			switch name {
			case "", "h2c", "h2", "h3", "http", "tls", "spdy":
			case "websocket":
				return token
			default:
				list = append(list, token)
			}
		}
	}
	return strings.Join(list, ", ")
}

// unoffered returns why a 101 of the real server must not reach the device: a
// server may only change to what it was offered (RFC 9110 sections 7.8 and
// 15.2.2), else a device whose offer of h2c was left out would go on with it,
// past mocks and captures. A 101 that names no protocol answers any offer.
func unoffered(asked, chosen []string) error {
	offer := offered(asked)
	if offer == "" {
		return errors.New("101 Switching Protocols, which nobody asked for")
	}
	for _, line := range chosen {
		for token := range strings.SplitSeq(line, ",") {
			if token = strings.TrimSpace(token); token != "" && !names(offer, token) {
				return fmt.Errorf("101 Switching Protocols to %q, want %q as it was offered", token, offer)
			}
		}
	}
	return nil
}

// names reports whether a list of protocols names that one, in any version.
func names(list, protocol string) bool {
	protocol, _, _ = strings.Cut(protocol, "/")
	for token := range strings.SplitSeq(list, ",") {
		if name, _, _ := strings.Cut(strings.TrimSpace(token), "/"); strings.EqualFold(name, protocol) {
			return true
		}
	}
	return false
}

// socket is the body of a 101 from the real server: from here on bytes go both
// ways as they come (WebSocket frames, for one).
type socket struct {
	s      *serving
	server *h1Conn
	header exchange.Header
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
	b.server.unwatch()
	rw.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	h1.WriteHeader(rw.Writer, b.header)
	if err := rw.Flush(); err != nil {
		return err
	}
	if c := b.s.cl.base(); c != nil {
		c.tie(b.server.Conn)
	}
	stop := context.AfterFunc(ctx, func() { // the proxy is being closed
		nc.Close()
		b.server.Close()
	})
	defer stop()
	server := b.server.Conn
	if w := b.s.conn.watch; w != nil {
		server = &watchedServer{server, w}
	}
	b.s.upgraded(b.header.Get("Upgrade")).pipe(buffered{nc, rw.Reader}, buffered{server, b.server.br})
	return nil
}

// upgraded journals what follows a 101 with that upgrade as a stream, unless it is a WebSocket,
// whose messages are journaled.
func (s *serving) upgraded(upgrade string) *stream {
	q := &s.req
	if q.IsWebSocket() {
		return nil
	}
	e := &capture.Entry{
		Kind: capture.TCP, Start: time.Now(), Client: s.cl.addr, Conn: s.cl.id, ClientTLS: s.cl.agreed, Server: s.entry.Server,
		Method: "TCP", Scheme: "tcp", Host: q.Host, Port: q.Port, Proto: capture.ProtoTCP, Authority: q.Authority, SNI: s.cl.sni,
		Origin: exchange.FromServer,
		Notes: []exchange.Note{{Level: "info", Text: "what followed 101 Switching Protocols (Upgrade: " + upgrade + ") to " +
			q.Method + " " + q.Target}},
	}
	if q.Scheme == "https" {
		e.Scheme = "tls"
	}
	e.Live = s.x.ID
	return s.p.stream(e, &s.flight)
}

// buffered is a connection of which a bufio.Reader has read a part. It reads that
// part first.
type buffered struct {
	net.Conn
	br *bufio.Reader
}

// Read leaves the reader behind once it is empty: what follows need not
// pass its buffer.
func (b buffered) Read(p []byte) (int, error) {
	if b.br.Buffered() > 0 {
		return b.br.Read(p)
	}
	return b.Conn.Read(p)
}

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
func (b buffered) CloseWrite() error { return closeWrite(b.Conn) }

var _ exchange.Hijacker = (*socket)(nil)
