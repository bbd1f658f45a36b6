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
	// lastWords is how long a client may take to answer a close frame.
	lastWords = time.Second
	// lastRun is how long a function may go on after the client has left, from
	// the last message on that it was given.
	lastRun = 30 * time.Second
	// lastSends is how many messages a function may send meanwhile: they are
	// dropped, so that it gets to the next one that the client had sent.
	lastSends = 16
	// lastAsks is how often a function may ask for a message when there will be
	// none, so that it does not ask for ever.
	lastAsks = 100
)

// Socket is a WebSocket as scripts see it. It belongs to the thread that runs
// the function of the endpoint; a goroutine of its own reads what comes, so that
// the client's leaving is seen at once.
type Socket struct {
	wire     Wire
	protocol string
	talk     Talker // in a test; else nil
	call     *call.Call
	ctx      context.Context // ends when nothing more can be sent
	end      context.CancelCauseFunc

	queue  chan *Message // closed when nothing more will come
	closed atomic.Bool   // by the function
	left   atomic.Bool   // by the client
	last   *time.Timer   // ends the function after the client has left
	reads  atomic.Bool   // the function has asked for a message

	// Of the function's thread, since it was given a message: messages that
	// could not be sent, and questions for a message that were in vain.
	dropped, asked int
}

// Wire is what messages go over.
type Wire interface {
	Write(ctx context.Context, kind websocket.MessageType, data []byte) error
	Close(code websocket.StatusCode, reason string) error
	CloseNow() error
}

// Talker is the client of a WebSocket in a test.
type Talker interface {
	Wire
	// Next is what the client says next; the socket asks for it on the thread of
	// the function, and waits at most as long as limit if that is not negative.
	// Nil means that it said nothing in time, or has left.
	Next(s *Socket, limit time.Duration) *Message
}

// Visitor is the connection of a Talker.
type Visitor interface {
	// Socket opens the end that the function has.
	Socket(ctx context.Context, x *exchange.Exchange) *Socket
}

// NewTalk makes the socket over which a function speaks with the client of a test.
func NewTalk(ctx context.Context, t Talker, protocol string) *Socket {
	s := &Socket{wire: t, talk: t, protocol: protocol, queue: make(chan *Message)}
	close(s.queue)
	s.bind(ctx)
	return s
}

// Gone notes that the client of a test has left.
func (s *Socket) Gone() { s.left.Store(true) }

// ErrLeft is the error of what is sent to a client that has left.
var ErrLeft = errors.New("the client has left")

// AcceptSocket does the server's part of the handshake on a connection that a
// body was given, and begins to read. A handshake that is none is answered with
// the reason.
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

// bind makes what the socket needs to be used, until ctx ends.
func (s *Socket) bind(ctx context.Context) {
	s.ctx, s.end = context.WithCancelCause(ctx)
	s.last = time.AfterFunc(lastRun, func() { s.end(ErrLeft) })
	s.last.Stop() // until the client leaves
}

// read takes what comes until the client leaves.
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

// leave notes that the client has left. A function that reads goes on with what
// came before; one that does not, and has nothing to read, ends at once, unless
// it has closed the socket itself.
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

// Context ends with the run: when the endpoint is gone, or when the client has
// left and the function does not come to its end.
func (s *Socket) Context() context.Context { return s.ctx }

// Bind makes c the run that uses the socket.
func (s *Socket) Bind(c *call.Call) { s.call = c }

