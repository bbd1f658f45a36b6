package flow

import (
	"errors"
	"fmt"
	"io"

	"starproxy/driver/capture"
)

const (
	// format is the version that is written: the oldest one that has all our values. Each
	// mitmproxy since 8.1 reads it.
	format = "17"
	// maxWhole is the largest size of bodies from files that are copied into the record
	// before it is written, in bytes.
	maxWhole = 1 << 20
	// maxKept is the largest buffer that is kept for the next record, in bytes.
	maxKept = 4 << 20
)

// Writer writes a flow file, or appends to one.
type Writer struct {
	w       io.Writer
	e       encoder
	copy    []byte
	certs   map[string]bool
	written int64
	// unstored names the message of the last flow whose body was not kept and is not
	// written, "" for none.
	unstored string
}

// PartialError says that a record is incomplete. When the file is cut by Written bytes,
// writing can go on.
type PartialError struct {
	Written int64
	Err     error
}

func (e *PartialError) Error() string {
	return fmt.Sprintf("%v (%d bytes of the record are written)", e.Err, e.Written)
}

func (e *PartialError) Unwrap() error { return e.Err }

// NewWriter returns a writer of a flow file to w. It does not buffer records.
func NewWriter(w io.Writer) *Writer {
	return &Writer{w: w, certs: map[string]bool{}}
}

// Write writes a flow with a single Write to the underlying writer, unless it has large
// bodies in files, which are copied. Bodies that were truncated or are gone from the spool
// are written as not stored. After an error that is no *[PartialError], nothing was
// written.
func (w *Writer) Write(f *Flow) error {
	e := &w.e
	e.reset()
	bodies, err := openBodies(f)
	defer bodies.close()
	if err == nil {
		w.encode(f, bodies)
		err = e.err
	}
	if err == nil && e.n >= 1e12 {
		err = fmt.Errorf("a record of %d bytes is too large", e.n)
	}
	if err != nil {
		return fmt.Errorf("write flow %s %s: %w", f.Request.Method, f.Request.Path, err)
	}
	n, err := w.flush()
	w.written += n
	w.unstored = bodies.unstored
	switch {
	case err == nil:
		return nil
	case n == 0:
		return fmt.Errorf("write flow: %w", err)
	}
	return &PartialError{n, fmt.Errorf("write flow: %w", err)}
}

// messages returns the offset of the WebSocket's messages in the record that was written
// last, and their size in bytes.
func (w *Writer) messages() (at, n int64) { return w.e.n - w.e.messages, w.e.messages - w.e.after }

// flush writes the encoded bytes, with the bodies in their holes.
func (w *Writer) flush() (n int64, err error) {
	e := &w.e
	rest := e.buf[e.at:]
	put := func(p []byte) error {
		m, err := w.w.Write(p)
		n += int64(m)
		return err
	}
	for i := len(e.holes) - 1; i >= 0; i-- {
		h := &e.holes[i]
		split := len(rest) - h.left
		if err := put(rest[:split]); err != nil {
			return n, err
		}
		rest = rest[split:]
		if w.copy == nil {
			w.copy = make([]byte, window)
		}
		// Without this buffer, the copy would allocate one.
		m, err := io.CopyBuffer(struct{ io.Writer }{w.w}, io.LimitReader(h.body.r, h.body.Size), w.copy)
		n += m
		if err == nil && m < h.body.Size {
			err = fmt.Errorf("body %s: %d bytes, expected %d: %w", h.body.Path, m, h.body.Size, io.ErrUnexpectedEOF)
		}
		if err != nil {
			return n, err
		}
	}
	return n, put(rest)
}

// openBody is a body that is open when its bytes are not in memory.
type openBody struct {
	Body
	r io.ReadCloser
}

// flowBodies are the bodies of a flow.
type flowBodies struct {
	request, response openBody
	whole             bool   // bodies of files are copied into the record first
	unstored          string // see Writer.unstored
}

// openBodies opens the bodies of a flow, all before anything is written.
func openBodies(f *Flow) (b flowBodies, err error) {
	open := func(body Body, name string) (o openBody) {
		o.Body = body
		switch {
		case body.Missing || body.Truncated:
			o.Missing = true
		case body.Data != nil || body.Size == 0:
			o.Size = int64(len(body.Data))
		default:
			r, oerr := capture.OpenBody(body.Blob)
			switch {
			case errors.Is(oerr, capture.ErrNotKept):
				o.Missing = true
			case oerr != nil && err == nil:
				err = fmt.Errorf("body of the %s: %w", name, oerr)
			case oerr == nil:
				o.r = r
			}
		}
		return o
	}
	b.request = open(f.Request.Body, "request")
	if f.Response != nil {
		b.response = open(f.Response.Body, "response")
	}
	switch {
	case b.response.Missing && b.response.Size > 0:
		b.unstored = "response"
	case b.request.Missing && b.request.Size > 0:
		b.unstored = "request"
	}
	var size int64
	for _, o := range []openBody{b.request, b.response} {
		if o.r != nil {
			size += o.Size
		}
	}
	b.whole = size < maxWhole
	return b, err
}

func (b *flowBodies) close() {
	for _, o := range []openBody{b.request, b.response} {
		if o.r != nil {
			o.r.Close()
		}
	}
}

// body writes the content of a message.
func (e *encoder) body(b openBody, whole bool) {
	switch {
	case b.Missing:
		e.null()
		return
	case b.r == nil:
		e.tag(tagBytes)
		copy(e.room(len(b.Data)), b.Data)
	case whole:
		e.tag(tagBytes)
		if n, err := io.ReadFull(b.r, e.room(int(b.Size))); err != nil {
			e.fail(fmt.Errorf("body %s: %d bytes, expected %d: %w", b.Path, n, b.Size, err))
		}
	default:
		e.tag(tagBytes)
		e.holes = append(e.holes, hole{left: len(e.buf) - e.at, body: b})
		e.n += b.Size
	}
	e.length(b.Size)
}
