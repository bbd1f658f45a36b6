package flow

import (
	"context"
	"errors"
	"time"

	"github.com/coder/websocket"

	"starproxy/builtins/exchange"
)

// socket replays a WebSocket: the server's messages in the order of the
// recording, each after as many of the client's messages as came before it. The
// client's messages are not compared with the recorded ones.
func (r *Replay) socket(x *exchange.Exchange, f *Flow, res *exchange.Response) *exchange.Response {
	res.Body = exchange.Socket(func(ctx context.Context, c exchange.Conn) error {
		conn, err := exchange.AcceptWebSocket(ctx, x.Request, c)
		if err != nil {
			return err
		}
		defer conn.CloseNow()
		conn.SetReadLimit(maxBody)
		err = r.play(ctx, conn, f)
		if err != nil {
			exchange.EndSocket(conn, err)
		}
		return err
	})
	res.Header = exchange.HeaderOf("Upgrade", "websocket", "Connection", "Upgrade")
	return res
}

// play sends the server's messages of f over conn and reads one message of the
// client for each that f has. Then it closes conn, or awaits the client's close,
// as it was in f.
func (r *Replay) play(ctx context.Context, conn *websocket.Conn, f *Flow) error {
	before := f.Response.Start
	for _, m := range f.WebSocket.Messages {
		switch {
		case m.FromClient:
			if _, _, err := exchange.ReadMessage(ctx, conn); err != nil {
				return err
			}
		case m.Dropped:
			continue
		default:
			if err := r.say(ctx, conn, m, before); err != nil {
				return err
			}
		}
		if m.FromClient || !m.Time.IsZero() {
			before = m.Time
		}
	}
	return endAs(ctx, conn, f.WebSocket)
}

// say sends the message m; with Timing, after the pause that was between before
// and m.
func (r *Replay) say(ctx context.Context, conn *websocket.Conn, m Message, before time.Time) error {
	if r.o.Timing && !m.Time.IsZero() {
		if err := exchange.Sleep(ctx, clamp(m.Time.Sub(before))); err != nil {
			return err
		}
	}
	kind := websocket.MessageText
	if m.Binary {
		kind = websocket.MessageBinary
	}
	return conn.Write(ctx, kind, m.Data)
}

// endAs ends conn as ws ended: it closes it, cuts it, or awaits the client's close.
func endAs(ctx context.Context, conn *websocket.Conn, ws *WebSocket) error {
	if ws.ClosedByClient != nil && !*ws.ClosedByClient {
		switch code := websocket.StatusCode(ws.CloseCode); code {
		case websocket.StatusAbnormalClosure: // the server cut the connection
			return conn.CloseNow()
		case 0:
			return conn.Close(websocket.StatusNormalClosure, ws.CloseReason)
		default:
			return conn.Close(code, ws.CloseReason)
		}
	}
	for {
		if _, _, err := exchange.ReadMessage(ctx, conn); err != nil {
			if closed := (websocket.CloseError{}); errors.As(err, &closed) {
				return nil
			}
			return err
		}
	}
}

// clamp bounds a recorded pause to between 0 and an hour.
func clamp(d time.Duration) time.Duration { return min(max(d, 0), time.Hour) }
