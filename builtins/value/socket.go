package value

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"go.starlark.net/starlark"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
)

// The bounds of one WebSocket.
const (
	maxMessage = 16 << 20 // bytes of a message that a client sends
	maxQueue   = 64       // messages that wait for recv
	// lastWords is the time in which a client must answer a close frame.
	lastWords = time.Second
	// lastRun is the time for which a function may go on after the client has left.
	// It begins anew with each message that the function receives.
	lastRun = 30 * time.Second
	// lastSends is the number of messages that a function may send after the client
	// has left, between two messages that it receives. They are dropped.
	lastSends = 16
	// lastAsks is the number of times that a function may call recv after the last
	// message. It ends a loop that ignores None.
	lastAsks = 100
)

// Socket is a WebSocket as scripts see it. Only the thread that runs the endpoint's
// function uses it. A second goroutine reads the client's messages, so that the
// socket knows at once when the client leaves.
type Socket struct {
	wire     Wire
	protocol string
	talk     Talker // in a test; else nil
	call     *call.Call
	ctx      context.Context // ends when nothing more can be sent
	end      context.CancelCauseFunc

	queue  chan *Message // closed after the client's last message
	closed atomic.Bool   // the function has closed the socket
	left   atomic.Bool   // the client has left
	last   *time.Timer   // ends the function after the client has left
	reads  atomic.Bool   // the function has asked for a message

	// dropped counts the messages that could not be sent, and asked the calls of
	// recv that got none, since the last received message. Only the function's
	// thread uses them.
	dropped, asked int
}

// Wire is the connection of a WebSocket.
type Wire interface {
	Write(ctx context.Context, kind websocket.MessageType, data []byte) error
	Close(code websocket.StatusCode, reason string) error
	CloseNow() error
}

// Talker is the client of a WebSocket in a test.
type Talker interface {
	Wire
	// Next returns the next message of the client. The socket calls it on the
	// function's thread. Next waits at most as long as limit, unless limit is
	// negative. It returns nil when no message came in time or when the client has
	// left.
	Next(s *Socket, limit time.Duration) *Message
}

// Visitor is the connection of a Talker.
type Visitor interface {
	// Socket opens the function's end of the WebSocket.
	Socket(ctx context.Context, x *exchange.Exchange) *Socket
}

// NewTalk makes the socket that connects a function with the client of a test.
func NewTalk(ctx context.Context, t Talker, protocol string) *Socket {
	s := &Socket{wire: t, talk: t, protocol: protocol, queue: make(chan *Message)}
	close(s.queue)
	s.bind(ctx)
	return s
}

// Gone notes that the client of a test has left.
func (s *Socket) Gone() { s.left.Store(true) }

// ErrLeft is the error of sending to a client that has left.
var ErrLeft = errors.New("the client has left")

// AcceptSocket does the server's part of the handshake on c and begins to read. An
// invalid handshake is answered with the reason.
func AcceptSocket(ctx context.Context, x *exchange.Exchange, c exchange.Conn) (*Socket, error) {
	if v, ok := c.(Visitor); ok {
		return v.Socket(ctx, x), nil
	}
	conn, err := exchange.AcceptWebSocket(ctx, x.Request, c)
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(maxMessage)
	s := &Socket{wire: conn, protocol: conn.Subprotocol(), queue: make(chan *Message, maxQueue)}
	s.bind(ctx)
	go s.read(conn)
	return s, nil
}

// bind sets the context and the timer of the socket. The socket works until ctx
// ends.
func (s *Socket) bind(ctx context.Context) {
	s.ctx, s.end = context.WithCancelCause(ctx)
	s.last = time.AfterFunc(lastRun, func() { s.end(ErrLeft) })
	s.last.Stop() // until the client leaves
}

// read puts the client's messages into the queue until the client leaves.
func (s *Socket) read(conn *websocket.Conn) {
	defer close(s.queue)
	for {
		kind, data, err := exchange.ReadMessage(context.Background(), conn)
		if err != nil {
			s.leave()
			exchange.EndSocket(conn, err)
			return
		}
		select {
		case s.queue <- &Message{Data: data, Text: kind == websocket.MessageText}:
		case <-s.ctx.Done():
		}
	}
}

