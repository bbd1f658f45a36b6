package cli

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
)

// event is the part of a capture event that a line shows.
type event struct {
	Timestamp float64     `json:"timestamp"` // seconds since 1970
	Method    string      `json:"method"`
	Path      string      `json:"path"` // with query
	Status    json.Number `json:"response_status"`
	Duration  float64     `json:"duration_ms"`
	Size      float64     `json:"response_size"` // bytes
	Mocked    bool        `json:"was_mocked"`
	Patched   bool        `json:"was_patched"`
	Origin    string      `json:"origin"` // ours: who made the answer
	Seq       uint64      `json:"seq"`    // ours, too
	Endpoint  string      `json:"endpoint"`
	URL       string      `json:"url"`
	// EarlierOmitted counts the events that did not fit into the message before this one.
	EarlierOmitted uint64 `json:"earlier_events_omitted"`
	// Kind is "tls_error" for a handshake that a device broke off, Alert the
	// reason; "tcp" is a stream, Failure the reason why it has none or broke off;
	// "refused" is a request that the proxy refused, Failure the reason. A Python
	// exporter sends none of them.
	Kind    string `json:"kind"`
	Alert   string `json:"alert"`
	Failure string `json:"failure"`

	// failed is the reason why a request has no answer, for lines that tell it;
	// those of Python's j do not.
	failed string
	// unmatched is the outcome of a request that no mock answers; lines for
	// which that is known set it.
	unmatched string
}

// tlsError says that there was no request: the device did not trust the CA, or
// the handshake failed otherwise.
func (e event) tlsError() bool { return e.Kind == "tls_error" }

// refused says that the proxy did not serve the request.
func (e event) refused() bool { return e.Kind == "refused" }

// lineFormat lays out capture lines.
type lineFormat struct {
	palette
	// width is the number of columns of the whole line.
	width int
	// zone is the time zone of the clock column.
	zone *time.Location
}

// The columns beside the path: indent 2, clock 8, method 7, status 3,
// duration 7, size 8, tag 13 and a blank between each two.
const (
	fixedColumns = 2 + 8 + 7 + 3 + 7 + 8 + 13 + 6
	minPath      = 20
	// resultColumns are status, duration and size with their blanks.
	resultColumns = 3 + 7 + 8 + 3
)

// clockTime returns a time in seconds since 1970 as lists show it.
func clockTime(seconds float64, zone *time.Location) string {
	if seconds == 0 {
		return "--:--:--"
	}
	sec, frac := math.Modf(seconds)
	return time.Unix(int64(sec), int64(frac*1e9)).In(zone).Format(time.TimeOnly)
}

// line returns the line of one event; every column but the path has a fixed
// width.
func (f lineFormat) line(e event) string {
	width := max(f.width-fixedColumns, minPath)
	columns := []string{" " + f.paint(clockTime(e.Timestamp, f.zone), grey), f.bold(left(printable(e.Method), 7), methodColour(e.Method))}
	if e.tlsError() && e.Alert != "" {
		// There was no request, so the columns of its answer are free.
		text := told(e.Alert, strings.TrimSuffix(e.Path, ":443"), width+resultColumns)
		return " " + strings.Join(append(columns, text, f.tag(e)), " ")
	}
	if e.refused() {
		text := strings.TrimSuffix(e.Failure+": "+e.Path, ": ")
		return " " + strings.Join(append(columns, fit(text, width+resultColumns), f.tag(e)), " ")
	}
	path, failure := fit(e.Path, width), e.failed
	if e.Kind == "tcp" {
		failure = e.Failure
	}
	if failure != "" {
		path = told(failure, e.Path, width)
	}
	columns = append(columns,
		path,
		f.status(e.Status),
		f.paint(right(duration(e.Duration), 7), grey),
		f.paint(right(byteSize(e.Size), 8), grey),
		f.tag(e),
	)
	return " " + strings.Join(columns, " ")
}

// told returns a failure and the path in exactly width columns, the cause first. A
// narrow line has the short form of the cause.
func told(failure, path string, width int) string {
	text := failure + ": " + path
	if textWidth(text) > width {
		text = cause(failure) + ": " + path
	}
	return fit(text, width)
}

// cause returns the shortest part of a failure's text that has the reason. Texts about
// devices begin with it; those of the network, which begin with addresses, end
// with it.
func cause(failure string) string {
	if strings.HasPrefix(failure, "device ") || strings.HasPrefix(failure, "the ") {
		first, _, _ := strings.Cut(failure, ": ")
		return first
	}
	return strings.TrimSpace(failure[strings.LastIndex(failure, ": ")+1:])
}

// status returns the status column, coloured by its class.
func (f lineFormat) status(n json.Number) string {
	code, err := n.Int64()
	if err != nil || code == 0 {
		return f.paint("  -", grey)
	}
	text := right(n.String(), 3)
	switch {
	case code >= 500:
		return f.bold(text, red)
	case code >= 400:
		return f.paint(text, yellow)
	case code >= 300:
		return f.paint(text, cyan)
	case code >= 200:
		return f.paint(text, green)
	}
	return f.paint(text, white)
}

// tag returns the last column: where the answer came from.
func (f lineFormat) tag(e event) string {
	switch {
	case e.unmatched == "forwarded":
		return f.bold(left("[unmatched]", 13), yellow)
	case e.unmatched != "":
		return f.bold(left("[unmatched]", 13), red)
	case e.tlsError():
		return f.paint(left("[tls error]", 13), red)
	case e.refused():
		return f.paint(left("[refused]", 13), red)
	case e.Patched:
		return f.paint(left("[patched]", 13), yellow)
	case e.Origin == "proxy":
		return f.paint(left("[proxy]", 13), red)
	case e.Origin == "replayed":
		return f.paint(left("[replayed]", 13), green)
	case e.Mocked:
		return f.paint(left("[mocked]", 13), green)
	}
	return f.paint("[passthrough]", grey)
}

func methodColour(method string) colour {
	switch method {
	case "GET":
		return green
	case "POST":
		return blue
	case "PUT", "PATCH":
		return yellow
	case "DELETE":
		return red
	case "HEAD", "OPTIONS":
		return cyan
	}
	return white
}

// duration returns a time in milliseconds for a column of 7: 12ms, 1.2s, or -
// when it took none.
func duration(ms float64) string {
	switch {
	case ms == 0:
		return "-"
	case ms >= 1000:
		return fmt.Sprintf("%.1fs", ms/1000)
	}
	return fmt.Sprintf("%.0fms", ms)
}

// byteSize returns a number of bytes in the largest unit that leaves one digit
// before the point: 900 B, 1.5 KB.
func byteSize(n float64) string {
	if n < 1024 {
		return fmt.Sprintf("%.0f B", n)
	}
	for _, unit := range []string{"KB", "MB", "GB"} {
		if n /= 1024; n < 1024 {
			return fmt.Sprintf("%.1f %s", n, unit)
		}
	}
	return fmt.Sprintf("%.1f TB", n/1024)
}
