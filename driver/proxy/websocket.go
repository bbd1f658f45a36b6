package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"starproxy/driver/capture"
	"starproxy/driver/proxy/h1"
)

// maxHandshake bounds the answer to a handshake that is looked at, in bytes.
const maxHandshake = 64 << 10

// watch journals the messages of a WebSocket as they pass, whichever side answers:
// the real server, a script or a recording.
type watch struct {
	j     *capture.Sockets
	rec   Recorder      // nil records nothing
	entry capture.Entry // of the handshake
	fly   *capture.Flight

	mu       sync.Mutex
	answer   []byte // of the handshake, as far as it has been sent
	open     bool   // the handshake is over, frames follow
	ended    bool
	up, down frames
	code     int // of the first close frame
	reason   string
	byClient bool
	left     bool // one side went without a close frame; byClient says which
}

// watchable reports whether the messages of a socket would be journaled.
func (s *serving) watchable() bool {
	return s.p.cfg.Sockets != nil && s.r.h2 == nil && s.req.IsWebSocket()
}

// watching returns the watch of a socket whose handshake is journaled, nil when its
// messages are not journaled.
func (s *serving) watching() *watch {
	if s.entry.Seq == 0 || !s.watchable() {
		return nil
	}
	return &watch{j: s.p.cfg.Sockets, rec: s.p.cfg.Recorder, entry: s.entry, fly: &s.flight}
}

// conn wraps the connection that a body took.
func (w *watch) conn(nc net.Conn, rw *bufio.ReadWriter) (net.Conn, *bufio.ReadWriter) {
	c := &watched{Conn: nc, w: w}
	if n := rw.Reader.Buffered(); n > 0 {
		held, _ := rw.Reader.Peek(n)
		c.pre = bytes.Clone(held)
	}
	return c, bufio.NewReadWriter(bufio.NewReader(c), bufio.NewWriter(c))
}

// sent takes bytes on their way to the device.
func (w *watch) sent(p []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down.dead {
		return
	}
	if !w.open {
		w.answer = append(w.answer, p...)
		end := bytes.Index(w.answer, []byte("\r\n\r\n"))
		if end < 0 {
			w.down.dead = len(w.answer) > maxHandshake
			return
		}
		p = w.answer[end+4:]
		w.handshake(w.answer[:end+4])
		w.answer, w.open = nil, true
	}
	w.down.add(p, func(m message) { w.note(m, false) })
}

// handshake reads the answer to a handshake.
func (w *watch) handshake(answer []byte) {
	var res h1.Response
	err := h1.NewReader(bufio.NewReader(bytes.NewReader(answer))).Response(&res, http.MethodGet)
	if err != nil || res.Status != http.StatusSwitchingProtocols {
		w.up.dead, w.down.dead = true, true
		return
	}
	if len(w.entry.ResponseHeader) <= 2 { // a script's: it answers by itself
		w.entry.ResponseHeader = res.Header
	}
	for _, ext := range res.Header.Values("Sec-WebSocket-Extensions") {
		if !strings.Contains(ext, "permessage-deflate") {
			continue
		}
		w.down.inflate = &inflater{takeover: !strings.Contains(ext, "server_no_context_takeover")}
		w.up.inflate = &inflater{takeover: !strings.Contains(ext, "client_no_context_takeover")}
	}
}

// received takes bytes that came from the device.
func (w *watch) received(p []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open {
		w.up.add(p, func(m message) { w.note(m, true) })
	}
}

// note journals a message.
func (w *watch) note(m message, fromClient bool) {
	if w.ended {
		return
	}
	if m.op == opClose {
		if w.code == 0 {
			w.code, w.byClient = 1005, fromClient // none given
			if len(m.data) >= 2 {
				w.code, w.reason = int(binary.BigEndian.Uint16(m.data)), string(m.data[2:])
			}
		}
		return
	}
	e := &capture.Entry{Kind: capture.Message, Start: time.Now(), Socket: w.entry.Seq, FromClient: fromClient, Binary: m.op == opBinary}
	b := capture.Blob{Size: m.size, Data: m.data, Truncated: m.cut}
	if fromClient {
		e.RequestBody = b
	} else {
		e.ResponseBody = b
	}
	if w.rec != nil {
		w.rec.Message(&w.entry, e)
	}
	w.j.Add(e)
}

// gone notes that one side has gone. The first one counts, unless it had said so
// in a close frame. err is what reading from it gave.
func (w *watch) gone(fromClient bool, err error) {
	if err == nil || errors.Is(err, net.ErrClosed) { // we closed it
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.code == 0 && !w.left {
		w.left, w.byClient = true, fromClient
	}
}

// end journals that the socket is over.
func (w *watch) end(s *serving) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return
	}
	w.ended = true
	e := w.entry
	e.Kind, e.Socket, e.Duration, e.Notes = capture.SocketEnd, w.entry.Seq, time.Since(e.Start), s.x.Notes.List()
	e.RequestBody, e.ResponseBody = capture.Blob{}, capture.Blob{}
	if w.fly.WasCut() {
		e.Error = capture.ErrCut.Error()
		s.x.Notes.Meet(capture.CutOff)
		e.Notes = s.x.Notes.List()
	}
	e.CloseCode, e.CloseReason, e.FromClient = w.code, w.reason, w.byClient
	if e.CloseCode == 0 {
		e.CloseCode = 1006 // no close frame (RFC 6455 section 7.1.5)
		// Nobody left when the proxy was stopped: the server did not.
		e.FromClient = w.byClient || !w.left
	}
	if w.rec != nil {
		w.rec.SocketEnd(&e)
	}
	w.j.Add(&e)
}

// watched is a device's connection whose bytes are looked at.
type watched struct {
	net.Conn
	w   *watch
	pre []byte // read already
}

func (c *watched) Read(b []byte) (n int, err error) {
	if len(c.pre) > 0 {
		n = copy(b, c.pre)
		c.pre = c.pre[n:]
	} else {
		n, err = c.Conn.Read(b)
	}
	if n > 0 {
		c.w.fly.Received(int64(n))
		c.w.received(b[:n])
	}
	c.w.gone(true, err)
	return n, err
}

// watchedServer is a server's connection whose end is looked at.
type watchedServer struct {
	net.Conn
	w *watch
}

func (c *watchedServer) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.w.gone(false, err)
	return n, err
}

// CloseWrite passes a half-close on where the connection can.
func (c *watchedServer) CloseWrite() error { return closeWrite(c.Conn) }

// Write notes first: the device may answer before it returns.
func (c *watched) Write(b []byte) (int, error) {
	c.w.sent(b)
	n, err := c.Conn.Write(b)
	c.w.fly.Sent(int64(n))
	return n, err
}

// CloseWrite passes a half-close on where the connection can.
func (c *watched) CloseWrite() error { return closeWrite(c.Conn) }

// closeWrite closes our half of a connection, or the whole connection where it has no
// halves.
func closeWrite(c net.Conn) error {
	if h, ok := c.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return c.Close()
}
