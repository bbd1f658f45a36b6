package exchange

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

const (
	// maxEncodings bounds how many encodings are undone on top of each other.
	maxEncodings = 4
	// maxWindow is what zstd may ask for: the 8 MiB that RFC 9659 allows on the web.
	maxWindow = 8 << 20
)

// Encodings returns the content encodings of a header in the order in which
// they were applied: lower case, without "identity", nil for none.
func Encodings(h Header) []string {
	var list []string
	for _, v := range h.Values("Content-Encoding") {
		for name := range strings.SplitSeq(v, ",") {
			name = strings.ToLower(strings.TrimSpace(name))
			if name != "" && name != "identity" {
				list = append(list, name)
			}
		}
	}
	return list
}

// IsEncoding reports whether a lower-case name is one that [NewDecoder] undoes.
func IsEncoding(name string) bool {
	switch name {
	case "gzip", "x-gzip", "deflate", "br", "zstd", "identity":
		return true
	}
	return false
}

// NewDecoder reads r with its encodings undone, the last one applied first:
// gzip, deflate (zlib, or bare as some send it), br and zstd. It begins to read
// r at once. What comes out is not bounded, so the caller bounds it; r stays
// the caller's to close, and there is nothing else to.
func NewDecoder(r io.Reader, encodings []string) (io.Reader, error) {
	if len(encodings) > maxEncodings {
		return nil, fmt.Errorf("content-encoding: got %d on top of each other, want at most %d", len(encodings), maxEncodings)
	}
	for _, name := range slices.Backward(encodings) {
		var err error
		switch name {
		case "identity":
		case "gzip", "x-gzip":
			r, err = gzip.NewReader(r)
		case "deflate":
			r, err = inflate(r)
		case "br":
			r = brotli.NewReader(r)
		case "zstd":
			// One at a time means no goroutines, so nothing to close, and no
			// buffers below means that nothing is unfolded ahead of its reader.
			r, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecodeBuffersBelow(0))
		default:
			err = fmt.Errorf("content-encoding %q: expected gzip, deflate, br or zstd", name)
		}
		if err != nil {
			return nil, err
		}
	}
	return r, nil
}

// inflate reads "deflate", which is zlib by RFC 9110 and bare deflate by what
// some servers send.
func inflate(r io.Reader) (io.Reader, error) {
	br := bufio.NewReader(r)
	if head, err := br.Peek(2); err == nil && head[0]&0x0f == 8 && (uint(head[0])<<8|uint(head[1]))%31 == 0 {
		return zlib.NewReader(br)
	}
	return flate.NewReader(br), nil
}

// Decode undoes the encodings of data, of which nothing is an empty body in
// any. With an error it gives what could be decoded; more than max bytes are an
// [ErrBodyTooLarge]. Without encodings the result is data itself, of any length.
func Decode(data []byte, encodings []string, max int) ([]byte, error) {
	if len(encodings) == 0 || len(data) == 0 {
		return data, nil
	}
	r, err := NewDecoder(bytes.NewReader(data), encodings)
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(io.LimitReader(r, int64(max)+1))
	if len(plain) > max {
		return plain[:max], fmt.Errorf("%w: more than %d bytes when decoded", ErrBodyTooLarge, max)
	}
	return plain, err
}
