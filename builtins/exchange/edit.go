package exchange

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"starproxy/builtins/excerpt"
)

// EditOf returns the edit of a part, none if it is as before. Of long texts it has the
// beginning, and of texts that begin alike their sizes.
func EditOf(by, side, part, before, after string) []Edit {
	if before == after {
		return nil
	}
	e := Edit{By: by, Side: side, Part: part, Before: excerpt.Cut(before, MaxEdited), After: excerpt.Cut(after, MaxEdited)}
	if e.Before == e.After {
		told := func(s string) string {
			return fmt.Sprintf("%d bytes, different after %d characters", len(s), MaxEdited)
		}
		e.Before, e.After = told(before), told(after)
	}
	return []Edit{e}
}

// Edited keeps edits. Of several ones of the same part by the same hand, one behind the
// other, it keeps what was before the first and after the last.
func (x *Exchange) Edited(edits ...Edit) {
	for _, e := range edits {
		if n := len(x.Edits) - 1; n >= 0 && x.Edits[n].By == e.By && x.Edits[n].Side == e.Side && x.Edits[n].Part == e.Part {
			x.Edits[n].After = e.After
			continue
		}
		if len(x.Edits) < maxEdits {
			x.Edits = append(x.Edits, e)
		}
	}
}

// maxEdits bounds the edits of an exchange.
const maxEdits = 20

// ByScript is who makes the edits of scripts.
const ByScript = "script"

// EditedRequest returns the edits of a request but for its body, which was as before.
func EditedRequest(by string, before, after *Request) []Edit {
	edits := EditedHeader(by, "request", before.Header, after.Header)
	if before.Method != after.Method {
		edits = append(edits, EditOf(by, "request", "method", before.Method, after.Method)...)
	}
	if before.Target != after.Target || before.Host != after.Host || before.Port != after.Port || before.Scheme != after.Scheme {
		edits = append(edits, EditOf(by, "request", "url", before.URL(), after.URL())...)
	}
	return edits
}

// EditedHeader returns the edit of a header, none if it is as before. Lines about the length
// of the body do not count.
func EditedHeader(by, side string, before, after Header) []Edit {
	if len(before) == len(after) && (len(before) == 0 || &before[0] == &after[0]) {
		return nil // as it mostly is
	}
	if slices.Equal(before.unframed(), after.unframed()) {
		return nil
	}
	return EditOf(by, side, "headers", before.Lines(), after.Lines())
}

// unframed returns the header without the lines about the length of the body.
func (h Header) unframed() Header {
	return slices.DeleteFunc(h.Clone(), func(f Field) bool { return IsFraming(f.Name) })
}

// Lines returns the header as text: lines of the form "Name: value".
func (h Header) Lines() string {
	var b strings.Builder
	for _, f := range h {
		b.WriteString(f.Name + ": " + f.Value + "\n")
	}
	return b.String()
}

// EditedText returns a body without its content encoding as it is told in an [Edit]: as
// text, or its size.
func EditedText(h Header, body []byte) string {
	text, _ := DecodeText(body, h.Get("Content-Type"))
	if !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
		return fmt.Sprintf("%d bytes that are no text", len(body))
	}
	return string(text)
}

// Unread is what an [Edit] has of a body that nobody has read before it was replaced.
const Unread = "(not read)"
