package mock

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/access"
)

// NewFile returns a handler that answers with a file in dir or below. The file is
// opened for every request and streamed from disk.
//
// Status 0 means 200. A 200 has a strong ETag, Last-Modified and Accept-Ranges. The
// request's conditions and Range can change it to 304, 412, 206 or 416. An empty
// contentType is guessed by [ContentType]. The fields of h replace these header
// fields. If the file cannot be opened, the answer is 500 with a JSON error.
func NewFile(dir access.Dir, name string, status int, h exchange.Header, contentType string, delay time.Duration) exchange.Handler {
	return newFile(dir, name, status, h, contentType, delay, http.StatusInternalServerError)
}

// NewChosenFile is NewFile for a name that depends on the request. If the file cannot
// be opened, the answer is 404, as that of a file server.
func NewChosenFile(dir access.Dir, name string, status int, h exchange.Header, contentType string, delay time.Duration) exchange.Handler {
	return newFile(dir, name, status, h, contentType, delay, http.StatusNotFound)
}

func newFile(dir access.Dir, name string, status int, h exchange.Header, contentType string, delay time.Duration, missing int) *file {
	f := &file{dir: dir, name: name, status: status, header: h.Clone(), delay: delay, missing: missing}
	if f.status == 0 {
		f.status = http.StatusOK
	}
	if contentType == "" {
		contentType = ContentType(name)
	}
	if !h.Has("Content-Type") {
		f.header = append(exchange.HeaderOf("Content-Type", contentType), h...)
	}
	// The length is that of the file, not one that h has.
	f.header.Del("Content-Length")
	return f
}

type file struct {
	dir    access.Dir
	name   string
	status int
	header exchange.Header
	delay  time.Duration

	missing int // the status when it can't be opened
}

func (f *file) Respond(_ context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	res, err := f.answer(x.Request)
	if err != nil {
		err = fmt.Errorf("mock file %q: %w", f.name, err)
		res = exchange.JSON(f.missing, map[string]string{"error": "Mock file not found: " + f.name})
		if f.missing == http.StatusNotFound { // the device asked for it: no fault of the scenario
			x.Notes.Add("info", err.Error())
		} else {
			x.Notes.Add("error", err.Error())
			res.Err = err
		}
	}
	res.Origin, res.Delay = exchange.FromMock, f.delay
	return res, nil
}

func (f *file) answer(r *exchange.Request) (*exchange.Response, error) {
	opened, info, err := f.dir.Open(f.name)
	if err != nil {
		return nil, err
	}
	res := &exchange.Response{
		Status: f.status,
		Header: f.header.Clone(),
		Body:   &exchange.File{F: opened, N: info.Size()},
	}
	if f.status != http.StatusOK || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return res, nil
	}
	v := validators{etag: res.Header.Get("ETag"), modified: info.ModTime()}
	if v.etag == "" {
		v.etag = fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), info.Size())
		res.Header.Set("ETag", v.etag)
	}
	if given, err := http.ParseTime(res.Header.Get("Last-Modified")); err == nil {
		v.modified = given
	} else {
		res.Header.Set("Last-Modified", v.modified.UTC().Format(http.TimeFormat))
	}
	if !res.Header.Has("Accept-Ranges") {
		res.Header.Add("Accept-Ranges", "bytes")
	}
	if status := v.precondition(r.Header); status != 0 {
		opened.Close()
		res.Status, res.Body = status, nil
		res.Header.Del("Content-Type")
		res.Header.Del("Content-Encoding")
		return res, nil
	}
	if ranges := r.Header.Values("Range"); len(ranges) == 1 && v.inRange(r.Header) {
		cut(res, opened, info.Size(), ranges[0])
	}
	return res, nil
}

// cut changes a whole answer to the part that the Range header asks for.
func cut(res *exchange.Response, opened *os.File, size int64, header string) {
	ranges, err := parseRange(header, size)
	switch {
	case errors.Is(err, errUnsatisfiable):
		opened.Close()
		res.Status, res.Body = http.StatusRequestedRangeNotSatisfiable, nil
		res.Header.Set("Content-Range", "bytes */"+strconv.FormatInt(size, 10))
		res.Header.Del("Content-Type")
		res.Header.Del("Content-Encoding")
	case err != nil || len(ranges) == 0:
		// A Range header that makes no sense is ignored (RFC 9110 section 14.2).
	case len(ranges) == 1:
		res.Status = http.StatusPartialContent
		res.Header.Set("Content-Range", ranges[0].contentRange(size))
		res.Body = &exchange.File{F: opened, Off: ranges[0].off, N: ranges[0].n}
	default:
		body := newMultipart(opened, size, ranges, res.Header.Get("Content-Type"))
		res.Status = http.StatusPartialContent
		res.Header.Set("Content-Type", "multipart/byteranges; boundary="+body.boundary)
		res.Body = body
	}
}

// Interface guards.
var _ exchange.Handler = (*file)(nil)
