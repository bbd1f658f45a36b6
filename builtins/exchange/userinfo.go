package exchange

import (
	"net/url"
	"regexp"
	"strings"
)

// HideUser returns s with "…" in the place of the user information of each URL or
// authority in it (RFC 3986 section 3.2.1), which may hold a password. s may be
// any text, such as the first line of a malformed request. Where it is unclear
// how far the user information goes, the longer text is hidden.
func HideUser(s string) string {
	if u, err := url.Parse(s); err == nil && u.Host != "" {
		if u.User == nil {
			return s // an @ in its path or query is no user
		}
		scheme, rest, _ := strings.Cut(s, "//")
		end := len(rest)
		if i := strings.IndexAny(rest, "/?#"); i >= 0 {
			end = i
		}
		return scheme + "//…" + rest[strings.LastIndexByte(rest[:end], '@'):]
	}
	return userInfo.ReplaceAllString(s, "$1…@")
}

// userInfo matches what stands before the last @ of a word and before its query:
// from behind // on, if that is in the word.
var userInfo = regexp.MustCompile(`(^|\s|//)(?:[^\s?#/]|/[^\s?#/])*@`)
