package flow

import (
	"net/http"
	"net/mail"
	"strings"
	"time"

	"starproxy/builtins/exchange"
)

// refresh adds d to the times of a response, as mitmproxy does: Date, Expires, Last-Modified
// and the expiry of cookies. A time that can't be read stays. A cookie with such a time
// loses it.
func refresh(h exchange.Header, d time.Duration) {
	for i := range h {
		switch f := &h[i]; strings.ToLower(f.Name) {
		case "date", "expires", "last-modified":
			if t, ok := parseTime(f.Value); ok {
				f.Value = t.Add(d).UTC().Format(http.TimeFormat)
			}
		case "set-cookie":
			f.Value = refreshCookie(f.Value, d)
		}
	}
}

// answered returns the time when a response was recorded. Without one, as in HAR documents
// of some programs, it returns its Date.
func answered(rec *Response, h exchange.Header) (at time.Time, known bool) {
	if !rec.Start.IsZero() {
		return rec.Start, true
	}
	return parseTime(h.Get("Date"))
}

// refreshCookie changes the expires attribute and nothing else.
func refreshCookie(cookie string, d time.Duration) string {
	if pair, _, _ := strings.Cut(cookie, ";"); !strings.Contains(pair, "=") {
		return cookie
	}
	var out []string
	for attr := range strings.SplitSeq(cookie, ";") {
		name, value, _ := strings.Cut(attr, "=")
		if len(out) > 0 && strings.EqualFold(strings.TrimSpace(name), "expires") {
			t, ok := parseTime(strings.TrimSpace(value))
			if !ok {
				continue
			}
			attr = name + "=" + t.Add(d).UTC().Format(http.TimeFormat)
		}
		out = append(out, attr)
	}
	return strings.Join(out, ";")
}

// parseTime reads a time of a header (RFC 9110 section 5.6.7), and the formats of mail
// programs and old servers.
func parseTime(s string) (time.Time, bool) {
	if t, err := http.ParseTime(s); err == nil {
		return t, true
	}
	if t, err := mail.ParseDate(s); err == nil {
		return t, true
	}
	for _, layout := range [...]string{"Mon, 02-Jan-2006 15:04:05 MST", "Mon, 02-Jan-06 15:04:05 MST"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
