package flow

import (
	"net/http"
	"strconv"
	"strings"

	"starproxy/builtins/exchange"
)

// brokeOff reports whether the response of a flow broke off before its body had ended. It
// returns the length that the response had announced, -1 for none.
func brokeOff(method string, f *Flow) (bool, int64) {
	r := f.Response
	if exchange.Bodiless(method, r.Status) {
		return false, 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(r.Header.Get("Content-Length")), 10, 64)
	if err != nil || n < 0 || r.Header.Get("Transfer-Encoding") != "" {
		n = -1
	}
	switch {
	case f.Metadata[bodyKey] == bodyPartial:
	case f.Error == nil, n >= 0 && r.Body.Size >= n && !r.Body.Missing:
		return false, 0
	}
	if r.Body.Size >= n {
		n = -1 // with that length the body would look complete
	}
	return true, n
}

// spanOf returns the range of a request in one spelling, if the response is for that range
// alone, else "". Two requests with different spans are different.
func spanOf(f *Flow) string {
	switch f.Response.Status {
	case http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable:
	default:
		return ""
	}
	if f.Request.Header.Has("Range") {
		return span(f.Request.Header.Get("Range"))
	}
	// The request was recorded without its header. The response has the range.
	unit, rest, _ := strings.Cut(f.Response.Header.Get("Content-Range"), " ")
	section, _, _ := strings.Cut(rest, "/")
	return span(unit + "=" + section)
}

// span returns the value of a Range header in one spelling (RFC 9110 section 14.2).
func span(value string) string {
	return strings.ToLower(strings.Join(strings.Fields(value), ""))
}
