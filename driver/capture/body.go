package capture

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// ErrNotKept says that a body passed through, but that nothing of it was kept
// or is there any more.
var ErrNotKept = errors.New("the body was not kept")

// ErrEncoding says that a body has a content encoding that can't be undone here.
var ErrEncoding = errors.New("unknown content encoding")

// OpenBody reads a body from where it is kept, still in its content encoding.
// A body that went from the spool is ErrNotKept.
func OpenBody(b Blob) (io.ReadCloser, error) {
	switch {
	case b.Data != nil || b.Size == 0:
		return io.NopCloser(bytes.NewReader(b.Data)), nil
	case b.Path == "":
		return nil, ErrNotKept
	}
	f, err := os.Open(b.Path)
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

// Decoded reads a body with the content encodings of its header undone: gzip,
// deflate, br and zstd. It gives at most max bytes, and more says that there
// are more; so a small body that unfolds into a giant one does no harm. What
// could be read before an error is given with it.
func Decoded(h http.Header, b Blob, max int64) (data []byte, more bool, err error) {
	r, err := OpenDecoded(h, b)
	if err != nil {
		return nil, false, err
	}
	defer r.Close()
	var buf bytes.Buffer
	if b.Size < max && len(encodings(h)) == 0 {
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
func OpenDecoded(h http.Header, b Blob) (io.ReadCloser, error) {
	body, err := OpenBody(b)
	if err != nil {
		return nil, err
	}
	d := &decoder{Reader: body, closers: []io.Closer{body}}
	if b.Size == 0 {
		return d, nil
	}
	for _, name := range slices.Backward(encodings(h)) {
		if err := d.undo(name); err != nil {
			d.Close()
			return nil, err
		}
	}
	return d, nil
}

// encodings are the content encodings of a header in the order in which they
// were applied.
func encodings(h http.Header) []string {
	var list []string
	for _, v := range h["Content-Encoding"] {
		for name := range strings.SplitSeq(v, ",") {
			name = strings.ToLower(strings.TrimSpace(name))
			if name != "" && name != "identity" {
				list = append(list, name)
			}
		}
	}
	return list
}

// maxEncodings bounds how many encodings are undone one on top of the other.
const maxEncodings = 4

// decoder undoes one encoding after the other.
type decoder struct {
	io.Reader
	closers []io.Closer
}

func (d *decoder) undo(name string) error {
	if len(d.closers) > maxEncodings {
		return fmt.Errorf("%w: more than %d on top of each other", ErrEncoding, maxEncodings)
	}
	switch name {
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(d.Reader)
		if err != nil {
			return err
		}
		d.push(z, z)
	case "deflate":
		// The name stands for the zlib format, yet some send bare deflate.
		br := bufio.NewReader(d.Reader)
		head, _ := br.Peek(2)
		if len(head) == 2 && head[0]&0x0f == 8 && (uint(head[0])<<8|uint(head[1]))%31 == 0 {
			z, err := zlib.NewReader(br)
			if err != nil {
				return err
			}
			d.push(z, z)
			return nil
		}
		z := flate.NewReader(br)
		d.push(z, z)
	case "br":
		d.push(brotli.NewReader(d.Reader), io.NopCloser(nil))
	case "zstd":
		z, err := zstd.NewReader(d.Reader, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(16<<20))
		if err != nil {
			return err
		}
		c := z.IOReadCloser()
		d.push(c, c)
	default:
		return fmt.Errorf("%w %q", ErrEncoding, name)
	}
	return nil
}

func (d *decoder) push(r io.Reader, c io.Closer) {
	d.Reader = r
	d.closers = append(d.closers, c)
}

// Close closes the decoders and the body.
func (d *decoder) Close() error {
	var err error
	for _, c := range slices.Backward(d.closers) {
		err = c.Close()
	}
	return err
}
