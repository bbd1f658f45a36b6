package capture

import (
	"bytes"
	"errors"
	"io"
	"os"

	"starproxy/builtins/disk"
	"starproxy/builtins/exchange"
)

// ErrNotKept says that a body passed through, but was not kept or has been removed.
var ErrNotKept = errors.New("the body was not kept")

// OpenBody opens a body where it is kept, still in its content encoding. The error is
// ErrNotKept for a body that is no longer in the spool.
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

// section reads part of a file. Close closes the file.
type section struct {
	io.Reader
	f *os.File
}

func (s *section) Close() error { return s.f.Close() }

// Missing returns the reason why a body is not complete, "" when it is.
func (b Blob) Missing() string {
	switch {
	case b.Lost != "":
		return b.Lost
	case b.Truncated, b.Size > 0 && b.Data == nil && b.Path == "":
		return "it was larger than what was left for bodies when it came (capture.inline_bytes, capture.max_spool_bytes), or " +
			"could not be written"
	}
	return ""
}

// Decoded reads a body with the content encodings of its header undone. It returns at
// most max bytes, so a small body that decodes to a giant one does no harm. more
// reports whether there are more bytes. With an error it returns the bytes before it.
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

// OpenDecoded is OpenBody with the content encodings of the header undone. The number
// of bytes is not limited.
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
