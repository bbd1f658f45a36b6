package proxy

import (
	"cmp"
	"encoding/binary"
	"net/http"
	"slices"

	"golang.org/x/net/http2"

	"starproxy/driver/capture"
)

// frameHeader is the beginning of a frame (RFC 9113 section 4.1), gathered from
// pieces.
type frameHeader struct {
	b [frameHead]byte
	n int // bytes that are there
}

// take adds the beginning of b and returns the rest. The header is whole then if
// there was enough.
func (h *frameHeader) take(b []byte) []byte {
	n := copy(h.b[h.n:], b)
	h.n += n
	return b[n:]
}

func (h *frameHeader) whole() bool { return h.n == frameHead }

func (h *frameHeader) length() int            { return int(h.b[0])<<16 | int(h.b[1])<<8 | int(h.b[2]) }
func (h *frameHeader) kind() http2.FrameType  { return http2.FrameType(h.b[3]) }
func (h *frameHeader) has(f http2.Flags) bool { return http2.Flags(h.b[4])&f != 0 }
func (h *frameHeader) stream() uint32         { return binary.BigEndian.Uint32(h.b[5:]) &^ (1 << 31) }

// inFrames follows the bytes that a device sends, and keeps its last frames.
type inFrames struct {
	preface int         // bytes of it that came
	odd     bool        // something else came
	head    frameHeader // of the last frame
	left    int         // bytes of its payload that are still to come
	kept    []byte      // frames from the beginning of one, the last one cut off at the bound
	size    int         // of them all
	dropped bool        // there were more
}

// follow reads on. It reports true, once, when something else than the preface
// comes.
func (f *inFrames) follow(b []byte) (odd bool) {
	if f.preface < len(http2.ClientPreface) {
		if f.odd {
			return false
		}
		n := min(len(b), len(http2.ClientPreface)-f.preface)
		if string(b[:n]) != http2.ClientPreface[f.preface:][:n] {
			f.odd = true
			f.keep([]byte(http2.ClientPreface[:f.preface]))
			f.keep(b)
			return true
		}
		f.preface += n
		b = b[n:]
	}
	for len(b) > 0 {
		if f.left == 0 {
			if f.head.whole() {
				f.head.n = 0
			}
			if b = f.head.take(b); !f.head.whole() {
				return false
			}
			if f.left = f.head.length(); len(f.kept)+frameHead+f.left > capture.MaxRefused && len(f.kept) > 0 {
				f.kept, f.size, f.dropped = f.kept[:0], 0, true
			}
			f.keep(f.head.b[:])
			continue
		}
		n := min(f.left, len(b))
		f.keep(b[:n])
		f.left -= n
		b = b[n:]
	}
	return false
}

// keep notes bytes, as many as fit.
func (f *inFrames) keep(b []byte) {
	f.size += len(b)
	if room := capture.MaxRefused - len(f.kept); room < len(b) {
		b = b[:room]
	}
	if need := len(f.kept) + len(b); need > cap(f.kept) {
		size := 256
		if need > size {
			size = capture.MaxRefused
		}
		f.kept = append(make([]byte, 0, size), f.kept...)
	}
	f.kept = append(f.kept, b...)
}

// outFrames follows the bytes that the server sends, and finds refusals in them.
type outFrames struct {
	head  frameHeader // of the frame that is written
	left  int         // bytes of its payload that are still to come
	begun [maxBegun]byte
	n     int // bytes of the payload's beginning that are in begun
	want  int // bytes of it that are looked at

	// refusing is the stream whose answer looks like one of the server's own, 0 for
	// none; its body tells.
	refusing uint32
	status   int      // of that answer, 0 when it is not known
	reset    []uint32 // streams that the server has reset, the last ones
}

// maxBegun bounds how much of a payload is looked at, in bytes: the text of
// such answers has less.
const maxBegun = 128

// follow looks at bytes that are about to be written. It returns how many of them
// belong to answers.
func (f *outFrames) follow(b []byte, s *h2Session) (answers int) {
	for len(b) > 0 {
		if f.left == 0 {
			if f.head.whole() {
				f.head.n = 0
			}
			if b = f.head.take(b); !f.head.whole() {
				return answers
			}
			if f.answers() {
				answers += frameHead
			}
			f.left, f.n = f.head.length(), 0
			f.want = min(f.looked(), f.left)
			if f.left == 0 {
				f.look(s)
			}
			continue
		}
		n := min(f.left, len(b))
		if f.n < f.want {
			f.n += copy(f.begun[f.n:f.want], b[:n])
			if f.n == f.want {
				f.look(s)
			}
		}
		if f.answers() {
			answers += n
		}
		f.left -= n
		b = b[n:]
	}
	return answers
}

