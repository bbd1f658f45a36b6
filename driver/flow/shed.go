package flow

import (
	"maps"

	"starproxy/driver/capture"
)

// Part is a part of a flow that may be large.
type Part uint8

// The parts of a flow.
const (
	RequestBody Part = iota
	ResponseBody
	Messages // of a WebSocket, or the bytes of a stream
)

// PartSize returns the size of a part in bytes, as far as the flow has it.
func (f *Flow) PartSize(p Part) int64 {
	switch {
	case p == RequestBody && !f.Request.Body.Missing:
		return f.Request.Body.Size
	case p == ResponseBody && f.Response != nil && !f.Response.Body.Missing:
		return f.Response.Body.Size
	case p == Messages && f.WebSocket != nil:
		n := int64(0)
		for i := range f.WebSocket.Messages {
			n += int64(len(f.WebSocket.Messages[i].Data))
		}
		return n
	}
	return 0
}

// Shed takes the content of a part off the flow. A body is as one that was not stored, and
// messages are as those that were not kept. What the flow had shared with others stays.
func (f *Flow) Shed(p Part) {
	unstored := Body{Blob: capture.Blob{Truncated: true}, Missing: true}
	switch {
	case p == RequestBody:
		unstored.Size = f.Request.Body.Size
		f.Request.Body = unstored
	case p == ResponseBody && f.Response != nil:
		r := *f.Response
		unstored.Size = r.Body.Size
		r.Body = unstored
		f.Response = &r
		f.Metadata = maps.Clone(f.Metadata)
		if f.Metadata == nil {
			f.Metadata = map[string]any{}
		}
		f.Metadata[bodyKey] = bodyUnstored
	case p == Messages && f.WebSocket != nil:
		w := *f.WebSocket
		w.Messages = make([]Message, len(f.WebSocket.Messages))
		for i, m := range f.WebSocket.Messages {
			m.Data, m.Dropped = nil, true
			w.Messages[i] = m
		}
		f.WebSocket = &w
	}
}
