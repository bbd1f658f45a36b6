package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rivo/uniseg"

	"starproxy/driver/view"
)

// tlsFacts are what a handshake agreed on.
type tlsFacts struct {
	Version string `json:"version"`
	Cipher  string `json:"cipher"`
	ALPN    string `json:"alpn"`
}

// captureNote is what a script or the proxy notes about an exchange.
type captureNote struct {
	Level string `json:"level"`
	Text  string `json:"text"`
}

// captureDetail is the answer of get_capture, as far as it is shown.
type captureDetail struct {
	Seq      uint64            `json:"seq"`
	Kind     string            `json:"kind"`
	Method   string            `json:"method"`
	URL      string            `json:"url"`
	Protocol string            `json:"protocol"`
	Client   string            `json:"client"`
	Server   string            `json:"server"`
	SNI      string            `json:"sni"`
	Way      string            `json:"way"`
	Failure  string            `json:"failure"`
	Came     string            `json:"came"`
	Mark     string            `json:"mark"`
	Comment  string            `json:"comment"`
	Start    float64           `json:"start"`
	Headers  [][2]string       `json:"headers_list"`
	Answered [][2]string       `json:"response_headers_list"`
	Trailers map[string]string `json:"trailers"`
	TrailOut map[string]string `json:"response_trailers"`
	BodySize int64             `json:"body_size"`
	Row      requestRow        `json:"row"`
	Met      []string          `json:"met"`
	Notes    []captureNote     `json:"notes"`
	Curl     string            `json:"curl"`
	// Timing has the phases of the exchange in milliseconds, as far as they are known.
	Timing map[string]float64 `json:"timing"`
	Why    *struct {
		Endpoint  string `json:"endpoint"`
		Source    string `json:"source"`
		File      string `json:"file"`
		Line      int    `json:"line"`
		Recording string `json:"recording"`
		Misses    []struct {
			Endpoint string   `json:"endpoint"`
			Source   string   `json:"source"`
			Why      []string `json:"why"`
		} `json:"misses"`
	} `json:"why"`
	TLS struct {
		Client *tlsFacts `json:"client"`
		Server *tlsFacts `json:"server"`
	} `json:"tls"`
	Handshake *tlsHandshake `json:"handshake"`
	Socket    *struct {
		Closed   bool          `json:"closed"`
		Messages int           `json:"messages"`
		Code     int           `json:"code"`
		Reason   string        `json:"reason"`
		By       string        `json:"by"`
		Notes    []captureNote `json:"notes"`
	} `json:"socket"`
}

// bodySize returns the size of a body on the wire.
func (d *captureDetail) bodySize(side string) int64 {
	if side == "request" {
		return d.BodySize
	}
	return d.Row.Size
}

// phases returns how long the steps of the way to the real server took.
func (d *captureDetail) phases() []string {
	var list []string
	if _, asked := d.Timing["asked_ms"]; !asked {
		return nil
	}
	if _, fresh := d.Timing["connect_ms"]; !fresh {
		list = append(list, "connection used again")
	}
	for _, phase := range []struct{ key, name string }{
		{"dns_ms", "DNS"}, {"connect_ms", "connect"}, {"tls_ms", "TLS"}, {"wait_ms", "waiting"}, {"receive_ms", "receiving"},
	} {
		if ms, known := d.Timing[phase.key]; known {
			list = append(list, fmt.Sprintf("%s %.1f ms", phase.name, ms))
		}
	}
	return list
}

// shownMessage is a message of a socket.
type shownMessage struct {
	Kind   string  `json:"kind"`
	Time   float64 `json:"time"`
	From   string  `json:"from"`
	Binary bool    `json:"binary"`
	Size   int64   `json:"size"`
	Text   string  `json:"text"`
}

// showPage lays one exchange out.
type showPage struct {
	palette
	strings.Builder
	width int // columns, 0 for as many as there are
}

// heading begins a part.
func (s *showPage) heading(text string) { fmt.Fprintf(s, "\n%s\n", s.bold(printable(text), white)) }