// answers reports whether the frame is part of an answer.
func (f *outFrames) answers() bool {
	k := f.head.kind()
	return k == http2.FrameData || k == http2.FrameHeaders || k == http2.FrameContinuation
}

// looked returns how many bytes of the payload say whether the frame is a
// refusal.
func (f *outFrames) looked() int {
	switch f.head.kind() {
	case http2.FrameHeaders:
		return maxStatus
	case http2.FrameRSTStream:
		return 4
	case http2.FrameGoAway:
		return 8
	case http2.FrameData:
		if f.refusing != 0 && f.refusing == f.head.stream() {
			return maxBegun
		}
	}
	return 0
}

// look calls the session's method for a refusal, if the frame is one.
func (f *outFrames) look(s *h2Session) {
	b, stream := f.begun[:f.n], f.head.stream()
	switch f.head.kind() {
	case http2.FrameHeaders:
		f.lookAtHead(s, b, stream)
	case http2.FrameData:
		if f.refusing != 0 && f.refusing == stream {
			f.refusing = 0
			if text := string(b); f.status != 0 || text == tooLargeText {
				s.refuseAnswer(stream, cmp.Or(f.status, http.StatusRequestHeaderFieldsTooLarge), text)
			}
		}
	case http2.FrameRSTStream:
		if len(b) < 4 {
			return
		}
		again := slices.Contains(f.reset, stream)
		if !again {
			if len(f.reset) == maxReset {
				f.reset = append(f.reset[:0], f.reset[1:]...)
			}
			f.reset = append(f.reset, stream)
		}
		// What was under way to a stream that we ended is answered by
		// STREAM_CLOSED, and our handlers end streams by INTERNAL_ERROR.
		if code := http2.ErrCode(binary.BigEndian.Uint32(b)); !again && code != http2.ErrCodeNo && code != http2.ErrCodeCancel &&
			code != http2.ErrCodeInternal {
			s.refuseStream(stream, code)
		}
	case http2.FrameGoAway:
		if len(b) < 8 {
			return
		}
		s.told.Store(true)
		if code := http2.ErrCode(binary.BigEndian.Uint32(b[4:])); code != http2.ErrCodeNo {
			s.refuseConnection(code)
		}
	}
}

// maxReset bounds the streams that are remembered as reset.
const maxReset = 64

// lookAtHead finds answers that are the server's own and not those of its handler.
func (f *outFrames) lookAtHead(s *h2Session, block []byte, stream uint32) {
	f.refusing = 0
	switch f.status = blockStatus(block); f.status {
	case http.StatusBadRequest:
		if s.own400.Load() > 0 {
			s.own400.Add(-1)
			return
		}
	case http.StatusRequestHeaderFieldsTooLarge:
		if s.own431.Swap(false) {
			return
		}
	case 0: // the text tells, if there is any
	default:
		return
	}
	switch ends := f.head.has(http2.FlagHeadersEndStream); {
	case !ends:
		f.refusing = stream
	case f.status != 0: // of a request with HEAD
		s.refuseAnswer(stream, f.status, "")
	}
}

// maxStatus is enough of a header block to find its status, in bytes.
const maxStatus = 16

// tooLargeText is the body of the server's own 431.
const tooLargeText = "<h1>HTTP Error 431</h1><p>Request Header Field(s) Too Large</p>"

// blockStatus tells from the beginning of a header block of the server's (RFC 7541
// section 6) whether its status is 400 or 431: 0 when it may be 431, -1 when it is
// something else. The status comes first. 400 is in the static table; 431 is
// written out, or in the dynamic table, which is not known here.
func blockStatus(b []byte) int {
	for len(b) > 0 && b[0]&0xe0 == 0x20 { // the size of the table
		long := b[0]&0x1f == 0x1f
		for b = b[1:]; long && len(b) > 0; b = b[1:] {
			long = b[0]&0x80 != 0
		}
	}
	if len(b) == 0 {
		return -1
	}
	const (
		indexed, added      = 0x80, 0x40 // a field of a table, one that is added to it
		status, status400   = 8, 12      // in the static table, up to lastStatus
		lastStatus, dynamic = 14, 62
	)
	switch name := b[0] &^ added; {
	case b[0] == indexed|status400:
		return http.StatusBadRequest
	case b[0] >= indexed|dynamic:
		return 0
	case status <= name && name <= lastStatus && string(b[1:min(len(b), 5)]) == "\x03431":
		return http.StatusRequestHeaderFieldsTooLarge
	}
	return -1
}
