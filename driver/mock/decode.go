package mock

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

// isCoding names what [Decode] undoes.
func isCoding(name string) bool {
	switch name {
	case "gzip", "x-gzip", "deflate", "br", "zstd", "identity":
		return true
	}
	return false
}

// Decode undoes the values of a Content-Encoding header, the last one applied
// first: gzip, deflate, br and zstd. What comes out is not bounded; the caller
// bounds it.
func Decode(r io.Reader, encodings []string) (io.Reader, error) {
	list := strings.Split(strings.Join(encodings, ","), ",")
	for _, name := range slices.Backward(list) {
		var err error
		switch name = strings.ToLower(strings.TrimSpace(name)); name {
		case "", "identity":
		case "gzip", "x-gzip":
			r, err = gzip.NewReader(r)
		case "deflate":
			r, err = inflate(r)
		case "br":
			r = brotli.NewReader(r)
		case "zstd":
			// One at a time means no goroutines, so nothing to close; 8 MiB is
			// the window that RFC 9659 allows on the web.
			r, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20))
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

// decodeAll decodes data that is in memory. With an error it gives what could
// be decoded; more than max bytes is an error.
func decodeAll(data []byte, encodings []string, max int64) ([]byte, error) {
	if len(encodings) == 0 {
		return data, nil
	}
	r, err := Decode(bytes.NewReader(data), encodings)
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(io.LimitReader(r, max+1))
	if int64(len(plain)) > max {
		return plain[:max], fmt.Errorf("larger than %d bytes when decoded", max)
	}
	return plain, err
}
