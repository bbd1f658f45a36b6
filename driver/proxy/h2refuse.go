package proxy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http2"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// came returns a copy of the last frames.
func (f *inFrames) came() h2Came {
	return h2Came{frames: slices.Clone(f.kept), size: f.size, whole: !f.dropped}
}

// h2Word is the server's word for an error (http.HTTP2Config.CountError). The server
// counts it before it sends the frame that refuses, and reads no other frame between.
type h2Word struct {
	word   string
	stream uint32 // of the frame that is wrong
	came   h2Came
}

// about cuts the error code off the word. The frame that refuses has it, too.
func (w *h2Word) about(code http2.ErrCode) {
	if _, what, ok := strings.Cut(w.word, code.String()+"_"); ok {
		w.word = what
	}
}

// maxWords bounds the words whose frame is still to come; some have none.
const maxWords = 8

// count is the server's CountError.
func (s *h2Session) count(word string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.words) == maxWords {
		s.words = slices.Delete(s.words, 0, 1)
	}
	s.words = append(s.words, h2Word{word: word, stream: s.in.head.stream(), came: s.in.came()})
}

// takeWord returns the word for an error of a stream, or, when that is 0, of the
// connection.
func (s *h2Session) takeWord(stream uint32) h2Word {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := len(s.words) - 1
	if stream != 0 {
		i = slices.IndexFunc(s.words, func(w h2Word) bool { return w.stream == stream })
	}
	if i < 0 {
		return h2Word{stream: s.in.head.stream(), came: s.in.came()}
	}
	w := s.words[i]
	s.words = slices.Delete(s.words, i, i+1)
	return w
}

// refuseStream journals that the server resets a stream.
func (s *h2Session) refuseStream(stream uint32, code http2.ErrCode) {
	w := s.takeWord(stream)
	w.stream = stream
	w.about(code)
	s.refuse(fmt.Sprintf("HTTP/2 stream %d: %s", stream, code), w, 0)
}

// refuseConnection journals that the server ends the connection.
func (s *h2Session) refuseConnection(code http2.ErrCode) {
	w := s.takeWord(0)
	w.about(code)
	s.refuse("HTTP/2 connection: "+code.String(), w, 0)
}

// refuseAnswer journals an answer that is the server's own.
func (s *h2Session) refuseAnswer(stream uint32, status int, text string) {
	if text, _, _ = strings.Cut(text, "\n"); status != 400 {
		text = "got a header of more than " + fmt.Sprint(maxH2Head>>20) + " MiB"
	}
	w := s.takeWord(stream)
	w.stream = stream
	s.refuse(strings.TrimSuffix(fmt.Sprintf("HTTP/2 stream %d: %s", stream, text), ": "), w, status)
}

// oddWait is how long more bytes are waited for when the first ones are no preface.
const oddWait = 100 * time.Millisecond

// refusePreface journals that a device does not speak HTTP/2.
func (s *h2Session) refusePreface() {
	s.told.Store(true)
	// The server has read no more than the preface would have.
	more := make([]byte, capture.MaxRefused)
	s.Conn.SetReadDeadline(time.Now().Add(oddWait))
	n, _ := s.Conn.Read(more)
	s.mu.Lock()
	s.in.keep(more[:n])
	came := s.in.came()
	s.mu.Unlock()
	line, _, _ := strings.Cut(string(came.frames), "\n")
	reason := "HTTP/2: got " + excerpt.Quote(strings.TrimSuffix(line, "\r")) + ", want the preface PRI * HTTP/2.0"
	s.p.logRefused(s.cl, reason)
	s.p.journalRefused(s.cl, &capture.Entry{Error: reason, RequestBody: capture.Blob{Size: int64(came.size)}}, string(came.frames))
}

// refuseClosed journals that the server closes the connection without a frame that
// has the reason.
func (s *h2Session) refuseClosed() {
	if s.left.Load() || s.told.Load() || s.p.ending.Load() || s.cl.base().left.Load() {
		return
	}
	w := s.takeWord(0)
	s.mu.Lock()
	said, _, _ := strings.Cut(s.said, " from "+s.cl.addr.String())
	preface := s.in.preface
	s.mu.Unlock()
	if preface == 0 {
		return // like any connection on which no request comes
	}
	if preface < len(http2.ClientPreface) {
		said = "the preface did not come to its end"
	}
	s.refuse(strings.TrimSuffix("HTTP/2 connection closed: "+said, ": "), w, 0)
}

// refuse journals the frames that came and the reason of the refusal.
func (s *h2Session) refuse(reason string, w h2Word, status int) {
	e := capture.Entry{Proto: "HTTP/2.0", Status: status, RequestBody: capture.Blob{Size: int64(w.came.size)}}
	if wrong := w.came.wrong(w.stream); wrong != "" {
		reason += ": " + wrong
	} else if w.word != "" {
		reason += " (" + w.word + ")"
	}
	e.Error = reason
	blocks, all := w.came.read()
	var h exchange.Header
	for _, f := range blocks.of(w.stream) {
		switch f.Name {
		case ":method":
			e.Method = f.Value
		case ":path":
			e.Target = f.Value
		case ":authority":
			e.Authority = f.Value
		default:
			h.Add(f.Name, f.Value)
		}
	}
	keepHead(&e, h)
	frames := w.came.frames
	if s.secret(blocks, all) {
		frames = withoutBlocks(frames)
	}
	came := string(frames)
	s.p.logRefused(s.cl, reason)
	s.p.journalRefused(s.cl, &e, came)
}

// secret reports whether header blocks have, or may have, a text that no capture may
// show.
// All says that these are all.
func (s *h2Session) secret(blocks h2Blocks, all bool) bool {
	if !all && (len(s.p.cfg.Hidden.texts()) > 0 || s.p.branch != nil) {
		return true
	}
	for _, b := range blocks {
		for _, f := range b.fields {
			if exchange.EqualName(f.Name, "Proxy-Authorization") || s.p.told(f.Name) != f.Name || s.p.told(f.Value) != f.Value {
				return true
			}
		}
	}
	return false
}
