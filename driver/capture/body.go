package capture

import (
	"bytes"
	"errors"
	"io"
	"os"

	"starproxy/builtins/disk"
	"starproxy/builtins/exchange"
)

// ErrNotKept says that a body passed through, but that nothing of it was kept
// or is there any more.
var ErrNotKept = errors.New("the body was not kept")

// OpenBody reads a body from where it is kept, still in its content encoding.
// A body that went from the spool is ErrNotKept.
func OpenBody(b Blob) (io.ReadCloser, error) {
	switch {
	case b.Data != nil || b.Size == 0:
		return io.NopCloser(bytes.NewReader(b.Data)), nil
	case b.Path == "":
		return nil, ErrNotKept
	}
	f, _, err := disk.Open(b.Path)
	if err != nil {
		if b.Spooled && errors.Is(err, os.ErrNotExist) {
			return nil, ErrNotKept
		}
		return nil, err
	}
	return &section{Reader: io.NewSectionReader(f, b.Off, b.Size), f: f}, nil
}

// section reads part of a file and closes it.
type section struct {
	io.Reader
	f *os.File
}

func (s *section) Close() error { return s.f.Close() }

// Missing says why not all of a body is there, empty when it is.
func (b Blob) Missing() string {
	switch {
	case b.Lost != "":
		return b.Lost
	case b.Truncated, b.Size > 0 && b.Data == nil && b.Path == "":
		return "it was larger than what was left for bodies when it came (capture.inline_bytes, capture.max_spool_bytes), or could not be written"
	}
	return ""
}

// Decoded reads a body with the content encodings of its header undone. It
// gives at most max bytes, and more says that there are more; so a small body
// that unfolds into a giant one does no harm. What could be read before an
// error is given with it.
func Decoded(h exchange.Header, b Blob, max int64) (data []byte, more bool, err error) {
	r, err := OpenDecoded(h, b)
	if err != nil {
		return nil, false, err
	}
	defer r.Close()
	var buf bytes.Buffer
	if b.Size < max && len(exchange.Encodings(h)) == 0 {
		buf.Grow(int(b.Size) + bytes.MinRead)
	}
	n, err := io.Copy(&buf, io.LimitReader(r, max+1))
	data = buf.Bytes()
	if n > max {
		return data[:max], true, nil
	}
	return data, false, err
}

// OpenDecoded is OpenBody with the content encodings of the header undone. It
// sets no bound to what comes out.
func OpenDecoded(h exchange.Header, b Blob) (io.ReadCloser, error) {
	body, err := OpenBody(b)
	if err != nil {
		return nil, err
	}
	if b.Size == 0 {
		return body, nil
	}
	r, err := exchange.NewDecoder(body, exchange.Encodings(h))
	if err != nil {
		body.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{r, body}, nil
}
