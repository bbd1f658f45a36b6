package view

import (
	"context"
	"encoding/base64"
	"errors"
	"iter"
	"strings"

	"starproxy/driver/capture"
)

// Message is a message of a socket as the page shows it, or the socket's end.
type Message struct {
	Seq       uint64  `json:"seq"`
	Index     int     `json:"index,omitempty"` // in its socket, from 1; list_messages sets it
	Kind      string  `json:"kind"`            // message or end
	Time      float64 `json:"time"`
	From      string  `json:"from"` // client or server
	Binary    bool    `json:"binary"`
	Size      int64   `json:"size"`
	Data      string  `json:"data"` // text, or base64 of a binary message
	Truncated bool    `json:"truncated"`
	Code      int     `json:"code,omitempty"`
	Reason    string  `json:"reason,omitempty"`
}

// Number returns the number after which watch_messages is resumed.
func (m Message) Number() uint64 { return m.Seq }

// maxShown bounds how much of a message is shown, in bytes.
const maxShown = 64 << 10

func newMessage(e *capture.Entry) Message {
	m := Message{Seq: e.Seq, Kind: "message", Time: capture.Seconds(e.Start), From: "server", Binary: e.Binary}
	b := e.ResponseBody
	if e.FromClient {
		m.From, b = "client", e.RequestBody
	}
	if e.Kind == capture.SocketEnd {
		m.Kind, m.Time = "end", capture.Seconds(e.Start.Add(e.Duration))
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

// listMessages returns the messages of a socket and its end after a number, or those before
// another one. A limit keeps the first of those after a number, and the last of those before
// one; 0 keeps all. The number -1 for before is the end.
func (s *Service) listMessages(_ context.Context, seq, after, before, limit int) ([]Message, error) {
	list, index := []Message{}, 0
	for e := range s.Sockets.All(ofSocket(uint64(max(seq, 0)))) {
		index++
		if e.Seq <= uint64(max(after, 0)) {
			continue
		}
		if before > 0 && e.Seq >= uint64(before) || limit > 0 && before == 0 && len(list) == limit {
			break
		}
		m := newMessage(e)
		m.Index = index
		if list = append(list, m); limit > 0 && len(list) >= 2*limit && before != 0 {
			list = append(list[:0], list[len(list)-limit:]...)
		}
	}
	if limit > 0 && len(list) > limit {
		list = list[len(list)-limit:]
	}
	return list, nil
}

func ofSocket(seq uint64) capture.Filter {
	return func(e *capture.Entry) bool { return e.Socket == seq }
}

func (s *Service) watchMessages(ctx context.Context, seq, after int) (iter.Seq2[any, error], error) {
	if _, err := s.Entry("watch_messages", seq); err != nil {
		return nil, err
	}
	return func(yield func(any, error) bool) {
		for e, err := range s.Sockets.Follow(ctx, ofSocket(uint64(seq)), uint64(max(after, 0))) {
			var missed *capture.MissedError
			if errors.As(err, &missed) {
				continue // some of them were of other sockets
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(newMessage(e), nil) || e.Kind == capture.SocketEnd {
				return
			}
		}
	}, nil
}