// leave notes that the client has left. A function that reads messages goes on with
// those that came before. A function that has never read and has no message to read
// ends at once, unless it has closed the socket itself.
func (s *Socket) leave() {
	s.left.Store(true)
	if s.ctx.Err() != nil {
		return
	}
	s.last.Reset(lastRun)
	if !s.reads.Load() && !s.closed.Load() && len(s.queue) == 0 {
		s.end(ErrLeft)
	}
}

// Context returns the context of the run. It ends when the endpoint is removed, or
// when the client has left and the function does not return in time.
func (s *Socket) Context() context.Context { return s.ctx }

// Bind sets the run that uses the socket.
func (s *Socket) Bind(c *call.Call) { s.call = c }

// Finish closes the socket after the run. The close frame reports err if it is not
// nil. Finish waits at most lastWords for the client.
func (s *Socket) Finish(err error) {
	code, reason := websocket.StatusNormalClosure, ""
	switch {
	case s.ctx.Err() != nil:
		code, reason = websocket.StatusGoingAway, exchange.CloseReason(context.Cause(s.ctx).Error())
	case err != nil:
		code, reason = websocket.StatusInternalError, exchange.CloseReason(exchange.Public(err))
	}
	// Close waits for the client's close frame. To reach it, the messages before it
	// must be read; they are dropped.
	go func() {
		for range s.queue {
		}
	}()
	timer := time.AfterFunc(lastWords, func() { s.wire.CloseNow() })
	s.wire.Close(code, reason)
	timer.Stop()
	s.wire.CloseNow()
	s.last.Stop()
	s.end(nil)
}

// over reports whether the socket is of no more use: one side has closed it, and the
// function has received all messages.
func (s *Socket) over() bool {
	return s.closed.Load() || s.left.Load() && len(s.queue) == 0 || s.ctx.Err() != nil
}

func (s *Socket) String() string        { return "<websocket>" }
func (s *Socket) Type() string          { return "websocket" }
func (s *Socket) Freeze()               {}
func (s *Socket) Truth() starlark.Bool  { return starlark.Bool(!s.over()) }
func (s *Socket) Hash() (uint32, error) { return 0, errors.New("unhashable: websocket") }

// AttrNames lists the fields and methods.
func (s *Socket) AttrNames() []string { return sockets.AttrNames() }

// Attr returns the field or method with that name.
func (s *Socket) Attr(name string) (starlark.Value, error) { return sockets.Attr(s, name) }

var sockets = NewTable("ws", "ws", `A WebSocket. The function of a WEBSOCKET endpoint gets it. "for msg in ws" goes
	through the client's messages and ends when the client has left and all its
	messages are read. After that the function has 30 s to return.`,
	Method("send", `Sends text as a text message, bytes as a binary one, and anything else as
		JSON text. When the client has left, nothing is sent. If no message is left to read
		then, send ends the function without an error in the log.`, (*Socket).send),
	Method("recv", `The next message. None when the client has sent its last one, or when none
		came within timeout ("250ms", or seconds).`, (*Socket).recv),
	Method("close", "Closes the socket. It is also closed when the function returns.", (*Socket).closeCall),
	Field("closed", "True if one side has closed the socket and all messages have been read.", func(s *Socket) (starlark.Value, error) {
		return starlark.Bool(s.over()), nil
	}),
	Field("protocol", "The subprotocol that was agreed: the first that the client offered.", func(s *Socket) (starlark.Value, error) {
		return starlark.String(s.protocol), nil
	}),
	Field("request", "The request that opened it.", func(s *Socket) (starlark.Value, error) {
		return RequestOf(s.call), nil
	}),
)

