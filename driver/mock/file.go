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

// NewFile answers with a file in dir or below, opened anew for every request and
// streamed from disk.
//
// Status 0 is 200. A 200 carries a strong ETag, Last-Modified and Accept-Ranges,
// and is a 304, 412, 206 or 416 where the request's conditions and Range ask for
// it. An empty contentType is guessed by [ContentType]; h goes over all of these.
// What can't be opened is answered with 500 and a JSON error.
func NewFile(dir access.Dir, name string, status int, h exchange.Header, contentType string, delay time.Duration) exchange.Handler {
	return newFile(dir, name, status, h, contentType, delay, http.StatusInternalServerError)
}

// NewChosenFile is NewFile for a name that the request has a say in: what can't
// be opened is answered with 404, as a server of files does.
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
	// It is the file's, whatever was written.
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
		if f.missing == http.StatusNotFound { // the device's doing, not the scenario's
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

// cut makes a whole answer a partial one, as the Range header says.
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
