package flow

import (
	"context"
	"errors"
	"time"

	"github.com/coder/websocket"

	"starproxy/builtins/exchange"
)

// socket replays a WebSocket: the server's messages in the order of the
// recording, each after as many of the client's as came before it then. What
// the client says is not compared.
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

// play sends what the server sent.
func (r *Replay) play(ctx context.Context, conn *websocket.Conn, f *Flow) error {
	ws := f.WebSocket
	before := f.Response.Start
	for _, m := range ws.Messages {
		if m.FromClient {
			if _, _, err := exchange.ReadMessage(ctx, conn); err != nil {
				return err
			}
			before = m.Time
			continue
		}
		if m.Dropped {
			continue
		}
		if r.o.Timing && !m.Time.IsZero() {
			if err := exchange.Sleep(ctx, clamp(m.Time.Sub(before))); err != nil {
				return err
			}
			before = m.Time
		}
		kind := websocket.MessageText
		if m.Binary {
			kind = websocket.MessageBinary
		}
		if err := conn.Write(ctx, kind, m.Data); err != nil {
			return err
		}
	}
	if ws.ClosedByClient != nil && !*ws.ClosedByClient {
		switch code := websocket.StatusCode(ws.CloseCode); code {
		case websocket.StatusAbnormalClosure: // the server went without a word
			return conn.CloseNow()
		case 0:
			return conn.Close(websocket.StatusNormalClosure, ws.CloseReason)
		default:
			return conn.Close(code, ws.CloseReason)
		}
	}
	for { // the client closes, as it did
		if _, _, err := exchange.ReadMessage(ctx, conn); err != nil {
			var closed websocket.CloseError
			if errors.As(err, &closed) {
				return nil
			}
			return err
		}
	}
}

// clamp keeps a recorded pause sane.
func clamp(d time.Duration) time.Duration { return min(max(d, 0), time.Hour) }
