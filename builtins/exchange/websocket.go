package exchange

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"starproxy/builtins/excerpt"
)

// AcceptWebSocket does the server's part of the handshake (RFC 6455 section 4.2)
// on a connection that a body was given. It agrees to the first subprotocol that
// the client offers. A handshake that is none is answered with the reason.
func AcceptWebSocket(_ context.Context, q *Request, c Conn) (*websocket.Conn, error) {
	h := q.Header.Map()
	delete(h, "Host")
	r := &http.Request{Method: q.Method, Proto: q.Proto, ProtoMajor: 1, ProtoMinor: 1, Header: h, Host: q.Authority}
	if q.Proto != "HTTP/1.1" {
		r.ProtoMajor, r.ProtoMinor, _ = http.ParseHTTPVersion(q.Proto)
	}
	o := &websocket.AcceptOptions{InsecureSkipVerify: true} // any origin: no real server answers
	for _, v := range h["Sec-Websocket-Protocol"] {
		for name := range strings.SplitSeq(v, ",") {
			o.Subprotocols = append(o.Subprotocols, strings.TrimSpace(name))
		}
	}
	w := &upgrader{conn: c, header: http.Header{}}
	conn, err := websocket.Accept(w, r, o)
	if err != nil {
		w.finish()
		return nil, err
	}
	return conn, nil
}

// goodbye bounds how long a client may take to answer a close frame.
const goodbye = time.Second

// ReadMessage reads a client's next message. One that breaks the protocol is an
// error, for which [EndSocket] has the right close frame; invalid UTF-8 in a text
// message is one, too (RFC 6455 section 8.1).
func ReadMessage(ctx context.Context, c *websocket.Conn) (websocket.MessageType, []byte, error) {
	kind, data, err := c.Read(ctx)
	if err == nil && kind == websocket.MessageText && !utf8.Valid(data) {
		return 0, nil, errNotUTF8
	}
	return kind, data, err
}

var errNotUTF8 = errors.New("the text message is not UTF-8")

// EndSocket closes a socket whose ReadMessage failed: with 1007 for text that is
// not UTF-8, with 1002 for what else breaks the protocol (RFC 6455 section 7.4.1).
// A client that left is gone already.
func EndSocket(c *websocket.Conn, err error) {
	code := websocket.StatusProtocolError
	var broken net.Error
	switch {
	case errors.Is(err, errNotUTF8):
		code = websocket.StatusInvalidFramePayloadData
	case websocket.CloseStatus(err) != -1, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, net.ErrClosed), errors.As(err, &broken), errors.Is(err, context.Canceled):
		return
	}
	timer := time.AfterFunc(goodbye, func() { c.CloseNow() })
	defer timer.Stop()
	reason := err.Error()
	if i := strings.LastIndex(reason, ": "); i >= 0 {
		reason = reason[i+2:] // the cause, without the steps of the library
	}
	c.Close(code, CloseReason(reason))
}

// CloseReason cuts a text to the length that a close frame can carry, and to UTF-8
// (RFC 6455 section 5.5.1).
func CloseReason(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), 120)], "")
}

// HandshakeFault tells what is wrong with a request that asks for an upgrade to
// WebSocket (RFC 6455 section 4.1), "" when nothing is.
func (r *Request) HandshakeFault() string {
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(r.Header.Get("Sec-Websocket-Key")))
	switch version := r.Header.Get("Sec-Websocket-Version"); {
	case r.Method != http.MethodGet:
		return fmt.Sprintf("method: got %s, want GET", excerpt.Quote(r.Method))
	case r.Proto == "HTTP/1.0":
		return "version: got HTTP/1.0, want HTTP/1.1"
	case !r.Header.HasToken("Connection", "upgrade"):
		return fmt.Sprintf("Connection: got %s, want Upgrade", excerpt.Quote(r.Header.Joined("Connection")))
	case version != "13":
		return fmt.Sprintf("Sec-WebSocket-Version: got %s, want 13", excerpt.Quote(version))
	case err != nil || len(key) != 16:
		return "Sec-WebSocket-Key: want 16 bytes in base64"
	}
	return ""
}

// upgrader is the http.ResponseWriter on which the WebSocket library answers a
// handshake. The library needs headers of net/http.
type upgrader struct {
	conn   Conn
	header http.Header
	nc     net.Conn
	rw     *bufio.ReadWriter
	err    error
}

func (u *upgrader) Header() http.Header { return u.header }

// WriteHeader takes the connection and sends status and header.
func (u *upgrader) WriteHeader(status int) {
	if u.nc != nil || u.err != nil {
		return
	}
	if u.nc, u.rw, u.err = u.conn.Hijack(); u.err != nil {
		return
	}
	if status != http.StatusSwitchingProtocols {
		u.header.Set("Connection", "close")
	}
	fmt.Fprintf(u.rw, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	u.header.Write(u.rw)
	u.rw.WriteString("\r\n")
	u.err = u.rw.Flush()
}

func (u *upgrader) Write(b []byte) (int, error) {
	u.WriteHeader(http.StatusOK)
	if u.err != nil {
		return 0, u.err
	}
	return u.rw.Write(b)
}

// Hijack gives what WriteHeader took.
func (u *upgrader) Hijack() (net.Conn, *bufio.ReadWriter, error) { return u.nc, u.rw, u.err }

// finish ends a connection that did not become a WebSocket.
func (u *upgrader) finish() {
	if u.nc != nil {
		u.rw.Flush()
		u.nc.Close()
	}
}

// Interface guard.
var _ http.Hijacker = (*upgrader)(nil)
