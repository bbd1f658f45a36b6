package flow

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/google/uuid"

	"starproxy/builtins/disk"
	"starproxy/driver/capture"
)

// A flow has all messages of its WebSocket, and its length comes first. So a
// flow cannot grow in a file. While a socket is open, each of its messages is
// written at once as a part: a flow of its own with that message, the handshake,
// and the id that all parts of the socket share. mitmproxy shows parts as
// flows; a File joins them. When the socket ends, the whole flow is written, and
// its parts are waste. They are taken out of the file when the recording ends,
// or when they are more than half of it.

const (
	// partKey is the key of the metadata that marks a part. Its value is the
	// number of the part's first message, from 0.
	partKey = "starproxy.part"
	// maxWaste is how many bytes of parts a file may always have.
	maxWaste = 128 << 20
)

// sockets are the WebSockets of a recording. Recorder.mu guards them.
type sockets struct {
	open  map[uint64]*openSocket // by the number of the handshake's entry
	parts extents                // the records in the file that are parts
}

// openSocket is a WebSocket that has messages in the file.
type openSocket struct {
	part     *Flow // the handshake; Write sets its messages
	messages extents
	count    int
}

// storedMessages are messages in the encoding of flow files.
type storedMessages struct {
	size int64
	r    io.ReadCloser
}

// body returns the messages as a body of a record.
func (m *storedMessages) body() openBody {
	return openBody{Body: Body{Blob: capture.Blob{Size: m.size, Path: "messages"}}, r: m.r}
}

// Message writes a message of the WebSocket that began with handshake.
func (r *Recorder) Message(handshake, message *capture.Entry) {
	m := FromMessage(message)
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sockets.open[message.Socket]
	if s == nil {
		s = &openSocket{part: r.flowOf(handshake, []Message{}, nil)}
		s.part.ID = uuid.NewString()
		if s.part.Metadata == nil {
			s.part.Metadata = map[string]any{}
		}
		r.sockets.open[message.Socket] = s
	}
	s.part.WebSocket.Messages = []Message{m}
	err := r.writePart(s, 1)
	s.part.WebSocket.Messages = nil
	if err == nil && m.Dropped {
		err = fmt.Errorf("WebSocket %s: a message is too large to be kept whole", s.part.Request.Path)
	}
	if err != nil {
		r.tally.Lock()
		r.lose(err)
		r.tally.Unlock()
	}
	if waste := r.sockets.parts.size; waste > maxWaste && waste > r.size/2 {
		r.compact()
	}
}

// writePart writes a part of s with count messages.
func (r *Recorder) writePart(s *openSocket, count int) error {
	s.part.Metadata[partKey] = s.count
	begin := r.size
	if err := r.write(s.part); err != nil {
		return err
	}
	at, n := r.w.messages()
	s.messages.add(begin+at, n)
	s.count += count
	r.sockets.parts.add(begin, r.size-begin)
	return nil
}

// SocketEnd writes the flow of a WebSocket that is over.
func (r *Recorder) SocketEnd(end *capture.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.endSocket(r.flowOf(end, []Message{}, end), r.sockets.open[end.Socket])
	delete(r.sockets.open, end.Socket)
}

// endSocket writes the flow of a WebSocket with the messages of s, which may be
// nil. When it can't be written, its parts stay.
func (r *Recorder) endSocket(f *Flow, s *openSocket) {
	if s != nil {
		f.ID = s.part.ID
		f.WebSocket.stored = r.stored(s)
		defer f.WebSocket.stored.r.Close()
	}
	r.done(r.write(f))
}

// stored returns the messages of s.
func (r *Recorder) stored(s *openSocket) *storedMessages {
	return &storedMessages{size: s.messages.size, r: s.messages.reader(r.file)}
}

// endSockets writes the flows of open sockets, and removes all parts from the file.
func (r *Recorder) endSockets() {
	for _, seq := range slices.Sorted(maps.Keys(r.sockets.open)) {
		s := r.sockets.open[seq]
		f := *s.part
		f.Metadata = maps.Clone(f.Metadata)
		delete(f.Metadata, partKey)
		f.WebSocket = &WebSocket{}
		r.endSocket(&f, s)
	}
	clear(r.sockets.open)
	r.compact()
}

// compact writes the file again without its parts, and then one part for each open socket.
// When that fails, the file stays as it is: it is longer than necessary, but complete.
func (r *Recorder) compact() {
	if r.sockets.parts.size == 0 {
		return
	}
	if err := r.rewrite(); err != nil {
		r.log.Warn("the recording keeps parts of WebSockets as flows of their own", "file", r.path, "error", err)
		// The next try is due when the waste has doubled.
		r.sockets.parts.size -= min(r.sockets.parts.size, maxWaste)
	}
}

func (r *Recorder) rewrite() error {
	p, err := disk.CreatePart(r.path, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if p != nil {
			p.Discard()
		}
	}()
	to := p.File()
	next := &Recorder{path: r.path, file: to, w: NewWriter(to), sockets: sockets{open: map[uint64]*openSocket{}}}
	for off, n := range r.sockets.parts.gaps(r.size) {
		if _, err := io.Copy(to, io.NewSectionReader(r.file, off, n)); err != nil {
			return err
		}
		next.size += n
	}
	for _, seq := range slices.Sorted(maps.Keys(r.sockets.open)) {
		s := r.sockets.open[seq]
		f := *s.part
		f.WebSocket = &WebSocket{stored: r.stored(s)}
		f.Metadata = maps.Clone(f.Metadata)
		moved := &openSocket{part: &f}
		err := next.writePart(moved, s.count)
		f.WebSocket.stored.r.Close()
		if err != nil {
			return err
		}
		f.WebSocket.stored = nil
		next.sockets.open[seq] = moved
	}
	next.file, err = p.Keep()
	p = nil
	if err != nil {
		return err
	}
	r.file.Close()
	r.file, r.w, r.size, r.sockets = next.file, next.w, next.size, next.sockets
	return nil
}