// Finish closes the socket after the run: normally, or with what failed. It
// does not wait for a client that takes its time.
func (s *Socket) Finish(err error) {
	code, reason := websocket.StatusNormalClosure, ""
	switch {
	case s.ctx.Err() != nil:
		code, reason = websocket.StatusGoingAway, clipReason(context.Cause(s.ctx).Error())
	case err != nil:
		code, reason = websocket.StatusInternalError, clipReason(exchange.Public(err))
	}
	// What comes now is of no interest, but the client's close is waited for
	// by Close: it must be read.
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

// over reports whether nothing more can be sent nor will come: either side has
// closed, and what the client sent before has been given.
func (s *Socket) over() bool {
	return s.closed.Load() || s.left.Load() && len(s.queue) == 0 || s.ctx.Err() != nil
}

// clipReason cuts a text to what a close frame can carry.
func clipReason(s string) string {
	if len(s) > 120 {
		s = s[:120]
	}
	return strings.ToValidUTF8(s, "")
}

func (s *Socket) String() string        { return "<websocket>" }
func (s *Socket) Type() string          { return "websocket" }
func (s *Socket) Freeze()               {}
func (s *Socket) Truth() starlark.Bool  { return starlark.Bool(!s.over()) }
func (s *Socket) Hash() (uint32, error) { return 0, errors.New("unhashable: websocket") }

// AttrNames lists the fields and methods.
func (s *Socket) AttrNames() []string { return sockets.AttrNames() }

// Attr gives a field or method.
func (s *Socket) Attr(name string) (starlark.Value, error) { return sockets.Attr(s, name) }

var sockets = NewTable("ws", "ws", `A WebSocket, which a WEBSOCKET endpoint is given. for msg in ws goes through
	its messages: all that came before the client left; then the loop ends, and
	the function has 30 s to come to its end.`,
	Method("send", `Sends text as a text message, bytes as a binary one, and anything else as
		JSON text. To a client that has left nothing is sent; the function ends quietly
		where it sends without having more to read.`, (*Socket).send),
	Method("recv", `The next message; None when there will be none, or none came in time
		("250ms", or seconds).`, (*Socket).recv),
	Method("close", "Says goodbye and closes; the end of the function does, too.", (*Socket).closeCall),
	Field("closed", "Whether either side has closed, and all that came before has been read.", func(s *Socket) (starlark.Value, error) {
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
		s.dropped++ // the client has left; what it said before it did is still to be given
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
			return nil, fmt.Errorf("ws.recv: argument \"timeout\": got %s, want a duration (\"250ms\", \"1.5s\", or seconds)", call.Describe(limit))
		}
		wait = d
	}
	m := s.next(wait)
	if m == nil {
		return starlark.None, nil
	}
	return m, nil
}

// next waits for a message, at most as long as limit if that is not negative;
// nil when there will be none, or it is too late.
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

// take is next for a real client.
func (s *Socket) take(limit time.Duration) *Message {
	select {
	case m := <-s.queue: // also when it is too late: it came in time
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
	if code != 1000 && code != 1001 && (code < 1002 || code > 4999 || code == 1004 || code == 1005 || code == 1006 || code == 1015 || code > 1014 && code < 3000) {
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

// Message is what a client sent.
type Message struct {
	Data []byte
	Text bool // it is no binary message
}

func (m *Message) String() string {
	if m.Text {
		return starlark.String(m.Data).String()
	}
	return starlark.Bytes(m.Data).String()
}
func (m *Message) Type() string          { return "message" }
func (m *Message) Freeze()               {}
func (m *Message) Truth() starlark.Bool  { return true }
func (m *Message) Hash() (uint32, error) { return 0, errors.New("unhashable: message") }

// Written returns the size of the message.
func (m *Message) Written() (int, starlark.Value) { return len(m.Data), nil }

// AttrNames lists the fields and methods.
func (m *Message) AttrNames() []string { return messages.AttrNames() }

// Attr gives a field or method.
func (m *Message) Attr(name string) (starlark.Value, error) { return messages.Attr(m, name) }

var messages = NewTable("msg", "message", "What a client sent over a WebSocket.",
	Field("text", "The message as text.", func(m *Message) (starlark.Value, error) {
		return starlark.String(strings.ToValidUTF8(string(m.Data), "\ufffd")), nil
	}),
	Field("bytes", "The message in bytes.", func(m *Message) (starlark.Value, error) {
		return starlark.Bytes(m.Data), nil
	}),
	Field("binary", "Whether it is a binary message.", func(m *Message) (starlark.Value, error) {
		return starlark.Bool(!m.Text), nil
	}),
	Method("json", "The message as JSON, or what stands at a path of it; default when there is none.", (*Message).json),
)

func (m *Message) json(c *call.Call, a call.Args) (starlark.Value, error) {
	return jsonAt(c, a, func() ([]byte, error) { return m.Data, nil })
}

// Interface guards.
var (
	_ Wire              = (*websocket.Conn)(nil)
	_ starlark.HasAttrs = (*Socket)(nil)
	_ starlark.Iterable = (*Socket)(nil)
	_ starlark.HasAttrs = (*Message)(nil)
)
