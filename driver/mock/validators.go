package mock

import (
	"net/http"
	"strings"
	"time"

	"starproxy/builtins/exchange"
)

// validators are the values of a file that a request's conditions are compared with
// (RFC 9110 section 13).
type validators struct {
	etag     string
	modified time.Time
}

// precondition evaluates the request's conditions in the order of RFC 9110 section
// 13.2.2. It returns the status 412 or 304, or 0 if the request is answered normally.
func (v validators) precondition(h exchange.Header) int {
	if list := h.Values("If-Match"); len(list) > 0 {
		if !anyTag(list, func(tag string) bool { return tag == "*" || strongMatch(tag, v.etag) }) {
			return http.StatusPreconditionFailed
		}
	} else if since, err := http.ParseTime(h.Get("If-Unmodified-Since")); err == nil && v.newer(since) {
		return http.StatusPreconditionFailed
	}
	if list := h.Values("If-None-Match"); len(list) > 0 {
		if anyTag(list, func(tag string) bool { return tag == "*" || weakMatch(tag, v.etag) }) {
			return http.StatusNotModified
		}
	} else if since, err := http.ParseTime(h.Get("If-Modified-Since")); err == nil && !v.newer(since) {
		return http.StatusNotModified
	}
	return 0
}

// inRange reports whether the Range header counts. It does not if If-Range does not
// fit.
func (v validators) inRange(h exchange.Header) bool {
	cond := strings.TrimSpace(h.Get("If-Range"))
	if cond == "" {
		return true
	}
	if strings.HasPrefix(cond, `"`) || strings.HasPrefix(cond, "W/") {
		return strongMatch(cond, v.etag)
	}
	t, err := http.ParseTime(cond)
	return err == nil && t.Equal(v.modified.Truncate(time.Second))
}

// newer compares whole seconds, because HTTP dates have no smaller unit.
func (v validators) newer(than time.Time) bool {
	return v.modified.Truncate(time.Second).After(than)
}

func strongMatch(a, b string) bool { return a == b && strings.HasPrefix(a, `"`) }

func weakMatch(a, b string) bool {
	return strings.TrimPrefix(a, "W/") == strings.TrimPrefix(b, "W/")
}

// anyTag reports whether fits returns true for one of the entity tags in the lists. A
// comma inside the quotes of a tag does not end the tag.
func anyTag(lists []string, fits func(string) bool) bool {
	for _, list := range lists {
		for list = strings.TrimLeft(list, " \t,"); list != ""; list = strings.TrimLeft(list, " \t,") {
			end := strings.IndexByte(list, ',')
			if open := strings.IndexByte(list, '"'); open >= 0 && (end < 0 || open < end) {
				closing := strings.IndexByte(list[open+1:], '"')
				if closing < 0 {
					break
				}
				end = open + 1 + closing + 1
			}
			if end < 0 {
				end = len(list)
			}
			if fits(strings.TrimRight(list[:end], " \t")) {
				return true
			}
			list = list[end:]
		}
	}
	return false
}
