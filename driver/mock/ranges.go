package mock

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"starproxy/builtins/exchange"
)

// maxRanges is the largest number of parts in one answer. A request for more gets the
// whole file.
const maxRanges = 200

var (
	errUnsatisfiable = errors.New("range not satisfiable")
	errBadRange      = errors.New("not a byte range")
)

// byteRange is a section of a file, never empty.
type byteRange struct{ off, n int64 }

func (r byteRange) contentRange(size int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", r.off, r.off+r.n-1, size)
}

// parseRange reads a Range header (RFC 9110 section 14.2). It leaves out ranges
// beyond the end of the file. If none is left, the error is errUnsatisfiable. If it
// returns neither ranges nor an error, the whole file is sent: the file is empty, or
// the ranges would be longer than the file.
func parseRange(header string, size int64) ([]byteRange, error) {
	unit, set, ok := strings.Cut(header, "=")
	if !ok || !strings.EqualFold(strings.TrimSpace(unit), "bytes") {
		return nil, errBadRange
	}
	var ranges []byteRange
	var total int64
	specs := 0
	for spec := range strings.SplitSeq(set, ",") {
		spec = strings.Trim(spec, " \t")
		if spec == "" {
			continue
		}
		if specs++; specs > maxRanges {
			return nil, nil
		}
		r, err := parseSpec(spec, size)
		if err != nil {
			return nil, err
		}
		if r.n > 0 {
			ranges = append(ranges, r)
			total += r.n
		}
	}
	switch {
	case specs == 0:
		return nil, errBadRange
	case size == 0 || len(ranges) > 1 && total > size:
		return nil, nil
	case len(ranges) == 0:
		return nil, errUnsatisfiable
	}
	return ranges, nil
}

// parseSpec reads "first-last", "first-" or "-length". If the range is beyond the end
// of the file, its n is 0.
func parseSpec(spec string, size int64) (byteRange, error) {
	first, last, ok := strings.Cut(spec, "-")
	if !ok {
		return byteRange{}, errBadRange
	}
	if first == "" {
		n, err := parseOffset(last)
		if err != nil {
			return byteRange{}, err
		}
		n = min(n, size)
		return byteRange{size - n, n}, nil
	}
	from, err := parseOffset(first)
	if err != nil {
		return byteRange{}, err
	}
	to := size - 1
	if last != "" {
		if to, err = parseOffset(last); err != nil {
			return byteRange{}, err
		}
		if to < from {
			return byteRange{}, errBadRange
		}
		to = min(to, size-1)
	}
	if from >= size {
		return byteRange{}, nil
	}
	return byteRange{from, to - from + 1}, nil
}

// parseOffset reads a decimal number. A number beyond int64 becomes the largest
// int64.
func parseOffset(digits string) (int64, error) {
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, errBadRange
	}
	n, _ := strconv.ParseInt(digits, 10, 64) // out of range: the largest
	return n, nil
}

// multipart is a multipart/byteranges body (RFC 9110 section 14.6): sections of
// one file. There is a line end before every boundary, also before the first one.
// nginx and Apache send it, and some clients, such as zsync, need it. A multipart is
// for one response. The proxy calls Close.
type multipart struct {
	f        *os.File
	boundary string
	heads    []string // the boundary and the header before each section
	ranges   []byteRange
	tail     string
}

func newMultipart(f *os.File, size int64, ranges []byteRange, contentType string) *multipart {
	m := &multipart{f: f, boundary: rand.Text(), ranges: ranges}
	for _, r := range ranges {
		m.heads = append(m.heads, fmt.Sprintf("\r\n--%s\r\nContent-Type: %s\r\nContent-Range: %s\r\n\r\n", m.boundary, contentType,
			r.contentRange(size)))
	}
	m.tail = "\r\n--" + m.boundary + "--\r\n"
	return m
}

// SendTo sends the parts one after the other.
func (m *multipart) SendTo(ctx context.Context, c exchange.Conn) error {
	for i, r := range m.ranges {
		if _, err := io.WriteString(c, m.heads[i]); err != nil {
			return err
		}
		section := exchange.File{F: m.f, Off: r.off, N: r.n}
		if err := section.SendTo(ctx, c); err != nil {
			return err
		}
	}
	_, err := io.WriteString(c, m.tail)
	return err
}

// Size returns the length of the whole body, with the headers of the parts.
func (m *multipart) Size() int64 {
	n := int64(len(m.tail))
	for i, r := range m.ranges {
		n += int64(len(m.heads[i])) + r.n
	}
	return n
}

// Close closes the file.
func (m *multipart) Close() error { return m.f.Close() }

// Interface guards.
var (
	_ exchange.Body  = (*multipart)(nil)
	_ exchange.Sized = (*multipart)(nil)
	_ io.Closer      = (*multipart)(nil)
)
