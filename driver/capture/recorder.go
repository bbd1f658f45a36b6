package capture

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"starproxy/builtins/exchange"
)

const (
	// inlineBinary is the size up to which a body that is not text stays in memory.
	inlineBinary = 64 << 10
	// spoolStep is how much of the spool's budget a growing body takes at once.
	spoolStep = 1 << 20
	// bufferSize is how much is gathered before it is written to a file.
	bufferSize = 32 << 10
)

// Recorder keeps a body while it passes by: in memory while that is small, in
// a spool file otherwise. One may write while another asks for the Blob.
type Recorder struct {
	j     *Journal
	url   string
	limit int // bytes that may stay in memory

	mu       sync.Mutex
	ended    bool
	size     int64 // bytes written, kept or not
	cut      bool  // no more is kept
	expected int   // bytes that the header announces, 0 if more than may stay in memory
	buf      []byte
	file     *spoolFile
	out      *os.File
	written  int64 // to out
	reserved int64 // of the spool's budget
	held     bool  // the file is for a recording, see Journal.Hold
}

// NewRecorder starts the record of a body that is announced by header and
// belongs to url. Nothing is allocated for it before the first Write.
func (j *Journal) NewRecorder(header exchange.Header, url string) *Recorder {
	r := &Recorder{j: j, url: url, limit: min(j.inline, inlineBinary), held: j.spool.holding.Load() > 0}
	if IsText(ContentType(header)) {
		r.limit = j.inline
	}
	if n, err := strconv.Atoi(header.Get("Content-Length")); err == nil && n > 0 && n <= r.limit {
		r.expected = n
	}
	return r
}

// Write records p. It never fails and never disturbs who sends the body: what
// can't be kept is counted, and the Blob says so.
func (r *Recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return len(p), nil
	}
	r.size += int64(len(p))
	if r.cut || len(p) == 0 {
		return len(p), nil
	}
	if r.out == nil {
		if len(r.buf)+len(p) <= r.limit {
			r.gather(p)
			return len(p), nil
		}
		if !r.spill() {
			r.gather(p[:r.limit-len(r.buf)])
			return len(p), nil
		}
	}
	if len(p) < bufferSize/2 && len(r.buf)+len(p) <= cap(r.buf) {
		r.buf = append(r.buf, p...)
	} else {
		r.flush()
		r.save(p)
	}
	return len(p), nil
}

// gather appends to the bytes in memory.
func (r *Recorder) gather(p []byte) {
	if r.buf == nil {
		r.buf = make([]byte, 0, max(r.expected, len(p)))
	}
	r.buf = append(r.buf, p...)
}

// spill goes over from memory to a file. On failure the body ends here.
func (r *Recorder) spill() bool {
	file, out, err := r.j.spool.create(r.url, r.held)
	if err != nil {
		if r.j.spool.home.root != "" {
			r.j.spool.fail(err)
		}
		r.cut = true
		return false
	}
	r.file, r.out = file, out
	if cap(r.buf) < bufferSize {
		r.buf = append(make([]byte, 0, bufferSize), r.buf...)
	}
	return true
}

// flush saves what is held back in memory.
func (r *Recorder) flush() {
	if len(r.buf) > 0 {
		r.save(r.buf)
		r.buf = r.buf[:0]
	}
}

// save writes p to the file, as far as the budget allows.
func (r *Recorder) save(p []byte) {
	if r.cut {
		return
	}
	if need := r.written + int64(len(p)) - r.reserved; need > 0 {
		n, err := r.j.spool.reserve(r.file, need, max(need, spoolStep))
		if err != nil {
			r.cut = true
			return
		}
		r.reserved += n
	}
	n, err := r.out.Write(p)
	r.written += int64(n)
	if err != nil {
		// The disk is full, or worse: a part is not worth the room.
		r.j.spool.fail(err)
		r.cut = true
		r.drop()
	}
}

// drop removes the file.
func (r *Recorder) drop() {
	if r.out != nil {
		r.out.Close()
		r.j.spool.finish(r.file, r.written)
		r.j.spool.release(r.file)
		r.out, r.file = nil, nil
	}
}

// Blob ends the record and tells where the body is kept.
func (r *Recorder) Blob() Blob {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := Blob{Size: r.size}
	if r.ended {
		b.Truncated = r.size > 0
		return b
	}
	r.ended = true
	if r.out != nil {
		r.flush()
	}
	if r.out != nil { // flushing may have failed
		if err := trim(r.out, r.written); err != nil {
			r.j.spool.fail(err)
			r.cut = true
		}
		r.j.spool.finish(r.file, r.written)
		b.Path, b.Spooled = r.file.path, true
		r.buf = r.buf[:0]
	}
	b.Truncated = r.cut
	if len(r.buf) > 0 {
		b.Data = r.buf
		if cap(r.buf)-len(r.buf) > len(r.buf)/3 {
			b.Data = append(make([]byte, 0, len(r.buf)), r.buf...)
		}
	}
	r.buf = nil
	return b
}

// Discard ends the record and keeps nothing.
func (r *Recorder) Discard() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return
	}
	r.ended = true
	r.drop()
	r.buf = nil
}

// StoredBlob refers to a body that stays available by itself: nothing is copied.
func StoredBlob(b exchange.Stored) Blob {
	data, path, off, n := b.Stored()
	if path == "" {
		n = int64(len(data))
	}
	return Blob{Size: n, Data: data, Path: path, Off: off}
}

// ContentType is the bare type of a header, lower case, without parameters.
func ContentType(h exchange.Header) string {
	bare, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(bare))
}

// ReadText reads a body as text, see [exchange.DecodeText]. ok is false for one
// that is no text by its type, nor by its bytes.
func ReadText(data []byte, h exchange.Header) (text []byte, charset string, ok bool) {
	text, charset = exchange.DecodeText(data, h.Get("Content-Type"))
	if IsText(ContentType(h)) {
		return text, charset, true
	}
	odd := bytes.IndexByte(text, 0) >= 0 || charset != "" && bytes.ContainsRune(text, utf8.RuneError)
	return text, charset, charset != exchange.Latin1 && !odd
}

// IsText tells whether captures show bodies of a bare, lower-case content type
// as text.
func IsText(contentType string) bool {
	return strings.HasPrefix(contentType, "text/") ||
		strings.HasPrefix(contentType, "application/json") ||
		strings.HasPrefix(contentType, "application/xml") ||
		strings.HasPrefix(contentType, "application/javascript") ||
		contentType == "application/x-www-form-urlencoded" ||
		strings.HasSuffix(contentType, "+json") || strings.HasSuffix(contentType, "+xml")
}
