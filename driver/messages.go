package driver

import (
	"context"
	"encoding/base64"
	"errors"
	"iter"
	"strings"

	"starproxy/driver/capture"
	"starproxy/driver/rpc"
)

// shownMessage is a message of a WebSocket as the web UI shows it.
type shownMessage struct {
	Seq       uint64  `json:"seq"`
	Kind      string  `json:"kind"` // message or end
	Time      float64 `json:"time"`
	From      string  `json:"from"` // client or server
	Binary    bool    `json:"binary"`
	Size      int64   `json:"size"`
	Data      string  `json:"data"` // text, or base64 of a binary message
	Truncated bool    `json:"truncated"`
	Code      int     `json:"code,omitempty"`
	Reason    string  `json:"reason,omitempty"`
}

// maxShown bounds how much of a message is shown, in bytes.
const maxShown = 64 << 10

func showMessage(e *capture.Entry) shownMessage {
	m := shownMessage{Seq: e.Seq, Kind: "message", Time: seconds64(e.Start.UnixMicro()), From: "server", Binary: e.Binary}
	b := e.ResponseBody
	if e.FromClient {
		m.From, b = "client", e.RequestBody
	}
	if e.Kind == capture.SocketEnd {
		m.Kind, m.Time = "end", seconds64(e.Start.Add(e.Duration).UnixMicro())
		m.Code, m.Reason = e.CloseCode, strings.ToValidUTF8(e.CloseReason, "\ufffd")
		return m
	}
	data := b.Data
	m.Size, m.Truncated = b.Size, b.Truncated
	if len(data) > maxShown {
		data, m.Truncated = data[:maxShown], true
	}
	if m.Binary {
		m.Data = base64.StdEncoding.EncodeToString(data)
	} else {
		m.Data = strings.ToValidUTF8(string(data), "\ufffd")
	}
	return m
}

func (d *Driver) listMessages(_ context.Context, seq, after int) (string, error) {
	list := []shownMessage{}
	for e := range d.sockets.All(ofSocket(uint64(max(seq, 0)))) {
		if e.Seq > uint64(max(after, 0)) {
			list = append(list, showMessage(e))
		}
	}
	return rpc.JSON(list)
}

func ofSocket(seq uint64) capture.Filter {
	return func(e *capture.Entry) bool { return e.Socket == seq }
}

func (d *Driver) watchMessages(ctx context.Context, seq, after int) (iter.Seq2[any, error], error) {
	if _, err := d.entry("watch_messages", seq); err != nil {
		return nil, err
	}
	return func(yield func(any, error) bool) {
		for e, err := range d.sockets.Follow(ctx, ofSocket(uint64(seq)), uint64(max(after, 0))) {
			var missed *capture.MissedError
			if errors.As(err, &missed) {
				continue // some of them were of other sockets
			}
			if err != nil {
				yield(nil, err)
				return
			}
			text, err := rpc.JSON(showMessage(e))
			if !yield(text, err) || err != nil || e.Kind == capture.SocketEnd {
				return
			}
		}
	}, nil
}