func (s *Socket) send(_ *call.Call, a call.Args) (starlark.Value, error) {
	var x starlark.Value
	if err := a.Unpack("x", &x); err != nil {
		return nil, err
	}
	kind := websocket.MessageText
	var data []byte
	switch v := x.(type) {
	case starlark.String:
		data = []byte(strings.ToValidUTF8(string(v), "\ufffd"))
	case starlark.Bytes:
		kind, data = websocket.MessageBinary, []byte(v)
	default:
		var err error
		if data, err = AppendJSON(s.call, nil, x); err != nil {
			return nil, fmt.Errorf("ws.send: %w", err)
		}
	}
	s.call.Waits()
	err := s.wire.Write(s.ctx, kind, data)
	s.call.Waited()
	switch {
	case err == nil:
	case s.closed.Load():
		return nil, errors.New("ws.send: the socket is closed")
	case s.ctx.Err() == nil && s.reads.Load() && s.asked == 0 && s.dropped < lastSends:
		s.dropped++ // the client has left, but the function may still have messages to read
	default:
		s.end(ErrLeft)
		return nil, fmt.Errorf("ws.send: the client has left: %w", context.Canceled)
	}
	return starlark.None, nil
}

func (s *Socket) recv(_ *call.Call, a call.Args) (starlark.Value, error) {
	var limit starlark.Value = starlark.None
	if err := a.Unpack("timeout?", &limit); err != nil {
		return nil, err
	}
	wait := time.Duration(-1)
	if limit != starlark.None {
		d, ok := call.Duration(limit)
		if !ok {
			return nil, fmt.Errorf("ws.recv: argument \"timeout\": got %s, want a duration (\"250ms\", \"1.5s\", or seconds)",
				call.Describe(limit))
		}
		wait = d
	}
	m := s.next(wait)
	if m == nil {
		return starlark.None, nil
	}
	return m, nil
}

// next waits for a message, at most as long as limit, unless limit is negative. It
// returns nil when none came in time or no more will come.
func (s *Socket) next(limit time.Duration) *Message {
	s.call.Waits()
	defer s.call.Waited()
	s.reads.Store(true)
	var m *Message
	if s.talk != nil {
		m = s.talk.Next(s, limit)
	} else {
		m = s.take(limit)
	}
	switch {
	case m != nil:
		s.dropped, s.asked = 0, 0
		if s.left.Load() {
			s.last.Reset(lastRun)
		}
	case s.left.Load() && len(s.queue) == 0:
		if s.asked++; s.asked > lastAsks {
			s.end(ErrLeft)
		}
	}
	return m
}

// take waits for a message of a real client.
func (s *Socket) take(limit time.Duration) *Message {
	select {
	case m := <-s.queue: // a message that has arrived counts even if limit is 0
		return m
	default:
	}
	var late <-chan time.Time
	if limit >= 0 {
		t := time.NewTimer(limit)
		defer t.Stop()
		late = t.C
	}
	select {
	case m := <-s.queue:
		return m
	case <-late:
	case <-s.ctx.Done():
	}
	return nil
}

func (s *Socket) closeCall(_ *call.Call, a call.Args) (starlark.Value, error) {
	code, reason := 1000, ""
	if err := a.Unpack("code?", &code, "reason?", &reason); err != nil {
		return nil, err
	}
	if code != 1000 && code != 1001 && (code < 1002 || code > 4999 || code == 1004 || code == 1005 || code == 1006 || code == 1015 ||
		code > 1014 && code < 3000) {
		return nil, fmt.Errorf("ws.close: code is %d, want 1000 to 1003, 1007 to 1014 or 3000 to 4999", code)
	}
	if len(reason) > 123 {
		return nil, fmt.Errorf("ws.close: reason has %d bytes, want at most 123", len(reason))
	}
	s.closed.Store(true)
	timer := time.AfterFunc(lastWords, func() { s.wire.CloseNow() })
	defer timer.Stop()
	s.call.Waits()
	s.wire.Close(websocket.StatusCode(code), reason)
	s.call.Waited()
	return starlark.None, nil
}

// Iterate goes through the messages until the client leaves.
func (s *Socket) Iterate() starlark.Iterator { return incoming{s} }

// incoming goes through the messages of a socket.
type incoming struct{ s *Socket }

// Next waits for a message.
func (m incoming) Next(p *starlark.Value) bool {
	next := m.s.next(-1)
	if next == nil {
		return false
	}
	*p = next
	return true
}

// Done ends the loop.
func (m incoming) Done() {}

var (
	_ Wire              = (*websocket.Conn)(nil)
	_ starlark.HasAttrs = (*Socket)(nil)
	_ starlark.Iterable = (*Socket)(nil)
)
