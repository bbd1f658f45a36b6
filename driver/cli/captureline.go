package cli

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/rivo/uniseg"

	"starproxy/driver/capture"
)

// captureLines lays out captured exchanges for a terminal: the columns of a fixed width first,
// then where the request went and who answered it.
type captureLines struct {
	lineFormat
	number int // columns of the number
}

// Widths of a terminal from which on a line has all columns, and one line is enough.
const (
	allColumns = 100
	oneLiner   = 72
)

// minNumber is the least width of the column of numbers.
const minNumber = 4

// lines returns the one or two lines of an exchange.
func (l captureLines) lines(r requestRow) []string {
	seq := "-"
	switch {
	case r.State != "":
		seq = "@" + strconv.FormatUint(r.Live, 10)
	case r.Seq != 0:
		seq = strconv.FormatUint(r.Seq, 10)
	}
	columns := []string{
		l.paint(right(seq, l.number), grey), l.paint(clockTime(r.Start, l.zone), grey), l.bold(fit(l.method(r), 7), methodColour(r.Method)),
	}
	room := l.width - (l.number + 1 + 8 + 1 + 7 + 1)
	if l.width >= allColumns || r.Status != 0 || r.Error == "" { // else the cause needs the place
		columns, room = append(columns, l.status(number(cmp.Or(r.Status, r.SentStatus)))), room-4
		if l.width >= allColumns {
			columns, room = append(columns, l.paint(right(r.took(), 7), grey)), room-8
		}
		columns, room = append(columns, l.paint(right(byteSize(float64(r.Size)), 8), grey)), room-9
	}
	tag, colour := r.tag()
	if l.width < oneLiner {
		columns = append(columns, l.paint(bracketed(tag, max(room, minColumn)), colour))
		indent := strings.Repeat(" ", l.number+1)
		return []string{strings.Join(columns, " "), indent + whereTo(r.host(), r.Path, max(l.width-len(indent), minPath))}
	}
	where := min(textWidth(printable(r.host()+r.Path)), room*2/5)
	shown := bracketed(tag, max(room-1-where, 13))
	where = room - 1 - textWidth(shown)
	return []string{strings.Join(append(columns, left(whereTo(r.host(), r.Path, where), where), l.paint(shown, colour)), " ")}
}

// took returns the duration.
func (r requestRow) took() string {
	if r.Open {
		return "open"
	}
	return duration(r.Duration)
}

// method returns the method, or what came in the place of a request.
func (captureLines) method(r requestRow) string {
	switch r.Kind {
	case "tcp":
		return "TCP"
	case "refused":
		return "REFUSED"
	case "tls_error":
		return "TLS"
	}
	return r.Method
}

// tag returns who answered, or why nobody did, and the colour of that.
func (r requestRow) tag() (text string, c colour) {
	fault, isFault := strings.CutPrefix(r.Error, "fault: ")
	switch {
	case r.State != "":
		return r.State, cyan
	case r.Kind == "tls_error":
		return strings.TrimSuffix("tls error: "+reason(r.Error), ": "), red
	case r.Kind == "refused":
		return strings.TrimSuffix("refused: "+r.Error, ": "), red
	case isFault:
		return "fault: " + fault, yellow
	case r.Unmatched && r.Outcome == "rejected":
		return "unmatched", red
	case r.Error == capture.CutOff:
		return r.Error, yellow
	case strings.HasPrefix(r.Error, "the device "): // it went away, whatever the server does
		return r.Error, red
	case r.Error != "" && r.Status == 0 && r.SentStatus != 0, r.Error != "" && r.Kind == "tcp":
		return "real server: " + reason(r.Error), red
	case r.Error != "":
		return reason(r.Error), red
	}
	switch r.Origin {
	case "proxy":
		return r.Origin, red
	case "patched":
		return r.Origin, yellow
	case "mocked", "replayed":
		return r.Origin, green
	}
	return cmp.Or(r.Origin, "passthrough"), grey
}

// reason returns the part of an error's text that tells the reason: addresses and the steps of
// the network before it are left out.
func reason(text string) string {
	if _, why, found := strings.Cut(text, "x509: "); found {
		return why
	}
	return cause(text)
}

// bracketed returns a text in brackets in at most width columns.
func bracketed(text string, width int) string { return "[" + cut(text, max(width-2, 1)) + "]" }

// whereTo returns host and path in at most width columns. The host stays whole as long as it
// leaves some columns, and so does the end of the path; a query goes first.
func whereTo(host, path string, width int) string {
	host, path = printable(host), printable(path)
	if textWidth(host+path) <= width {
		return host + path
	}
	if bare, _, query := strings.Cut(path, "?"); query && textWidth(host+bare)+2 <= width {
		return host + bare + "?…"
	}
	room := width - textWidth(host)
	if least := min(12, textWidth(path)); room < least {
		host = cut(host, max(width-least, width/2))
		room = width - textWidth(host)
	}
	path, _, _ = strings.Cut(path, "?")
	if bare, shortened := strings.CutSuffix(host, "…"); shortened && textWidth(path) > room {
		return bare + tail(path, room+1) // one ellipsis for both
	}
	return host + tail(path, room)
}

// tail returns the end of s in at most width columns, "…" before it if it was longer.
func tail(s string, width int) string {
	if textWidth(s) <= width {
		return s
	}
	var parts []string
	for g := uniseg.NewGraphemes(s); g.Next(); {
		parts = append(parts, g.Str())
	}
	begin, taken := len(parts), 1
	for begin > 0 && taken+textWidth(parts[begin-1]) <= width {
		begin--
		taken += textWidth(parts[begin])
	}
	return "…" + strings.Join(parts[begin:], "")
}

// more returns what a list of Python's j has no column for: number, host, and why nobody
// answered.
func (r requestRow) more() string {
	text := ""
	if r.State != "" {
		text = fmt.Sprintf("  @%d", r.Live)
	} else if r.Seq != 0 {
		text = fmt.Sprintf("  #%d", r.Seq)
	}
	text += strings.TrimRight("  "+printable(r.host()), " ")
	if tag, _ := r.tag(); r.Error != "" || r.State != "" {
		text += "  " + bracketed(tag, maxCause)
	}
	return text
}

// maxCause bounds a reason behind a line, in columns.
const maxCause = 120