// line writes a text, its further lines deeper than the first.
func (s *showPage) line(indent int, text string) {
	text = strings.Repeat(" ", indent) + printable(text)
	deeper := strings.Repeat(" ", indent+4)
	for s.width > 0 && textWidth(text) > s.width {
		first := firstColumns(text, s.width)
		if at := strings.LastIndexByte(first, ' '); at > s.width/2 {
			first = first[:at+1]
		}
		fmt.Fprintf(s, "%s\n", strings.TrimRight(first, " "))
		text = deeper + strings.TrimLeft(text[len(first):], " ")
		if len(first) <= len(deeper) {
			break // narrower than anybody can read
		}
	}
	fmt.Fprintf(s, "%s\n", text)
}

// firstColumns returns the beginning of s that fits into width columns.
func firstColumns(s string, width int) string {
	taken := 0
	for g := uniseg.NewGraphemes(s); g.Next(); {
		if taken += g.Width(); taken > width {
			from, _ := g.Positions()
			return s[:from]
		}
	}
	return s
}

// pairs writes names and values.
func (s *showPage) pairs(list [][2]string) {
	for _, p := range list {
		s.line(2, p[0]+": "+p[1])
	}
}

// head writes the first lines: the request, when and from where it came, and who answered.
func (s *showPage) head(d *captureDetail) {
	tag, colour := d.Row.tag()
	method := captureLines{}.method(d.Row)
	s.line(0, fmt.Sprintf("#%d %s %s", d.Seq, method, cmp.Or(d.URL, d.Row.host())))
	when := time.UnixMicro(int64(d.Start * 1e6)).Local().Format("2006-01-02 15:04:05.000")
	facts := []string{when, "from " + cmp.Or(d.Client, "a device")}
	if d.Way != "" {
		facts = append(facts, "by "+d.Way)
	}
	s.line(0, strings.TrimRight(strings.Join(append(facts, d.Protocol), "  "), " "))
	shown := "[" + printable(tag) + "]"
	if s.width > 0 {
		shown = bracketed(tag, s.width)
	}
	fmt.Fprintf(s, "%s\n", s.paint(shown, colour))
	if d.Mark != "" || d.Comment != "" {
		s.line(0, strings.TrimSpace(d.Mark+" "+d.Comment))
	}
	if d.Failure != "" {
		s.line(0, "Failure: "+d.Failure)
	}
	if d.Came != "" {
		s.heading("What came")
		for _, line := range textLines(d.Came) {
			s.line(2, line)
		}
	}
}

// side writes the header of the request or of the answer.
func (s *showPage) side(d *captureDetail, side string) {
	if side == "request" {
		if len(d.Headers) > 0 && d.Kind == "http" {
			s.heading("Request")
			s.pairs(d.Headers)
			s.trailers(d.Trailers)
		}
		return
	}
	status := cmp.Or(d.Row.Status, d.Row.SentStatus)
	if status == 0 {
		return
	}
	text := fmt.Sprintf("Answer %d", status)
	if d.Row.Status == 0 {
		text += ", of the proxy"
	}
	s.heading(text)
	s.pairs(d.Answered)
	s.trailers(d.TrailOut)
}

// trailers writes the lines behind a body.
func (s *showPage) trailers(list map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(list)) {
		s.line(2, "(trailer) "+name+": "+list[name])
	}
}

// maxBodyLines is how many lines of a body are shown among everything else.
const maxBodyLines = 20

// body writes the beginning of a body; command prints all of it.
func (s *showPage) body(size int64, b bodyPiece, data []byte, r *view.Rendered, command string) {
	lines := bodyLines(b, data, r)
	fmt.Fprintln(s)
	for i, line := range lines {
		if i == maxBodyLines {
			break
		}
		line = "  " + line
		if s.width > 0 {
			line = cut(line, s.width)
		}
		fmt.Fprintf(s, "%s\n", line)
	}
	if more := len(lines) - maxBodyLines; more > 0 || b.More {
		s.line(2, fmt.Sprintf("… (%s in all: %s)", byteSize(float64(size)), command))
	}
	if b.Error != "" {
		s.line(2, "! "+b.Error)
	} else if b.Truncated && !b.More {
		s.line(2, fmt.Sprintf("! only the first %d bytes were kept", len(data)))
	}
}

