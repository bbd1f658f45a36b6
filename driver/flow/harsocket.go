package flow

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// harSocketMessageIn is a frame of a WebSocket as it is imported.
type harSocketMessageIn struct {
	Type   harString  `json:"type"`
	Time   harString  `json:"time"`
	Opcode *harNumber `json:"opcode"` // text without one
	Data   harString  `json:"data"`
}

// socketOf returns the WebSocket of frames. It skips frames that are no messages: pings,
// pongs, and the opcode -1, which Chromium writes for an error.
func socketOf(frames []harSocketMessageIn) *WebSocket {
	w := &WebSocket{}
	last := map[bool]int{} // the message that a continuation belongs to
	for _, m := range frames {
		out := Message{FromClient: fromClient(string(m.Type)), Time: parseHARTime(string(m.Time))}
		op, ok := int64(1), true
		if m.Opcode != nil {
			op, ok = m.Opcode.int()
		}
		switch {
		case ok && op == 8:
			w.close(&m, out)
			continue
		case ok && op == 0:
			if at, begun := last[out.FromClient]; begun {
				w.Messages[at].Data = append(w.Messages[at].Data, m.bytes(w.Messages[at].Binary)...)
				continue
			}
		case ok && op != 1 && op != 2:
			continue
		}
		out.Binary = op == 2
		if out.Data = m.bytes(out.Binary); len(out.Data) == 0 {
			out.Data = nil
		}
		last[out.FromClient] = len(w.Messages)
		w.Messages = append(w.Messages, out)
	}
	return w
}

// fromClient returns the direction that a word means.
func fromClient(kind string) bool {
	switch strings.ToLower(kind) {
	case "send", "sent", "request", "outgoing", "client":
		return true
	}
	return false
}

// bytes returns the payload. That of a binary frame is usually in base64.
func (m *harSocketMessageIn) bytes(binary bool) []byte {
	if binary {
		if data, err := lax(string(m.Data)); err == nil {
			return data
		}
	}
	return []byte(m.Data)
}

// close reads a close frame. Its payload is in base64, or text.
func (w *WebSocket) close(m *harSocketMessageIn, as Message) {
	if w.ClosedByClient != nil {
		return
	}
	w.ClosedByClient, w.CloseCode, w.End = &as.FromClient, 1005, as.Time
	data, err := lax(string(m.Data))
	if err != nil || len(data) < 2 {
		data = []byte(m.Data)
	}
	if len(data) < 2 {
		return
	}
	code := int(binary.BigEndian.Uint16(data))
	if code < 1000 || code > 4999 || !utf8.Valid(data[2:]) {
		return
	}
	w.CloseCode, w.CloseReason = code, string(data[2:])
}
