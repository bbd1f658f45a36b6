package trial

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coder/websocket"
	"go.starlark.net/starlark"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
	"starproxy/builtins/value"
)

// dialog is the client of a WebSocket in a test. It sends the messages of call() at
// their times on the test's clock, and keeps the messages that it receives. Until
// the function of the endpoint has ended, only the thread that runs the function
// uses the dialog.
type dialog struct {
	receiver // counts the received messages, and lets the client leave

	env  *call.Env
	ctx  context.Context // of the socket
	said []utterance     // the messages that are still to be sent
	end  time.Time       // when the client leaves: after the last message and pause
	mute bool            // call() was given no messages: the client only receives

	sent   []starlark.Value // the messages that the function sent
	gone   bool             // the client has left
	closed bool             // the function has closed it
	code   int
	reason string
}

// utterance is a message with the time at which the client sends it.
type utterance struct {
	at time.Time
	*value.Message
}

// newDialog reads the argument messages of call(). Text and bytes are sent as they
// are, and other values as JSON. A number is a pause in seconds.
func newDialog(env *call.Env, messages starlark.Value) (*dialog, error) {
	d := &dialog{env: env, end: env.Clock.Now()}
	if messages == nil || messages == starlark.None {
		d.mute = true
		return d, nil
	}
	list, ok := messages.(starlark.Iterable)
	if !ok {
		return nil, fmt.Errorf("argument \"messages\": got %s, want list", call.Describe(messages))
	}
	it := list.Iterate()
	defer it.Done()
	var v starlark.Value
	for it.Next(&v) {
		m := &value.Message{Text: true}
		switch v := v.(type) {
		case starlark.Int, starlark.Float:
			pause, ok := call.Duration(v)
			if !ok {
				return nil, fmt.Errorf("argument \"messages\": %s is no pause in seconds", v)
			}
			d.end = d.end.Add(pause)
			continue
		case starlark.String:
			m.Data = []byte(v)
		case starlark.Bytes:
			m.Data, m.Text = []byte(v), false
		default:
			var err error
			if m.Data, err = value.AppendJSON(nil, nil, v); err != nil {
				return nil, fmt.Errorf("argument \"messages\": %w", err)
			}
		}
		d.said = append(d.said, utterance{d.end, m})
	}
	return d, nil
}

// socket returns the function's end of the WebSocket.
func (d *dialog) socket(ctx context.Context, x *exchange.Exchange) *value.Socket {
	protocol, _, _ := strings.Cut(x.Request.Header.Get("Sec-WebSocket-Protocol"), ",")
	s := value.NewTalk(ctx, d, strings.TrimSpace(protocol))
	d.ctx = s.Context()
	return s
}

// Next returns the next message of the client. It moves the test's clock to the
// time of the message, but at most by limit, unless limit is negative. It returns
// nil when no message came in time or when the client has left. The client leaves
// when all its messages are sent.
func (d *dialog) Next(s *value.Socket, limit time.Duration) *value.Message {
	if d.gone || d.closed || s.Context().Err() != nil {
		return nil
	}
	if limit != 0 { // a function that polls without waiting makes no progress
		d.progress.Add(1)
	}
	due := d.end
	if len(d.said) > 0 {
		due = d.said[0].at
	}
	wait := due.Sub(d.env.Clock.Now())
	if limit >= 0 && (wait > limit || d.mute) {
		d.pass(limit)
		return nil
	}
	if wait > 0 {
		d.pass(wait)
	}
	switch {
	case s.Context().Err() != nil:
		return nil
	case len(d.said) == 0:
		d.gone = true
		s.Gone()
		return nil
	}
	m := d.said[0].Message
	d.said = d.said[1:]
	return m
}

func (d *dialog) pass(t time.Duration) {
	if d.env.Manual {
		d.env.Clock.Advance(t)
	}
}

// Write keeps a message.
func (d *dialog) Write(_ context.Context, kind websocket.MessageType, data []byte) error {
	if d.gone || d.closed {
		return value.ErrLeft
	}
	if _, err := d.receiver.Write(data); err != nil {
		d.gone = true
		return value.ErrLeft
	}
	if kind == websocket.MessageText {
		d.sent = append(d.sent, starlark.String(data))
	} else {
		d.sent = append(d.sent, starlark.Bytes(data))
	}
	return nil
}

// Close notes the code and the reason with which the function closed the socket. It
// returns an error if the socket was closed before.
func (d *dialog) Close(code websocket.StatusCode, reason string) error {
	if d.gone || d.closed || d.ctx.Err() != nil {
		return errors.New("closed before")
	}
	d.closed, d.code, d.reason = true, int(code), reason
	return nil
}

// CloseNow does nothing: there is no connection.
func (d *dialog) CloseNow() error { return nil }

// visitor is the connection on which a WebSocket endpoint answers a dialog.
type visitor struct {
	*receiver
	dialog *dialog
}

// Socket opens the function's end of the WebSocket.
func (v visitor) Socket(ctx context.Context, x *exchange.Exchange) *value.Socket {
	return v.dialog.socket(ctx, x)
}

// Interface guards.
var (
	_ value.Talker  = (*dialog)(nil)
	_ value.Visitor = visitor{}
	_ exchange.Conn = visitor{}
)