// maxShownMessages is how many messages of a socket are shown, the last ones.
const maxShownMessages = 20

// messages writes those of a socket.
func (s *showPage) messages(d *captureDetail, list []shownMessage) {
	s.heading(plural(d.Socket.Messages, "message"))
	list = slices.DeleteFunc(list, func(m shownMessage) bool { return m.Kind != "message" })
	if more := len(list) - maxShownMessages; more > 0 {
		s.line(2, fmt.Sprintf("… %d before these are not shown", more))
		list = list[more:]
	}
	for _, m := range list {
		arrow, text := "←", m.Text
		if m.From == "client" {
			arrow = "→"
		}
		if m.Binary {
			text = "(binary)"
		}
		line := fmt.Sprintf("  %s %s %s %s", clockTime(m.Time, time.Local), arrow, right(byteSize(float64(m.Size)), 8), printable(text))
		if s.width > 0 {
			line = cut(line, s.width)
		}
		fmt.Fprintf(s, "%s\n", line)
	}
	switch {
	case !d.Socket.Closed:
		s.line(2, "It is open.")
	case d.Socket.Code != 0:
		s.line(2, strings.TrimSpace(fmt.Sprintf("Closed by the %s with %d %s", d.Socket.By, d.Socket.Code, d.Socket.Reason)))
	}
}

// why writes who answered or which mocks came nearest, what the exchange met, and notes.
func (s *showPage) why(d *captureDetail) {
	if w := d.Why; w != nil {
		switch {
		case w.Endpoint != "":
			s.heading("Answered by")
			s.line(2, strings.TrimRight(w.Endpoint+"  "+w.Source, " "))
		case w.Recording != "":
			s.heading("Answered by")
			s.line(2, "the recording "+w.Recording)
		case len(w.Misses) > 0:
			s.heading("Mocks that came nearest")
		}
		for _, m := range w.Misses {
			s.line(2, strings.TrimRight(m.Endpoint+"  "+m.Source, " "))
			for _, reason := range m.Why {
				s.line(4, reason)
			}
		}
	}
	if len(d.Met) > 0 {
		s.heading("Met")
		for _, text := range d.Met {
			s.line(2, text)
		}
	}
	notes := d.Notes
	if d.Socket != nil {
		notes = slices.Concat(notes, d.Socket.Notes)
	}
	if len(notes) > 0 {
		s.heading("Notes")
		for _, n := range notes {
			for i, line := range textLines(n.Text) {
				if i == 0 {
					line = n.Level + ": " + line
				}
				s.line(2, line)
			}
		}
	}
}

// connection writes how long the parts took, and what is known of the connections.
func (s *showPage) connection(d *captureDetail) {
	s.heading("Time and connections")
	if t := d.Timing; d.Kind == "http" {
		s.line(2, fmt.Sprintf("request %.1f ms, waiting %.1f ms, answer %.1f ms, in all %.1f ms", t["uploaded_ms"],
			max(0, t["answered_ms"]-t["uploaded_ms"]), max(0, t["duration_ms"]-t["answered_ms"]), t["duration_ms"]))
	}
	server, phases := cmp.Or(d.Server, "not asked"), d.phases()
	if d.Server == "" && len(phases) > 0 { // its name or the way to it was looked for
		server = "not reached"
	}
	if len(phases) > 0 {
		server += " (" + strings.Join(phases, ", ") + ")"
	}
	s.line(2, "server: "+server)
	for _, end := range []struct {
		name  string
		facts *tlsFacts
	}{{"device", d.TLS.Client}, {"server", d.TLS.Server}} {
		if f := end.facts; f != nil {
			s.line(2, strings.TrimRight(fmt.Sprintf("TLS with the %s: %s %s %s", end.name, f.Version, f.Cipher, f.ALPN), " "))
		}
	}
	if d.Handshake != nil {
		s.line(2, "handshake: "+d.Handshake.line(time.Local))
	}
}

// again writes the curl command.
func (s *showPage) again(d *captureDetail) {
	if d.Curl == "" {
		return
	}
	s.heading("Send it again")
	for _, line := range textLines(d.Curl) {
		fmt.Fprintf(s, "  %s\n", line) // not wrapped: it is to be copied
	}
}
