package capture

import (
	"bytes"
	"unicode/utf8"

	"starproxy/builtins/exchange"
)

// minIndexed is the first value of streams.sweep.
const minIndexed = 64 << 10

// streams finds the pieces of streams by the number of the stream's entry.
type streams struct {
	pieces map[uint64][]uint64 // numbers of the pieces in the journal of sockets
	total  int
	sweep  int // the total at which pieces that left the journal are removed
}

// index adds a piece of a stream. The lock s.mu is held.
func (s *Sockets) index(stream, piece uint64) {
	x := &s.streams
	if x.pieces == nil {
		x.pieces, x.sweep = map[uint64][]uint64{}, minIndexed
	}
	x.pieces[stream] = append(x.pieces[stream], piece)
	if x.total++; x.total < x.sweep {
		return
	}
	first := s.Stats().First
	x.total = 0
	for stream, list := range x.pieces {
		n := 0
		for n < len(list) && list[n] < first {
			n++
		}
		if n == len(list) {
			delete(x.pieces, stream)
			continue
		}
		x.pieces[stream] = append([]uint64(nil), list[n:]...)
		x.total += len(list) - n
	}
	x.sweep = max(2*x.total, minIndexed)
}

// Stream returns the pieces of the stream with the number seq that the journal still has,
// in their order. end is the entry of its end, nil while the stream goes on or when the
// journal no longer has it.
func (s *Sockets) Stream(seq uint64) (pieces []*Entry, end *Entry) {
	s.mu.Lock()
	list := append([]uint64(nil), s.streams.pieces[seq]...)
	s.mu.Unlock()
	for _, n := range list {
		e, ok := s.Get(n)
		switch {
		case !ok: // it has left the budget
		case e.Kind == SocketEnd:
			end = e
		default:
			pieces = append(pieces, e)
		}
	}
	return pieces, end
}

// StreamEnd returns the entry of a stream's end, nil while the stream goes on or
// when the journal no longer has it.
func (s *Sockets) StreamEnd(seq uint64) *Entry {
	s.mu.Lock()
	list := s.streams.pieces[seq]
	last := uint64(0)
	if len(list) > 0 {
		last = list[len(list)-1]
	}
	s.mu.Unlock()
	if e, ok := s.Get(last); ok && e.Kind == SocketEnd {
		return e
	}
	return nil
}

// Bytes joins the pieces of one direction, up to limit bytes. Size counts all their bytes.
// Truncated says that some of them are not in Data.
func Bytes(pieces []*Entry, fromClient bool, limit int) Blob {
	var b Blob
	for _, p := range pieces {
		if p.FromClient != fromClient {
			continue
		}
		part := &p.ResponseBody
		if fromClient {
			part = &p.RequestBody
		}
		b.Size += part.Size
		keep := part.Data[:min(len(part.Data), limit-len(b.Data))]
		b.Data = append(b.Data, keep...)
		b.Truncated = b.Truncated || int64(len(keep)) < part.Size
	}
	return b
}

// setStream fills in the bytes of both directions of a stream that the journal still has,
// as UTF-8 or else as Latin-1.
func (v *event) setStream(j *Journal, e *Entry) {
	v.Kind, v.Path = "tcp", e.Addr()
	v.Headers, v.HeaderList = map[string]string{}, [][2]string{}
	v.Response = new(string)
	if j.sockets == nil {
		return
	}
	pieces, end := j.sockets.Stream(e.Seq)
	up, down := Bytes(pieces, true, j.inline), Bytes(pieces, false, j.inline)
	if end != nil {
		v.Duration, v.Error = end.Duration.Milliseconds(), end.Error
		up.Truncated = up.Truncated || up.Size < end.RequestBody.Size
		down.Truncated = down.Truncated || down.Size < end.ResponseBody.Size
		up.Size, down.Size = end.RequestBody.Size, end.ResponseBody.Size
		v.Timestamp = Seconds(end.Start.Add(end.Duration))
	}
	v.BodySize, v.BodyTruncated = up.Size, up.Truncated
	v.Body, v.BodyEncoding = streamText(up.Data)
	v.BodyBinary = IsBinary(up.Data)
	v.ResponseSize, v.ResponseTruncated = down.Size, down.Truncated
	*v.Response, v.ResponseEncoding = streamText(down.Data)
	v.IsBinary = IsBinary(down.Data)
}

// streamText returns bytes as a string, and the name of the encoding if it is not UTF-8. The
// bytes can be restored from both.
func streamText(data []byte) (text, encoding string) {
	if utf8.Valid(data) {
		return string(data), ""
	}
	return latin1(string(data)), exchange.Latin1
}

// IsBinary reports whether data is no text in UTF-8.
func IsBinary(data []byte) bool {
	return !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0
}
