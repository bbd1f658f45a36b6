package expect

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"starproxy/driver/capture"
)

// validators checks that conditional requests follow answers that allow them.
func (c *check) validators(requests []*capture.Entry) {
	if !c.Conditional {
		return
	}
	judged := false
	for _, group := range grouped(requests, sameRequest) {
		var known *capture.Entry // has the ETag or Last-Modified that the device knows
		for _, e := range group {
			if known != nil && e.Method == http.MethodGet && !e.RequestHeader.Has("Range") {
				judged = true
				if text := noCondition(known, e); text != "" {
					c.fail([]*capture.Entry{known, e}, "%s", text)
				}
			}
			valid := e.ResponseHeader.Has("ETag") || e.ResponseHeader.Has("Last-Modified")
			switch {
			case failed(e) || e.ResponseHeader.HasToken("Cache-Control", "no-store"):
			case e.Status == http.StatusOK && !valid:
				known = nil
			case e.Status == http.StatusOK, e.Status == http.StatusNotModified && e.ResponseHeader.Has("ETag"):
				known = e
			}
		}
	}
	if !judged {
		c.lack(requests, "conditional requests can't be judged: no request follows an answer with ETag or Last-Modified")
	}
}

// noCondition returns in words which condition a request lacks, empty for none.
func noCondition(known, e *capture.Entry) string {
	if tag := known.ResponseHeader.Get("ETag"); tag != "" {
		got := e.RequestHeader.Joined("If-None-Match")
		if got == "*" || strings.Contains(got, strings.TrimPrefix(tag, "W/")) {
			return ""
		}
		return fmt.Sprintf("got %s, want If-None-Match: %s", conditionText("If-None-Match", got), tag)
	}
	date, got := known.ResponseHeader.Get("Last-Modified"), e.RequestHeader.Get("If-Modified-Since")
	since, err := http.ParseTime(got)
	modified, _ := http.ParseTime(date)
	if got == date || err == nil && !since.Before(modified) {
		return ""
	}
	return fmt.Sprintf("got %s, want If-Modified-Since: %s", conditionText("If-Modified-Since", got), date)
}

func conditionText(name, value string) string {
	if value == "" {
		return "no condition"
	}
	return name + ": " + value
}

// downloads checks that broken downloads are resumed.
func (c *check) downloads(requests []*capture.Entry) {
	if !c.Resumes {
		return
	}
	broke, judged := false, false
	for _, group := range grouped(requests, sameRequest) {
		var last *capture.Entry // the download that broke off
		had := int64(0)         // the bytes that the device has at most
		for _, e := range group {
			if last != nil {
				judged = true
				if from, ok := asksFrom(e); !ok || from == 0 || from > had {
					c.fail([]*capture.Entry{last, e}, "got %s, want Range: bytes=%d- after a download broke off there", rangeText(e), had)
				}
			}
			switch got := rangeStart(e) + e.ResponseBody.Size; {
			case e.Method != http.MethodGet || e.Status != http.StatusOK && e.Status != http.StatusPartialContent:
			case !brokeOff(e) || strings.EqualFold(e.ResponseHeader.Get("Accept-Ranges"), "none"):
				last, had = nil, 0
			case got > 0:
				broke, last, had = true, e, max(had, got)
			}
		}
		if last != nil && last == group[len(group)-1] {
			c.lack([]*capture.Entry{last}, "got no request after a download broke off at byte %d, want one for the rest", had)
		}
	}
	if !broke && !judged {
		c.lack(requests, "resumed downloads can't be judged: no download of a selected request broke off")
	}
}

// brokeOff reports whether a part of the answer did not come.
func brokeOff(e *capture.Entry) bool {
	length, err := strconv.ParseInt(e.ResponseHeader.Get("Content-Length"), 10, 64)
	return e.ResponseBody.Partial || e.Error != "" || err == nil && e.ResponseBody.Size < length
}

// asksFrom returns the first byte that a request asks for by Range (RFC 9110 section
// 14.2).
func asksFrom(e *capture.Entry) (int64, bool) {
	unit, ranges, _ := strings.Cut(e.RequestHeader.Get("Range"), "=")
	first, _, _ := strings.Cut(ranges, "-")
	n, err := strconv.ParseInt(strings.TrimSpace(first), 10, 64)
	return n, err == nil && strings.EqualFold(strings.TrimSpace(unit), "bytes")
}

// rangeStart returns the first byte that a response has.
func rangeStart(e *capture.Entry) int64 {
	if e.Status == http.StatusPartialContent {
		if n, ok := asksFrom(e); ok {
			return n
		}
	}
	return 0
}

func rangeText(e *capture.Entry) string {
	if v := e.RequestHeader.Get("Range"); v != "" {
		return "Range: " + v
	}
	return "no Range"
}
