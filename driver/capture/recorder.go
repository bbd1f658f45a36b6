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
	// inlineBinary is the largest body that stays in memory if it is no text, in bytes.
	inlineBinary = 64 << 10
	// spoolStep is how much of the spool's budget a growing body reserves at once, in
	// bytes.
	spoolStep = 1 << 20
	// bufferSize is how much is gathered before it is written to a file.
	bufferSize = 32 << 10
)

// Recorder keeps a body while it is sent: in memory while it is small, else in a spool
// file. One goroutine may write while another one calls Blob.
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

// NewRecorder starts the record of a body with the given header and URL. It allocates no
// buffer before the first Write.
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

// Write records p. It never fails, so that the transfer of the body goes on. Bytes that
// can't be kept are counted, and the Blob is truncated.
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

// spill continues the record in a file. It reports whether that works. If not, no more
// bytes are kept.
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

// flush writes the bytes in memory to the file.
func (r *Recorder) flush() {
	if len(r.buf) > 0 {
		r.save(r.buf)
		r.buf = r.buf[:0]
	}
}

// save writes p to the file, unless the budget is used up.
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
		// The disk is full, for instance. Part of a body is not worth its space.
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

// Blob ends the record and returns the body.
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

// Discard ends the record and removes the body.
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

// StoredBlob returns a Blob that refers to a stored body. It copies nothing.
func StoredBlob(b exchange.Stored) Blob {
	data, path, off, n := b.Stored()
	if path == "" {
		n = int64(len(data))
	}
	return Blob{Size: n, Data: data, Path: path, Off: off}
}

// ContentType returns the content type of a header in lower case, without parameters.
func ContentType(h exchange.Header) string {
	bare, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(bare))
}

// ReadText decodes a body as text, see [exchange.DecodeText]. ok is false for a body that
// is no text by its type or by its bytes.
func ReadText(data []byte, h exchange.Header) (text []byte, charset string, ok bool) {
	text, charset = exchange.DecodeText(data, h.Get("Content-Type"))
	if IsText(ContentType(h)) {
		return text, charset, true
	}
	odd := bytes.IndexByte(text, 0) >= 0 || charset != "" && bytes.ContainsRune(text, utf8.RuneError)
	return text, charset, charset != exchange.Latin1 && !odd
}

// IsText reports whether captures show bodies of a content type as text. The type must be
// as [ContentType] returns it.
func IsText(contentType string) bool {
	return strings.HasPrefix(contentType, "text/") ||
		strings.HasPrefix(contentType, "application/json") ||
		strings.HasPrefix(contentType, "application/xml") ||
		strings.HasPrefix(contentType, "application/javascript") ||
		contentType == "application/x-www-form-urlencoded" ||
		strings.HasSuffix(contentType, "+json") || strings.HasSuffix(contentType, "+xml")
}
