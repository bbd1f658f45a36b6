package flow

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"
)

// maxJoined is the largest size of the messages that are joined from parts, in bytes.
const maxJoined = 512 << 20

// parts says where a recording that was not completed has the messages of WebSockets, see
// sockets.
type parts struct {
	once sync.Once
	of   map[string][]int64 // offsets of parts by the id of their flow
	err  error
}

// isPart reports whether f is a part of the flow of a WebSocket.
func isPart(f *Flow) bool {
	if f == nil || f.WebSocket == nil {
		return false
	}
	_, ok := f.Metadata[partKey]
	return ok
}

// join returns the flow whose first part is f, with the messages of all its
// parts. It is nil when f is another part, or when the file has the whole flow.
func (f *File) join(first *Flow) (*Flow, error) {
	f.parts.once.Do(f.findParts)
	if f.parts.err != nil {
		return nil, f.parts.err
	}
	offsets := f.parts.of[first.ID]
	if len(offsets) == 0 || offsets[0] != first.Offset {
		return nil, nil
	}
	joined := *first
	joined.Metadata = maps.Clone(first.Metadata)
	delete(joined.Metadata, partKey)
	socket := *first.WebSocket
	joined.WebSocket = &socket
	size := 0
	for _, off := range offsets[1:] {
		part, err := f.recordAt(off)
		if err != nil {
			return nil, err
		}
		if part == nil || part.WebSocket == nil {
			return nil, &RecordError{Path: f.path, Offset: off, Err: errors.New("the file has changed since it was opened")}
		}
		for _, m := range part.WebSocket.Messages {
			if size += len(m.Data) + 96; size > maxJoined {
				return nil, &RecordError{Path: f.path, Offset: first.Offset,
					Err: fmt.Errorf("its messages have more than %d MiB", maxJoined>>20)}
			}
			socket.Messages = append(socket.Messages, m)
		}
	}
	return &joined, nil
}

// findParts reads the file once.
func (f *File) findParts() {
	f.parts.of = map[string][]int64{}
	r := f.reader(window)
	r.tally = &tally{path: f.path}
	for {
		flow, err := r.next()
		switch bad := (*RecordError)(nil); {
		case err == io.EOF:
			return
		case errors.As(err, &bad): // Flows reports it
		case err != nil:
			f.parts.err = err
			return
		case isPart(flow):
			if offsets, seen := f.parts.of[flow.ID]; !seen || offsets != nil {
				f.parts.of[flow.ID] = append(offsets, flow.Offset)
			}
		case flow.WebSocket != nil: // the file has the whole flow: its parts are not needed
			f.parts.of[flow.ID] = nil
		}
	}
}
